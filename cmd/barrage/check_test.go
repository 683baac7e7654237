package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"barrage/internal/redistest"
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

// What check calls valid is what serve starts with: settings that are bad are so for
// both, in the same words.
func TestCheckMeansServe(t *testing.T) {
	const secret = "BARRAGE_WEBHOOK_SECRET=0123456789abcdef"
	for _, tt := range []struct{ names, arg, more string }{
		{"webhook_url", "--webhook-url=ftp://x/y", ""},
		{"webhook_url", "--webhook-url=notaurl", ""},
		{"webhook_url", "--webhook-url=http://:80/x", ""},
		{"webhook_url", "--webhook-url=http://127.0.0.1:99999/x", ""},
		{"webhook_url", "--webhook-url=http://127.0.0.1:0/x", ""},
		{"request_routes", "--request-routes=m=notaurl", ""},
		{"request_routes", "--request-routes==http://a/b", ""},
		{"request_routes", "--request-routes=m=https://a:70000/b", ""},
		{"connect_url", "--connect-url=notaurl", ""},
		{"connect_headers", "--connect-headers=Cookie", "--connect-url=http://a/b"},
		{"connect_cookies", "--connect-cookies=session", ""},
		{"connect_query", "--connect-query=key", "--connect-url=http://a/b --connect-by=message"},
		{"join_hooks", "--join-hooks=live:*=ftp://a/b", ""},
		{"join_hooks", "--join-hooks=a b=http://a/b", ""},
		{"publish_hooks", "--publish-hooks=live:*=http://a:0/b", ""},
		{"join_away", "--join-away=last", ""},
		{"event_stream", "--event-stream=a b", "--redis=redis://127.0.0.1:1"},
		{"event_rooms", "--event-rooms=bad room", ""},
		{"event_rooms", "--event-rooms=@弹幕*", ""},
		{"history", "--history=a b=1/1h", ""},
		{"target_rate", "--target-rate=live:*=0.5", ""},
		{"target_rate", "--target-rate=live:*", ""},
		{"lanes", "--lanes=gift=express", ""},
		{"default_room", "--default-room=user:a", ""},
		{"redis", "--redis=redis://127.0.0.1:99999", ""},
		{"redis", "--redis=redis+cluster://127.0.0.1:7000,127.0.0.1:70000", ""},
		{"auth_jwks", "--auth-jwks=https://issuer.example:99999/keys", ""},
		{"listen", "--listen=127.0.0.1:65536", ""},
		{"admin", "--admin=127.0.0.1:65536", ""},
		{"admin", "--admin=127.0.0.1:21990", "--listen=0.0.0.0:21990"},
		{"admin", "--admin=[::1]:21990", "--listen=:21990"},
		{"ws_paths", "--ws-paths=/ws", ""},
		{"ws_paths", "--ws-paths=/sse/", ""},
		{"ws_paths", "--ws-paths=/publish", ""},
		{"ws_paths", "--ws-paths=/app.js", ""},
		{"ws_paths", "--ws-paths=/{room}", ""},
	} {
		args := []string{"check", tt.arg}
		if tt.more != "" {
			args = append(args, strings.Fields(tt.more)...)
		}
		check := runWith(t, secret, "", args...)
		args[0] = "serve"
		serve := runWith(t, secret, "", args...)
		log := strings.LastIndex(serve.stderr, "barrage: ") // what stands before it
		serve.stderr = serve.stderr[max(log, 0):]
		if check.code != exitUsage || check != serve || !strings.Contains(check.stderr, tt.names) || strings.Count(check.stderr, "\n") != 1 {
			t.Errorf("%s: %+v, and serve %+v", tt.arg, check, serve)
		}
	}
	got := runWith(t, "", "", "check", "--listen=203.0.113.7:0")
	if got.code != exitFailure || !strings.Contains(got.stdout, "listen: ") || !strings.Contains(got.stdout, "serve does not start") {
		t.Errorf("an address of another machine: %+v", got)
	}
}

func TestCheckRedis(t *testing.T) {
	socket := startRedis(t)
	got := runWith(t, "", "", "check", "--redis", "unix://"+socket)
	if got.code != exitOK || !strings.Contains(got.stdout, "answers in") {
		t.Errorf("%+v", got)
	}
	got = runWith(t, "", "", "check", "--redis", redistest.Start(t, "--maxmemory-policy", "volatile-ttl").URL())
	if got.code != exitOK || !strings.Contains(got.stdout, "maxmemory-policy of redis is volatile-ttl") {
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
		_, _, err := redisbridge.Ping(context.Background(), redisbridge.Config{URL: "unix://" + socket, Timeout: time.Second})
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
