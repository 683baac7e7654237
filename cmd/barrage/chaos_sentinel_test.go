package main

// Two Redis, of which one follows the other, and the sentinels that have them
// change places.

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type sentinels struct {
	t      *testing.T
	redis  [2]*redisServer
	master int // index in redis
	list   []*redisServer
}

func startSentinels(t *testing.T) *sentinels {
	t.Helper()
	s := &sentinels{t: t, redis: [2]*redisServer{newRedis(t), newRedis(t)}}
	s.redis[0].startKept()
	host, port, _ := net.SplitHostPort(s.redis[0].Addr) // made by redistest
	s.redis[1].startKept("--replicaof", host, port, "--repl-diskless-sync-delay", "0")
	for range 3 {
		r := newRedis(t)
		path := filepath.Join(r.Dir, "sentinel.conf")
		conf := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nloglevel warning\nsentinel monitor main %s %s 2\n"+
			"sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n", r.Port(), r.Dir, host, port)
		if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		r.Run(path, "--sentinel")
		s.list = append(s.list, r)
	}
	for _, r := range s.list {
		await(t, "the sentinels to know each other and the replica", func() bool {
			replicas, _ := r.Do(context.Background(), "SENTINEL", "REPLICAS", "main").Slice()
			others, _ := r.Do(context.Background(), "SENTINEL", "SENTINELS", "main").Slice()
			return len(replicas) == 1 && len(others) == 2
		})
	}
	s.waitFollowing()
	return s
}

func (s *sentinels) url() string {
	var hosts []string
	for _, r := range s.list {
		hosts = append(hosts, r.Addr)
	}
	return "--redis=redis+sentinel://" + strings.Join(hosts, ",") + "/main"
}

// killMaster ends with the two having changed places.
func (s *sentinels) killMaster() {
	s.t.Helper()
	old := s.redis[s.master]
	s.master = 1 - s.master
	port := s.redis[s.master].Port()
	old.Kill()
	for _, r := range s.list {
		await(s.t, "the sentinels to name the other master", func() bool {
			pair, err := r.Do(context.Background(), "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main").StringSlice()
			return err == nil && len(pair) == 2 && pair[1] == port
		})
	}
	old.startKept()
	s.waitFollowing()
}

// waitFollowing waits until the replica has what the master has.
func (s *sentinels) waitFollowing() {
	s.t.Helper()
	await(s.t, "the replica to follow", func() bool {
		return strings.Contains(s.redis[1-s.master].Info(context.Background(), "replication").Val(), "master_link_status:up") &&
			s.redis[s.master].Do(context.Background(), "WAIT", "1", "10").Val() == int64(1)
	})
}
