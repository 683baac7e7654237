package main

// What the tests do with a redis-server of their own, and the redis-cli program.

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"barrage/internal/redistest"
)

type redisServer struct {
	*redistest.Server
	t *testing.T
}

// newRedis is a server that does not run yet.
func newRedis(t *testing.T) *redisServer {
	t.Helper()
	if _, err := exec.LookPath("redis-cli"); err != nil {
		t.Skip("redis-cli is not installed (Debian package redis-tools)")
	}
	return &redisServer{redistest.New(t), t}
}

func startedRedis(t *testing.T) *redisServer {
	t.Helper()
	s := newRedis(t)
	s.Start()
	return s
}

func (s *redisServer) url() string { return "--redis=" + s.URL() }

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
	cmd := exec.Command("redis-cli", "-p", s.Port(), "-x", "PUBLISH", "room:"+room)
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
