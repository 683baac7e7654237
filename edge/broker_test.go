package edge

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"barrage/edge/wait"
	"barrage/frame"
	"barrage/internal/broker"
	"barrage/internal/broker/memory"
	"barrage/internal/refusal"
)

// lateBroker lets a test say when a room is ready, and fail. The rest is a broker
// in memory.
type lateBroker struct {
	broker.Broker
	srv *Server

	mu    sync.Mutex // guards what follows
	ready map[string]bool
	err   error
	full  bool
}

func (b *lateBroker) Want(room string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ready[room]
}

func (b *lateBroker) Publish(ctx context.Context, p *broker.Publication) (broker.Receipt, error) {
	if err := b.Err(); err != nil {
		return broker.Receipt{}, err
	}
	r, err := b.Broker.Publish(ctx, p)
	r.LocalOnly = true
	return r, err
}

func (b *lateBroker) TryPublish(p *broker.Publication, done func(broker.Receipt, error)) bool {
	b.mu.Lock()
	full := b.full
	b.mu.Unlock()
	return !full && b.Broker.TryPublish(p, done)
}

func (b *lateBroker) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

func (b *lateBroker) setReady(room string) {
	b.mu.Lock()
	b.ready[room] = true
	b.mu.Unlock()
	b.srv.Delivery.Ready(room)
}

func newLateBroker(t *testing.T, s *Server) *lateBroker {
	m := newMemory(t, s, memory.Config{Rules: broker.DefaultRules()})
	b := &lateBroker{Broker: m, srv: s, ready: make(map[string]bool)}
	s.SetBroker(b)
	return b
}

func startWithBroker(t *testing.T) (*Server, *lateBroker) {
	var b *lateBroker
	s := startServer(t, nil, func(s *Server) { b = newLateBroker(t, s) })
	return s, b
}

// TestUpgradeWaitsForTheBroker: no 101 before all rooms are ready, and what the
// client sent meanwhile is not lost.
func TestUpgradeWaitsForTheBroker(t *testing.T) {
	s, b := startWithBroker(t)
	early := frame.AppendMasked(nil, frame.Text, [4]byte{1, 2, 3, 4}, []byte("early"))
	conn := dialTCP(t, s)
	_, _ = io.WriteString(conn, upgradeRequest("/ws?room=a&room=b")+string(early[:5]))
	waitFor(t, "the upgrade to wait", func() bool { return s.node.Waiting.Load() == 1 })
	_, _ = conn.Write(early[5:])
	b.setReady("a")
	b.setReady("other")
	if s.Delivery.Members("a") != 0 {
		t.Error("joined before all rooms were ready")
	}
	b.setReady("b")
	c, resp := shakeOn(t, conn, "")
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("status %d", resp.StatusCode)
	}
	c.want(frame.Text, "early")
	if s.node.Waiting.Load() != 0 {
		t.Errorf("%d still wait", s.node.Waiting.Load())
	}
}

// TestUpgradeGivesUpWaiting: a broker that does not answer keeps nobody out for
// ever.
func TestUpgradeGivesUpWaiting(t *testing.T) {
	t.Parallel()
	s, _ := startWithBroker(t)
	start := time.Now()
	c := join(t, s, "/ws?room=a")
	if d := time.Since(start); d < wait.Longest {
		t.Errorf("let in after %v without the broker", d)
	}
	c.send(frame.Text, "alone")
	c.want(frame.Text, "alone")
}

func TestLeavingWhileWaiting(t *testing.T) {
	s, b := startWithBroker(t)
	conn := dialTCP(t, s)
	_, _ = io.WriteString(conn, upgradeRequest("/ws?room=a"))
	waitFor(t, "the upgrade to wait", func() bool { return s.node.Waiting.Load() == 1 })
	_ = conn.SetLinger(0)
	_ = conn.Close()
	waitFor(t, "the waiter to go", func() bool { return s.node.Waiting.Load() == 0 })
	b.setReady("a")
	waitFor(t, "the connection to go", func() bool { return s.openSocketsNow() == 0 && s.Stats().Connections == 0 })
}

