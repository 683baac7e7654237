package redisbridge

// Faults of Redis against rooms with a history.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"barrage/internal/broker"
	"barrage/internal/redistest"
)

const plenty = 100_000 // messages kept: more than any test publishes

func TestStormClientKillAndScriptFlush(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	st := startStorm(t, kept(calmConfig(s.URL()), plenty), 3, true)
	for range 5 {
		st.flow()
		for _, kind := range []string{"pubsub", "normal"} {
			if err := s.ClientKillByFilter(context.Background(), "TYPE", kind, "SKIPME", "yes").Err(); err != nil {
				t.Fatal(err)
			}
		}
		st.flow()
		if err := s.ScriptFlush(context.Background()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	st.flow()
	st.finish(noGaps)
}

func TestStormFreeze(t *testing.T) {
	s := startRedis(t)
	st := startStorm(t, kept(hastyConfig(s.URL()), plenty), 3, true)
	st.flow()
	s.Freeze()
	for i, n := range st.nodes {
		eventually(t, fmt.Sprintf("node %d notices", i), func() bool { return errors.Is(n.Err(), broker.ErrUnavailable) })
		if _, err := n.History(context.Background(), "a", broker.Query{}); !errors.Is(err, broker.ErrUnavailable) {
			t.Errorf("History of a frozen Redis: %v", err)
		}
	}
	s.Thaw()
	st.flow()
	st.finish(noGaps)
}

func TestStormKillWithData(t *testing.T) {
	t.Parallel()
	s := startRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	st := startStorm(t, kept(steadyConfig(s.URL()), plenty), 3, true)
	for range 2 {
		st.flow()
		s.Kill()
		s.Restart()
	}
	st.flow()
	st.finish(noGaps)
}

func TestStormKillWithoutData(t *testing.T) {
	s := startRedis(t)
	st := startStorm(t, kept(hastyConfig(s.URL()), plenty), 3, false)
	st.flow()
	s.Kill()
	s.Restart()
	st.flow()
	st.finish(someGaps)
}

func TestStormTrimmed(t *testing.T) {
	s := startRedis(t)
	p := startProxy(t, s.Addr)
	cfg := kept(hastyConfig(s.URL()), 20)
	st := startStorm(t, cfg, 1, true)
	cfg.URL = "redis://" + p.addr()
	away := startNodes(t, cfg, 1).Nodes[0]
	away.Receiver.SetMembers("a", 1)
	eventually(t, "ready", func() bool { return away.Err() == nil && away.Want("a") })
	st.flow()
	p.deafen() // more than 20 messages pass the node by
	st.flow()
	st.flow()
	st.flow()
	st.flow()
	st.nodes = append(st.nodes, away)
	st.rooms = st.rooms[:1]
	st.finish(someGaps)
}

func TestStormReadOnly(t *testing.T) {
	s := startRedis(t)
	st := startStorm(t, kept(calmConfig(s.URL()), plenty), 2, true)
	st.flow()
	ctx := context.Background()
	if err := s.ReplicaOf(ctx, "127.0.0.1", fmt.Sprint(redistest.FreePort(t))).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a publish is refused", func() bool {
		_, err := st.nodes[0].Publish(ctx, message("elsewhere", "x"))
		return errors.Is(err, broker.ErrUnavailable) && strings.Contains(err.Error(), "read-only replica: READONLY")
	})
	if err := s.ReplicaOf(ctx, "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	st.flow()
	st.finish(noGaps)
}

func TestStormOutOfMemory(t *testing.T) {
	s := startRedis(t)
	st := startStorm(t, kept(calmConfig(s.URL()), plenty), 2, true)
	st.flow()
	ctx := context.Background()
	if err := s.ConfigSet(ctx, "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a publish is refused", func() bool {
		_, err := st.nodes[0].Publish(ctx, message("elsewhere", "x"))
		return errors.Is(err, broker.ErrUnavailable) && strings.Contains(err.Error(), "out of memory: OOM")
	})
	if err := s.ConfigSet(ctx, "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	st.flow()
	st.finish(noGaps)
}

// A receiver that stands still gets its connection cut; what it missed is read
// from the history.
func TestOutputBufferLimitWithHistory(t *testing.T) {
	s := startRedis(t, "--client-output-buffer-limit", "pubsub 256kb 0 0")
	held := make(chan struct{})
	n := &node{t: t, members: map[string]int{"a": 1}, ready: make(map[string]int)}
	n.hold = func(m *broker.Message) {
		if string(m.Payload) == "hold" {
			<-held
		}
	}
	n.begin(kept(calmConfig(s.URL()), plenty))
	n.waitUp()
	n.join("a")
	other := healthyNode(t, kept(calmConfig(s.URL()), plenty))
	say := func(payload string) {
		if _, err := other.publish("a", payload); err != nil {
			t.Fatal(err)
		}
	}
	say("hold")
	total := 1
	eventually(t, "Redis cuts the slow subscriber", func() bool {
		say(fmt.Sprint(total, strings.Repeat("x", 100<<10)))
		total++
		return s.subscribers("room:a") == 0
	})
	close(held)
	say("after")
	n.waitFor("after")
	got := n.deliveries()
	if len(got) != total+1 || len(n.gaps()) != 0 {
		t.Fatalf("%d deliveries and %d gaps, want %d and 0", len(got), len(n.gaps()), total+1)
	}
	for i, d := range got[1:total] {
		if !strings.HasPrefix(d.payload, fmt.Sprint(i+1, "x")) {
			t.Fatalf("message %d begins with %.9s", i+1, d.payload)
		}
	}
}

// Redis comes back with an older state (it saves now and then, or a replica that
// had not got everything took over): the same offsets are given again.
func TestHistoryGoesBack(t *testing.T) {
	for _, after := range []int{0, 2, 9} {
		t.Run(fmt.Sprintf("new messages=%d", after), func(t *testing.T) {
			s := startRedis(t)
			n := healthyNode(t, kept(calmConfig(s.URL()), plenty), "a")
			ctx := context.Background()
			keys := []string{n.names.meta("a"), n.names.log("a")}
			var saved []string
			for i := range 10 {
				if i == 5 {
					for _, key := range keys {
						saved = append(saved, s.Dump(ctx, key).Val())
					}
				}
				if _, err := n.publish("a", fmt.Sprint("old ", i)); err != nil {
					t.Fatal(err)
				}
			}
			n.waitFor("old 9")
			for i, key := range keys {
				if err := s.RestoreReplace(ctx, key, time.Hour, saved[i]).Err(); err != nil {
					t.Fatal(err)
				}
			}
			for i := range after {
				if _, err := n.publish("a", fmt.Sprint("new ", i)); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.ClientKillByFilter(ctx, "TYPE", "pubsub").Err(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the gap is announced", func() bool { return len(n.gaps()) > 0 })
			if gap := n.gaps()[0]; gap.Reason != broker.GapEpoch || gap.From != 11 {
				t.Errorf("gap %+v", gap)
			}
			r, err := n.publish("a", "afterwards")
			if err != nil || r.Position.Offset == 0 {
				t.Fatalf("%+v, %v", r, err)
			}
			n.waitFor("afterwards")
			if len(n.gaps()) != 1 || n.times("old 9") != 1 {
				t.Errorf("gaps %+v", n.gaps())
			}
		})
	}
}

// What others may do to our keys and channels.
func TestForeignHands(t *testing.T) {
	ctx := context.Background()
	key := func(n *node, of string) string {
		if of == "meta" {
			return n.names.meta("a")
		}
		return n.names.log("a")
	}
	tests := []struct {
		name string
		do   func(s *server, n *node) error
		// refused: publishing fails until the keys are deleted.
		refused string
		gaps    int
	}{
		{"nothing", func(*server, *node) error { return nil }, "", 0},
		{"meta lost", func(s *server, n *node) error { return s.Del(ctx, key(n, "meta")).Err() }, "", 1},
		{"log lost", func(s *server, n *node) error { return s.Del(ctx, key(n, "log")).Err() }, "", 0},
		{"both lost", func(s *server, n *node) error { return s.FlushAll(ctx).Err() }, "", 1},
		{"meta of the wrong type", func(s *server, n *node) error { return s.Set(ctx, key(n, "meta"), "x", 0).Err() }, "WRONGTYPE", 1},
		{"log of the wrong type", func(s *server, n *node) error { return s.Set(ctx, key(n, "log"), "x", 0).Err() }, "WRONGTYPE", 1},
		{"meta without an epoch", func(s *server, n *node) error { return s.HDel(ctx, key(n, "meta"), "e").Err() }, "", 1},
		{"offset that is no number", func(s *server, n *node) error { return s.HSet(ctx, key(n, "meta"), "o", "x").Err() }, "", 1},
		{"offset set back", func(s *server, n *node) error { return s.HSet(ctx, key(n, "meta"), "o", "1").Err() }, "", 1},
		{"entry with an id of the clock", func(s *server, n *node) error { return s.Do(ctx, "XADD", key(n, "log"), "*", "a", "b").Err() }, "", 1},
		{"envelope of a far offset", func(s *server, n *node) error {
			e := string(appendBody([]byte("\x02\x01e\x06100-99"), "n", 1, message("a", "forged")))
			return s.Publish(ctx, n.names.message("a"), e).Err()
		}, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := startRedis(t)
			cfg := kept(calmConfig(s.URL()), plenty)
			cfg.Outage = OutageRefuse
			n := healthyNode(t, cfg, "a")
			for i := range 3 {
				if _, err := n.publish("a", fmt.Sprint(i)); err != nil {
					t.Fatal(err)
				}
			}
			n.waitFor("2")
			if err := tt.do(s, n); err != nil {
				t.Fatal(err)
			}
			r, err := n.publish("a", "after")
			if tt.refused != "" {
				if !errors.Is(err, broker.ErrUnavailable) || !strings.Contains(err.Error(), tt.refused) {
					t.Errorf("Publish: %+v, %v, want %s", r, err, tt.refused)
				}
				if _, err := n.History(ctx, "a", broker.Query{}); !errors.Is(err, broker.ErrUnavailable) {
					t.Errorf("History: %v", err)
				}
				if err := s.FlushAll(ctx).Err(); err != nil {
					t.Fatal(err)
				}
				r, err = n.publish("a", "after")
			}
			if err != nil || r.Position.Offset == 0 {
				t.Fatalf("Publish: %+v, %v", r, err)
			}
			n.waitFor("after")
			if gaps := n.gaps(); len(gaps) != tt.gaps {
				t.Errorf("gaps %+v, want %d", gaps, tt.gaps)
			}
			if n.times("forged") != 0 {
				t.Error("a forged message was delivered")
			}
			page, err := n.History(ctx, "a", broker.Query{})
			if err != nil || len(page.Messages) == 0 || string(page.Messages[len(page.Messages)-1].Payload) != "after" {
				t.Errorf("History: %+v, %v", page, err)
			}
			s.say("room:a", "plain")
			n.waitFor("plain")
		})
	}
}

// A publish in an outage that Redis executes after all comes back with a position in
// the history, and is not delivered a second time here.
func TestLocalThenHistory(t *testing.T) {
	s := startRedis(t)
	n := healthyNode(t, kept(hastyConfig(s.URL()), plenty), "a")
	other := healthyNode(t, kept(hastyConfig(s.URL()), plenty), "a")
	if _, err := n.publish("a", "warm"); err != nil { // opens a connection
		t.Fatal(err)
	}
	n.waitFor("warm")
	through := func(payload string) {
		t.Helper()
		eventually(t, "publishing works again", func() bool {
			r, err := n.publish("a", payload)
			return err == nil && !r.LocalOnly
		})
		n.waitFor(payload)
		other.waitFor(payload)
	}
	frozen := ""
	for i := 0; frozen == ""; i++ {
		text := fmt.Sprint("into the freeze ", i)
		s.Freeze()
		n.wantLocal("a", text)
		n.waitFor(text)
		s.Thaw()
		n.waitUp()
		through(fmt.Sprint("behind it ", i))
		// Else the node had noticed before, or had no connection to try it by.
		if other.times(text) > 0 {
			frozen = text
		}
	}
	through("after")
	if n.times(frozen) != 1 || other.times(frozen) != 1 || len(n.gaps())+len(other.gaps()) != 0 {
		t.Errorf("here %d times, there %d, gaps %+v %+v", n.times(frozen), other.times(frozen), n.gaps(), other.gaps())
	}
}

// 20,000 rooms catch up after their connection was cut.
func TestManyRoomsCatchUp(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	release := make(chan struct{})
	n := &node{t: t, members: make(map[string]int), ready: make(map[string]int)}
	n.hold = func(*broker.Message) { <-release }
	n.begin(kept(calmConfig(s.URL()), 10))
	n.waitUp()
	const rooms = 20000
	name := func(i int) string { return fmt.Sprintf("room-%d", i) }
	start := time.Now()
	for i := range rooms {
		n.setMembers(name(i), 1)
		n.Want(name(i))
	}
	eventually(t, "all rooms are ready", func() bool { return n.Stats().Subscriptions == rooms })
	t.Logf("%d rooms ready in %v", rooms, time.Since(start))

	start = time.Now() // deliveries stand still, publishing does not
	if err := s.ClientKillByFilter(context.Background(), "TYPE", "pubsub").Err(); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		n.try(name(i*200), "missed")
	}
	ok := false
	for end := time.Now().Add(patience); !ok && time.Now().Before(end); time.Sleep(time.Millisecond) {
		ok = n.Stats().Queued == 0
	}
	close(release)
	if !ok {
		t.Fatal("publishing waits for deliveries")
	}
	eventually(t, "all rooms are ready again", func() bool {
		st := n.Stats()
		return st.Reconnects > 0 && st.Subscriptions == rooms && st.CatchingUp == 0
	})
	t.Logf("%d rooms caught up in %v", rooms, time.Since(start))
	eventually(t, "what was missed has come", func() bool { return n.times("missed") == 100 })
	if len(n.gaps()) != 0 {
		t.Errorf("gaps %+v", n.gaps())
	}
}
