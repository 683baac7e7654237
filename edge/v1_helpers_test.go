// What the tests of barrage.v1 share.

package edge

import (
	"context"
	"sync"
	"testing"
	"time"

	"barrage/edge/conn"
	"barrage/internal/broker"
	"barrage/internal/broker/memory"
)

// heldBroker is a broker in memory whose histories wait for the test, or fail.
type heldBroker struct {
	broker.Broker

	mu    sync.Mutex // guards what follows
	holds map[string]*hold
	fail  error
}

// hold is what a test does with the histories of one room.
type hold struct {
	open  chan struct{}
	stale bool // they are read before they wait
	n     int  // that wait
}

func (b *heldBroker) History(ctx context.Context, room string, q broker.Query) (broker.Page, error) {
	b.mu.Lock()
	h, err := b.holds[room], b.fail
	b.mu.Unlock()
	if err != nil {
		return broker.Page{}, err
	}
	if h == nil {
		return b.Broker.History(ctx, room, q)
	}
	var page broker.Page
	if h.stale {
		page, err = b.Broker.History(ctx, room, q)
	}
	b.count(h, 1)
	defer b.count(h, -1)
	select {
	case <-h.open:
	case <-ctx.Done():
		return page, ctx.Err()
	}
	if h.stale {
		return page, err
	}
	return b.Broker.History(ctx, room, q)
}

func (b *heldBroker) count(h *hold, d int) {
	b.mu.Lock()
	h.n += d
	b.mu.Unlock()
}

// hold has the histories of a room wait. wait returns once n of them do; release,
// which must be called, lets them go.
func (b *heldBroker) hold(t *testing.T, room string, stale bool) (wait func(n int), release func()) {
	h := &hold{open: make(chan struct{}), stale: stale}
	b.mu.Lock()
	b.holds[room] = h
	b.mu.Unlock()
	wait = func(n int) {
		t.Helper()
		waitFor(t, "a history to be read", func() bool {
			b.mu.Lock()
			defer b.mu.Unlock()
			return h.n >= n
		})
	}
	return wait, sync.OnceFunc(func() {
		b.mu.Lock()
		delete(b.holds, room)
		b.mu.Unlock()
		close(h.open)
	})
}

func (b *heldBroker) setFail(err error) {
	b.mu.Lock()
	b.fail = err
	b.mu.Unlock()
}

func startHeld(t *testing.T, change func(*Config)) (*Server, *heldBroker) {
	t.Helper()
	b := &heldBroker{holds: make(map[string]*hold)}
	s := startServer(t, change, func(s *Server) {
		b.Broker = newMemory(t, s, memory.Config{Rules: s.cfg.History})
		s.SetBroker(b)
	})
	return s, b
}

// newMemory makes the broker in memory that a test's broker is in front of.
func newMemory(t *testing.T, s *Server, cfg memory.Config) *memory.Broker {
	t.Helper()
	m, err := memory.New(cfg, s.Delivery)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// untilOffset takes what a member is given up to the message with the last offset:
// each message, or a gap that covers it exactly, in order. It returns the number of
// gaps.
func untilOffset(t *testing.T, object func() map[string]any, last float64) (gaps int) {
	t.Helper()
	for next := 1.0; next <= last; {
		v := object()
		switch {
		case v["push"] == "message" && v["offset"] == next:
			next++
		case v["push"] == "gap" && v["from"] == next && v["count"] == v["to"].(float64)-next+1:
			next = v["to"].(float64) + 1
			gaps++
		default:
			t.Fatalf("got %.200v, want %v", v, next)
		}
	}
	return gaps
}

// onLoops runs f on each loop and adds up what it returns.
func onLoops(t testing.TB, s *Server, f func(*conn.Loop) int) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ns, err := conn.Gather(ctx, s.node.Loops, f)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, n := range ns {
		sum += n
	}
	return sum
}

// wantCount waits until a room has so many users and connections.
func wantCount(t testing.TB, s *Server, room string, users, connections int) {
	t.Helper()
	end := time.Now().Add(patience)
	for {
		u, c := s.node.Count(room)
		if u == users && c == connections {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s has %d users and %d connections, want %d and %d", room, u, c, users, connections)
		}
		time.Sleep(time.Millisecond)
	}
}

// push takes objects until one is of this kind.
func (c *viewer) push(kind string) map[string]any {
	c.t.Helper()
	for {
		if v := c.object(); v["push"] == kind {
			return v
		}
	}
}

// answers takes objects until n replies have come, in any order, and returns them
// by id.
func (c *viewer) answers(n int) map[int]map[string]any {
	c.t.Helper()
	got := make(map[int]map[string]any)
	for len(got) < n {
		if v := c.object(); v["push"] == nil {
			got[int(v["id"].(float64))] = v
		}
	}
	return got
}

// answer takes objects until the reply to a command.
func (c *viewer) answer(id int) map[string]any {
	c.t.Helper()
	for {
		if v := c.object(); v["push"] == nil && v["id"] == float64(id) {
			return v
		}
	}
}
