package queues

// Queues in a real Redis, published through real bridges.

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/redistest"
	"barrage/redisbridge"
)

const patience = 20 * time.Second

// rooms is a node's receiver, which has a member in every room.
type rooms struct {
	mu  sync.Mutex // guards got
	got []string
}

func (r *rooms) Deliver(m *broker.Message) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, m.Kind+string(m.Payload))
	return 1
}
func (r *rooms) Lost(string, broker.Gap) {}
func (r *rooms) Ready(string)            {}
func (r *rooms) Members(string) int      { return 1 }

func (r *rooms) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

func (r *rooms) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

// node is a bridge; its publishes can be watched, and stopped.
type node struct {
	*redisbridge.Bridge
	*rooms
	before func(*broker.Publication) // may be nil
}

func (n *node) Publish(ctx context.Context, p *broker.Publication) (broker.Receipt, error) {
	if n.before != nil {
		n.before(p)
	}
	return n.Bridge.Publish(ctx, p)
}

func newNode(t testing.TB, url string) *node {
	t.Helper()
	n := &node{rooms: new(rooms)}
	var err error
	rule := broker.Rules{{Pattern: "*", Retention: broker.Retention{Messages: 100_000, Age: time.Hour}}}
	if n.Bridge, err = redisbridge.New(redisbridge.Config{URL: url, Retention: rule.For}, n); err != nil {
		t.Fatal(err)
	}
	n.Start()
	t.Cleanup(func() { _ = n.Bridge.Close() })
	eventually(t, "the bridge to be up", func() bool { return n.Err() == nil })
	eventually(t, "the room to be subscribed", func() bool { return n.Want("r") })
	return n
}

// newSet makes and starts the queues of a node.
func (n *node) newSet(t testing.TB, url string, change func(*Config), all ...Queue) *Set {
	t.Helper()
	c := Config{Queues: all, Publisher: n, MaxMessage: 64 << 10, Rate: 1_000_000, Timeout: time.Second, Lease: 2500 * time.Millisecond}
	for _, client := range []*redis.UniversalClient{&c.Client, &c.Blocking} {
		var err error
		if *client, err = redisbridge.NewClient(redisbridge.Config{URL: url}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = (*client).Close() })
	}
	if change != nil {
		change(&c)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// die ends a set as the end of its process would: nothing is settled or released.
func (s *Set) die() {
	s.cancel()
	_ = s.cfg.Blocking.Close()
	_ = s.cfg.Client.Close()
	s.runs.Wait()
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain for %s", patience, what)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// numbered are n payloads.
func numbered(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint("m", i)
	}
	return all
}

var kinds = map[string]Queue{"list": {Key: "q", Room: "r"}, "stream": {Key: "q", Room: "r", Stream: true, All: true}}

// push writes payloads into a queue.
func push(t testing.TB, c redis.UniversalClient, q Queue, payloads ...string) {
	t.Helper()
	_, err := c.Pipelined(context.Background(), func(p redis.Pipeliner) error {
		for _, text := range payloads {
			if q.Stream {
				p.XAdd(context.Background(), &redis.XAddArgs{Stream: q.Key, Values: []string{"text", text}})
			} else {
				p.LPush(context.Background(), q.Key, text)
			}
		}
		return nil
	})
	must(t, err)
}

// each runs a test for lists and streams, with a Redis of its own.
func each(t *testing.T, f func(t *testing.T, q Queue, r *redistest.Server)) {
	for name, q := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := redistest.New(t)
			r.Start("--appendonly", "yes", "--appendfsync", "no") // what is written outlives the process
			f(t, q, r)
		})
	}
}

func (n *node) expect(t testing.TB, want []string) {
	t.Helper()
	eventually(t, "all to be delivered", func() bool { return n.count() >= len(want) })
	if got := n.all(); !slices.Equal(got, want) {
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("%d delivered, number %d is %q, want %q", len(got), i, got[i], want[i])
			}
		}
		t.Fatalf("%d delivered, want %d: then %q", len(got), len(want), got[len(want):])
	}
}

