package main

// A redis-server of the test's own, on a TCP port that it can come back to, and
// the redis-cli program.

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

type redisServer struct {
	t    *testing.T
	addr string
	dir  string
	cmd  *exec.Cmd
	*redis.Client
}

// newRedis is a server that does not run yet.
func newRedis(t *testing.T) *redisServer {
	t.Helper()
	for _, program := range []string{"redis-server", "redis-cli"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed (Debian packages redis-server and redis-tools)", program)
		}
	}
	s := &redisServer{t: t, addr: lowPort(t), dir: t.TempDir()}
	s.Client = redis.NewClient(&redis.Options{Addr: s.addr, MaxRetries: 20, DialTimeout: time.Second})
	t.Cleanup(func() { _ = s.Close() }) // the server is gone by then
	t.Cleanup(func() {
		if s.cmd != nil {
			s.kill()
		}
	})
	return s
}

// lowPort finds a free port below those that the kernel gives to outgoing
// connections: one of those could take the port while Redis is down.
func lowPort(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(10000))
		if l, err := net.Listen("tcp", addr); err == nil {
			_ = l.Close()
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}

func startedRedis(t *testing.T) *redisServer {
	t.Helper()
	s := newRedis(t)
	s.start()
	return s
}

func (s *redisServer) url() string { return "--redis=redis://" + s.addr }

func (s *redisServer) start() {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.addr) // made by lowPort
	s.cmd = exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", s.dir,
		"--save", "", "--appendonly", "no", "--loglevel", "warning")
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	await(s.t, "redis-server", func() bool { return s.Ping(context.Background()).Err() == nil })
}

// kill ends it as kill -9 does.
func (s *redisServer) kill() {
	_ = s.cmd.Process.Kill() // it may be dead already
	_ = s.cmd.Wait()         // always "killed"
}

// freeze stops the process and returns when it stands.
func (s *redisServer) freeze() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		s.t.Fatal(err)
	}
	await(s.t, "redis-server to stand", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
		return err == nil && strings.Contains(string(stat), ") T ")
	})
}

func (s *redisServer) thaw() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		s.t.Fatal(err)
	}
}

// say publishes the way any program does, and returns how many Redis gave it to.
func (s *redisServer) say(room, payload string) int64 {
	s.t.Helper()
	n, err := s.Publish(context.Background(), "room:"+room, payload).Result()
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// cli publishes with redis-cli, the payload from its standard input.
func (s *redisServer) cli(room, payload string) {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.addr)
	cmd := exec.Command("redis-cli", "-p", port, "-x", "PUBLISH", "room:"+room)
	cmd.Stdin = strings.NewReader(payload)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("redis-cli: %v\n%s", err, out)
	}
}

// subscribers is how many nodes are subscribed to a room by both its channels.
func (s *redisServer) subscribers(room string) int64 {
	s.t.Helper()
	ctx := context.Background()
	channels, err := s.PubSubChannels(ctx, "barrage:{*}:msg:room:"+room).Result()
	if err != nil {
		s.t.Fatal(err)
	}
	if len(channels) != 1 {
		return 0
	}
	plain, own := "room:"+room, channels[0]
	n, err := s.PubSubNumSub(ctx, plain, own).Result()
	if err != nil {
		s.t.Fatal(err)
	}
	return min(n[plain], n[own])
}

func (s *redisServer) waitSubscribers(room string, n int64) {
	s.t.Helper()
	await(s.t, fmt.Sprintf("%d subscribers of %s", n, room), func() bool { return s.subscribers(room) == n })
}
