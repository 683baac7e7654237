package redisbridge

// A Redis that answers, but refuses.

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"barrage/internal/broker"
)

// TestRefusals: every reason is named, nothing spins, and once Redis works again,
// so does the bridge, with all that had been acknowledged.
func TestRefusals(t *testing.T) {
	kill := []any{"CLIENT", "KILL", "USER", "edge"}
	for _, tt := range []struct {
		name       string
		begin, end [][]any // commands
		wanted     string
	}{
		{"password changed", [][]any{{"ACL", "SETUSER", "edge", "resetpass", ">changed"}, kill},
			[][]any{{"ACL", "SETUSER", "edge", ">secret"}}, "redis refuses the login: WRONGPASS"},
		{"user switched off", [][]any{{"ACL", "SETUSER", "edge", "off"}, kill},
			[][]any{{"ACL", "SETUSER", "edge", "on"}}, "redis refuses the login: WRONGPASS"},
		{"scripts forbidden", [][]any{{"ACL", "SETUSER", "edge", "-evalsha", "-eval"}},
			[][]any{{"ACL", "SETUSER", "edge", "+@all"}}, "redis denies the permission: NOPERM"},
		{"keys forbidden", [][]any{{"ACL", "SETUSER", "edge", "resetkeys", "~other:*"}},
			[][]any{{"ACL", "SETUSER", "edge", "~*"}}, "redis denies the permission: NOPERM"},
		{"read-only", [][]any{{"REPLICAOF", "127.0.0.1", "1"}},
			[][]any{{"REPLICAOF", "NO", "ONE"}}, "redis is a read-only replica: READONLY"},
		{"memory full", [][]any{{"CONFIG", "SET", "maxmemory", "1"}},
			[][]any{{"CONFIG", "SET", "maxmemory", "0"}}, "redis is out of memory: OOM"},
		{"too few replicas", [][]any{{"CONFIG", "SET", "min-replicas-to-write", "1"}},
			[][]any{{"CONFIG", "SET", "min-replicas-to-write", "0"}}, "redis has too few replicas: NOREPLICAS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := startRedis(t)
			run := func(commands [][]any) {
				t.Helper()
				for _, command := range commands {
					if err := s.Do(context.Background(), command...).Err(); err != nil {
						t.Fatalf("%v: %v", command, err)
					}
				}
			}
			run([][]any{{"ACL", "SETUSER", "edge", "on", ">secret", "+@all", "~*", "&*"}})
			cfg := kept(hastyConfig("redis://edge:secret@"+s.Addr), plenty)
			cfg.Outage = OutageRefuse
			n := healthyNode(t, cfg, "a")
			acked := 0
			say := func() error {
				_, err := n.publish("a", fmt.Sprint(acked))
				if err == nil {
					acked++
				}
				return err
			}
			if err := say(); err != nil {
				t.Fatal(err)
			}
			run(tt.begin)
			eventually(t, "a publish is refused: "+tt.wanted, func() bool {
				err := say()
				return errors.Is(err, broker.ErrUnavailable) && strings.Contains(err.Error(), tt.wanted)
			})
			_, code, _ := strings.Cut(tt.wanted, ": ")
			eventually(t, "Err says so, too", func() bool {
				err := n.Err()
				return errors.Is(err, broker.ErrUnavailable) && strings.Contains(err.Error(), code)
			})
			wantIdle(t, s)
			run(tt.end)
			eventually(t, "a publish is accepted", func() bool { return say() == nil })
			n.waitUp()
			eventually(t, "all that was acknowledged is there", func() bool { return len(n.deliveries()) >= acked })
			for i, d := range n.deliveries() {
				if d.payload != fmt.Sprint(i) {
					t.Fatalf("message %d is %q", i, d.payload)
				}
			}
			if len(n.gaps()) != 0 {
				t.Errorf("gaps %+v", n.gaps())
			}
		})
	}
}

// wantIdle wants little to be asked of Redis while it refuses: the probes, and a
// try now and then. A loop without a pause would be a thousand times as much.
func wantIdle(t *testing.T, s *server) {
	t.Helper()
	const pause, limit = 300 * time.Millisecond, 64 << 10
	before := s.stat("total_net_input_bytes")
	time.Sleep(pause) // a busy machine makes it less, never more
	if n := s.stat("total_net_input_bytes") - before; n > limit {
		t.Errorf("%d bytes came to Redis in %v, want at most %d", n, pause, limit)
	}
}

// stat is a number of INFO.
func (s *server) stat(name string) int {
	s.t.Helper()
	text, err := s.Info(context.Background(), "stats").Result()
	if err != nil {
		s.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(text, name+":")
	value, _, _ := strings.Cut(rest, "\r\n")
	n, err := strconv.Atoi(value)
	if err != nil {
		s.t.Fatalf("INFO has no %s: %v", name, err)
	}
	return n
}

// Redis needs seconds to read its file, answers meanwhile that it does, and passes
// probes on.
func TestRedisLoading(t *testing.T) {
	t.Parallel()
	s := startRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	cfg := kept(steadyConfig(s.URL()), plenty)
	st := startStorm(t, cfg, 2, true)
	st.flow()
	// Redis answers once in 1024 commands that it reads, which is soon enough.
	const fill = `for i = 1, 15000 do redis.call('SET', 'filler:' .. i, '') end`
	if err := redis.NewScript(fill).Run(context.Background(), s.Client, nil).Err(); err != nil && !errors.Is(err, redis.Nil) {
		t.Fatal(err)
	}
	s.Kill()
	s.Restart("--key-load-delay", "50") // microseconds
	st.flow()
	if !st.failed("redis is loading its data: LOADING") {
		t.Error("nobody was told that Redis is loading")
	}
	st.finish(noGaps)
}

// failed tells whether some publish has failed so.
func (s *storm) failed(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for err := range s.fails {
		if strings.Contains(err, text) {
			return true
		}
	}
	return false
}