// settled waits until nothing is left in the queue.
func (s *Set) settled(t testing.TB) {
	t.Helper()
	eventually(t, "the queue to be empty", func() bool {
		n, err := s.queues[0].source.length(context.Background())
		return err == nil && n == 0
	})
}

// TestOrder: what two nodes compete for is published once, in order, before and after one
// of them stops; those that come to an empty queue, too.
func TestOrder(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, q Queue, r *redistest.Server) {
		a, b := newNode(t, r.URL()), newNode(t, r.URL())
		all := numbered(3000)
		push(t, r, q, all[:1000]...)
		first, second := a.newSet(t, r.URL(), nil, q), b.newSet(t, r.URL(), nil, q)
		eventually(t, "some to be delivered", func() bool { return len(a.all()) > 100 })
		push(t, r, q, all[1000:2000]...)
		first.Close()
		eventually(t, "the other to go on", func() bool { return len(a.all()) == 2000 })
		push(t, r, q, all[2000:]...)
		a.expect(t, all)
		b.expect(t, all)
		second.settled(t)
	})
}

// TestDeath: the holder dies between a publish and its settlement. Its successor begins with
// what it had taken, and what was published is not published again.
func TestDeath(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, q Queue, r *redistest.Server) {
		a, b := newNode(t, r.URL()), newNode(t, r.URL())
		all := numbered(250)
		push(t, r, q, all...)
		dying, reached, seen := make(chan struct{}), make(chan struct{}), 0
		a.before = func(*broker.Publication) {
			if seen++; seen == 8 {
				close(reached)
				<-dying
			}
		}
		first := a.newSet(t, r.URL(), func(c *Config) { c.Lease = time.Hour }, q)
		<-reached
		first.cancel()
		_ = first.cfg.Client.Close()
		close(dying) // number 8 is published, and nothing is settled
		first.die()
		must(t, r.Del(context.Background(), q.beside("holder")).Err()) // as if the hour were over
		second := b.newSet(t, r.URL(), nil, q)
		b.expect(t, all)
		second.settled(t)
		if n := second.Stats().Results["repeated"]; n != 8 {
			t.Errorf("%d were known to be published, want 8", n)
		}
	})
}

// TestLease: a holder that is silent for longer than its lease publishes nothing more once
// another one has taken over, and there is one order.
func TestLease(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, q Queue, r *redistest.Server) {
		a, b := newNode(t, r.URL()), newNode(t, r.URL())
		all := numbered(50)
		push(t, r, q, all...)
		frozen, thaw, seen := make(chan struct{}), make(chan struct{}), 0
		a.before = func(*broker.Publication) {
			if seen++; seen == 5 {
				close(frozen)
				<-thaw
			}
		}
		first := a.newSet(t, r.URL(), func(c *Config) { c.Lease = 50 * time.Millisecond; c.Timeout = 10 * time.Second }, q)
		<-frozen
		second := b.newSet(t, r.URL(), nil, q)
		b.expect(t, all)
		close(thaw)
		second.settled(t)
		eventually(t, "the first to see that", func() bool { return first.Stats().Results["repeated"] == 1 })
		b.expect(t, all)
	})
}

// TestRedisRestarts: nothing is lost, or out of order, while Redis is away.
func TestRedisRestarts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, q Queue, r *redistest.Server) {
		n := newNode(t, r.URL())
		all := numbered(2000)
		push(t, r, q, all...)
		s := n.newSet(t, r.URL(), func(c *Config) { c.Rate = 4000 }, q)
		eventually(t, "some to be delivered", func() bool { return len(n.all()) > 50 })
		r.Kill()
		r.Restart()
		n.expect(t, all)
		s.settled(t)
	})
}