func TestDrainWhileWaiting(t *testing.T) {
	t.Parallel()
	s, _ := startWithBroker(t)
	conn := dialTCP(t, s)
	_, _ = io.WriteString(conn, upgradeRequest("/ws?room=a"))
	waitFor(t, "the upgrade to wait", func() bool { return s.node.Waiting.Load() == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Drain(ctx, time.Millisecond) }() // ends with ctx at the latest
	_, resp := shakeOn(t, conn, "")
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, want 503 with Retry-After", resp.StatusCode)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestBrokerTrouble(t *testing.T) {
	s, b := startWithBroker(t)
	b.setReady("a")
	c := join(t, s, "/ws?room=a")
	x := &broker.Publication{Room: "a", Format: broker.Text, Payload: []byte("x")}
	r, err := s.Publish(context.Background(), x)
	if r.ID == "" || r.Position.Offset != 1 || r.Members != 1 || !r.LocalOnly || err != nil {
		t.Errorf("published as %+v, %v", r, err)
	}
	c.want(frame.Text, "x")
	b.mu.Lock()
	b.err, b.full = errors.New("redis: no probe came back"), true
	b.mu.Unlock()
	_, err = s.Publish(context.Background(), x)
	var e *refusal.Error
	if !errors.As(err, &e) || e.HTTPStatus() != 503 || e.Code() != "unavailable" {
		t.Errorf("error is %v, want 503 unavailable", err)
	}
	if why := s.NotReady(); len(why) != 1 || why[0] != "redis: no probe came back" {
		t.Errorf("ready says %v", why)
	}
	c.send(frame.Text, "refused")
	waitFor(t, "the refusal", func() bool { return s.Stats().Refused["overload"] == 1 })
}

// TestRoomNamedTwiceWhileWaiting: the room becomes ready once for a connection
// that asked for it twice.
func TestRoomNamedTwiceWhileWaiting(t *testing.T) {
	s, b := startWithBroker(t)
	conn := dialTCP(t, s)
	_, _ = io.WriteString(conn, upgradeRequest("/ws?room=a&room=a"))
	waitFor(t, "the upgrade to wait", func() bool { return s.node.Waiting.Load() == 1 })
	b.setReady("a")
	c, resp := shakeOn(t, conn, "")
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("status %d", resp.StatusCode)
	}
	c.send(frame.Text, "once")
	c.want(frame.Text, "once")
}

// TestPanicWhileAdmitted: what a waiting connection had sent is handled outside
// of its own event, and a panic still costs only that connection.
func TestPanicWhileAdmitted(t *testing.T) {
	var b *lateBroker
	s := startServer(t, func(c *Config) { onMessage(c, func([]byte) { panic("on purpose") }) }, func(s *Server) {
		b = newLateBroker(t, s)
	})
	boom := frame.AppendMasked(nil, frame.Text, [4]byte{1, 2, 3, 4}, []byte("boom"))
	conn := dialTCP(t, s)
	_, _ = io.WriteString(conn, upgradeRequest("/ws?room=a")+string(boom))
	waitFor(t, "the upgrade to wait", func() bool { return s.node.Waiting.Load() == 1 })
	b.setReady("a")
	waitFor(t, "the panic", func() bool { return s.Stats().Closed["panic"] == 1 })
	join(t, s, "/ws?room=a")
}

// TestTooBigThroughTheBroker: what no socket may send is not sent to sockets, and
// costs nobody the connection.
func TestTooBigThroughTheBroker(t *testing.T) {
	s, b := startWithBroker(t)
	b.setReady("a")
	c := join(t, s, "/ws?room=a")
	s.Delivery.Deliver(&broker.Message{Room: "a", Format: broker.Binary, Payload: make([]byte, 16<<20)})
	s.Delivery.Deliver(&broker.Message{Room: "a", Format: broker.Text, Payload: []byte("next")})
	c.want(frame.Text, "next")
	if n := s.Stats().Refused["too_big"]; n != 1 {
		t.Errorf("%d refused as too big, want 1", n)
	}
}

func TestTooMuchBehindAWaitingUpgrade(t *testing.T) {
	s, _ := startWithBroker(t)
	early := frame.AppendMasked(nil, frame.Binary, [4]byte{1, 2, 3, 4}, make([]byte, 8<<10))
	if _, resp := shake(t, s, upgradeRequest("/ws?room=a")+string(early)); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("status %d, want 400", resp.StatusCode)
	}
}
