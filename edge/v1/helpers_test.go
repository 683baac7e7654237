// What the tests of barrage.v1 share.

package v1_test

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"barrage/edge"
	"barrage/edge/conn"
	"barrage/edge/edgetest"
	"barrage/internal/broker"
	"barrage/internal/broker/memory"
)

// viewer is a viewer that may speak barrage.v1.
type viewer struct{ *edgetest.Viewer }

func shake(t testing.TB, s *edgetest.Server, request string) (*viewer, *http.Response) {
	t.Helper()
	c, resp := edgetest.Shake(t, s, request)
	return &viewer{c}, resp
}

func join(t testing.TB, s *edgetest.Server, target string) *viewer {
	t.Helper()
	return &viewer{edgetest.Join(t, s, target)}
}

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
		edgetest.WaitFor(t, "a history to be read", func() bool {
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

func startHeld(t *testing.T, change func(*edge.Config)) (*edgetest.Server, *heldBroker) {
	t.Helper()
	b := &heldBroker{holds: make(map[string]*hold)}
	s := edgetest.Start(t, change, func(s *edgetest.Server) {
		b.Broker = edgetest.NewMemory(t, s, memory.Config{Rules: s.Config.History})
		s.SetBroker(b)
	})
	return s, b
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
func onLoops(t testing.TB, s *edgetest.Server, f func(*conn.Loop) int) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), edgetest.Patience)
	defer cancel()
	ns, err := conn.Gather(ctx, s.Node.Loops, f)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, n := range ns {
		sum += n
	}
	return sum
}

// push takes objects until one is of this kind.
func (c *viewer) push(kind string) map[string]any {
	c.T.Helper()
	for {
		if v := c.object(); v["push"] == kind {
			return v
		}
	}
}

// answers takes objects until n replies have come, in any order, and returns them
// by id.
func (c *viewer) answers(n int) map[int]map[string]any {
	c.T.Helper()
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
	c.T.Helper()
	for {
		if v := c.object(); v["push"] == nil && v["id"] == float64(id) {
			return v
		}
	}
}