// TestPoison: entries that cannot be published stop no others, and lists keep them.
func TestPoison(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, q Queue, r *redistest.Server) {
		n, ctx := newNode(t, r.URL()), context.Background()
		long := strings.Repeat("x", 101)
		push(t, r, q, "a", long, "b")
		want, results := []string{"a", "b"}, map[string]uint64{"published": 2, "too_large": 1}
		if q.Stream {
			for _, fields := range [][]string{{"text", "\xff"}, {"data", "{"}, {"x", "y"}, {"text", "1", "data", "2"}, {"text", "t", "kind", strings.Repeat("k", 65)},
				{"text", "t", "avatar", "javascript:alert(1)"}, {"text", "t", "name", "a\nb"}, {"text", "t", "user", "a b"}} {
				must(t, r.XAdd(ctx, &redis.XAddArgs{Stream: q.Key, Values: fields}).Err())
			}
			must(t, r.XAdd(ctx, &redis.XAddArgs{Stream: q.Key, Values: []string{"data", `{"n": 1}`, "kind", "order"}}).Err())
			want = append(want, `order{"n":1}`)
			results["published"], results["malformed"] = 3, 8
		} else {
			q.Dead = true
			push(t, r, q, strings.Repeat("y", bounds.QueueBatchBytes+1), "\xff")
			want = append(want, "\xff") // binary
			results["published"], results["too_large"] = 3, 2
		}
		s := n.newSet(t, r.URL(), func(c *Config) { c.MaxMessage = 100 }, q)
		n.expect(t, want)
		s.settled(t)
		for result, count := range results {
			if got := s.Stats().Results[result]; got != count {
				t.Errorf("%s: %d, want %d", result, got, count)
			}
		}
		if kept := r.LRange(ctx, "q:dead", 0, -1).Val(); q.Dead && !slices.Equal(kept, []string{long}) {
			t.Errorf("%d entries are kept, want the long one", len(kept))
		}
	})
}

// TestDead: of a list the newest that cannot be published are kept, so many of them.
func TestDead(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	q := newQueue(&Set{cfg: Config{Client: r.Client, Timeout: patience}}, Queue{Key: "q", Dead: true})
	for i := range bounds.DeadEntries + 2 {
		must(t, q.bury(&entry{raw: fmt.Sprint(i)}))
	}
	kept := r.LRange(context.Background(), "q:dead", 0, -1).Val()
	if len(kept) != bounds.DeadEntries || kept[0] != fmt.Sprint(bounds.DeadEntries+1) || kept[len(kept)-1] != "2" {
		t.Errorf("%d are kept, from %q", len(kept), kept[0])
	}
}

// TestDrop: with nobody in the room the queue is emptied and nothing published.
func TestDrop(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, q Queue, r *redistest.Server) {
		q.Drop = true
		n := newNode(t, r.URL())
		var mu sync.Mutex
		members := 0
		push(t, r, q, "a", "b")
		s := n.newSet(t, r.URL(), func(c *Config) {
			c.Members = func(_ context.Context, room string) (int, error) {
				mu.Lock()
				defer mu.Unlock()
				return members, nil
			}
		}, q)
		eventually(t, "two to be dropped", func() bool { return s.Stats().Results["nobody"] == 2 })
		mu.Lock()
		members = 1
		mu.Unlock()
		eventually(t, "one to be delivered", func() bool {
			push(t, r, q, "c")
			time.Sleep(membersAge / 4)
			return len(n.all()) > 0
		})
		if got := n.all()[0]; got != "c" {
			t.Errorf("%q was delivered", got)
		}
	})
}

// TestParse: what is wrong with a setting is said.
func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		key, value string
		stream     bool
		wrong      string // "" if nothing is
	}{
		{"q", "r", false, ""}, {"a{b}c", "r drop dead", false, ""}, {"q", "r drop 0", true, ""}, {"q", "r $", true, ""}, {"q", "直播间", false, ""},
		{"q", "", false, "room"}, {"q", "a*", false, "room"}, {"", "r", false, "key"}, {"barrage:x", "r", false, "key"},
		{"a}b", "r", false, "braces"}, {"q", "r 0", false, "drop or dead"}, {"q", "r dead", true, "drop, 0 or $"},
	} {
		_, err := Parse(c.key, c.value, c.stream)
		if (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%q=%q: %v, want %q", c.key, c.value, err, c.wrong)
		}
	}
}
