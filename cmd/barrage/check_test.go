package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"barrage/redisbridge"
)

// The real machine can be read, and a target far past it is missed.
func TestCheckHere(t *testing.T) {
	got := runWith(t, "", "", "check")
	if got.code != exitOK || !strings.Contains(got.stdout, "limits first") {
		t.Errorf("%+v", got)
	}
	if got := runWith(t, "BARRAGE_TARGET_CONNECTIONS=10000000", "", "check"); got.code != exitFailure {
		t.Errorf("ten million: %+v", got)
	}
	if got := runWith(t, "", "", "check", "--shards=-1"); got.code != exitUsage || got.stdout != "" {
		t.Errorf("bad settings: %+v", got)
	}
}

func TestCheckRedis(t *testing.T) {
	socket := startRedis(t)
	got := runWith(t, "", "", "check", "--redis", "unix://"+socket)
	if got.code != exitOK || !strings.Contains(got.stdout, "answers in") {
		t.Errorf("%+v", got)
	}
	got = runWith(t, "", "", "check", "--redis", "unix://"+socket+".no")
	if got.code != exitOK || !strings.Contains(got.stdout, "does not answer") || got.stderr != "" {
		t.Errorf("%+v", got)
	}
}

// startRedis runs a real redis-server on a Unix socket until the test ends.
func startRedis(t *testing.T) (socket string) {
	t.Helper()
	server, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed")
	}
	// A socket's path is short: t.TempDir may be too long.
	dir, err := os.MkdirTemp("", "redis")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket = filepath.Join(dir, "s")
	cmd := exec.Command(server, "--port", "0", "--unixsocket", socket, "--dir", dir, "--save", "", "--appendonly", "no")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // always "killed"
	})
	eventually(t, "redis answers", func() bool {
		_, err := redisbridge.Ping(context.Background(), redisbridge.Config{URL: "unix://" + socket, Timeout: time.Second})
		return err == nil
	})
	return socket
}

// eventually waits for what must come true within ten seconds.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !f(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within ten seconds: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
