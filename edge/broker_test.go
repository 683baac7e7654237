package edge_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/edgetest"
	"barrage/edge/wait"
	"barrage/frame"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// TestUpgradeWaitsForTheBroker: no 101 before all rooms are ready, and what the
// client sent meanwhile is not lost.
func TestUpgradeWaitsForTheBroker(t *testing.T) {
	s, b := edgetest.StartLate(t, nil)
	early := frame.AppendMasked(nil, frame.Text, edgetest.Mask, []byte("early"))
	conn := edgetest.DialTCP(t, s)
	_, _ = io.WriteString(conn, edgetest.UpgradeRequest("/ws?room=a&room=b")+string(early[:5]))
	edgetest.WaitFor(t, "the upgrade to wait", func() bool { return s.Node.Waiting.Load() == 1 })
	_, _ = conn.Write(early[5:])
	b.Ready("a")
	b.Ready("other")
	if s.Delivery.Members("a") != 0 {
		t.Error("joined before all rooms were ready")
	}
	b.Ready("b")
	c, resp := edgetest.ShakeOn(t, conn, "")
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("status %d", resp.StatusCode)
	}
	c.Want(frame.Text, "early")
	if s.Node.Waiting.Load() != 0 {
		t.Errorf("%d still wait", s.Node.Waiting.Load())
	}
}

// TestUpgradeGivesUpWaiting: a broker that does not answer keeps nobody out for
// ever.
func TestUpgradeGivesUpWaiting(t *testing.T) {
	t.Parallel()
	s, _ := edgetest.StartLate(t, nil)
	start := time.Now()
	c := edgetest.Join(t, s, "/ws?room=a")
	if d := time.Since(start); d < wait.Longest {
		t.Errorf("let in after %v without the broker", d)
	}
	c.Send(frame.Text, "alone")
	c.Want(frame.Text, "alone")
}

func TestLeavingWhileWaiting(t *testing.T) {
	s, b := edgetest.StartLate(t, nil)
	conn := edgetest.DialTCP(t, s)
	_, _ = io.WriteString(conn, edgetest.UpgradeRequest("/ws?room=a"))
	edgetest.WaitFor(t, "the upgrade to wait", func() bool { return s.Node.Waiting.Load() == 1 })
	_ = conn.SetLinger(0)
	_ = conn.Close()
	edgetest.WaitFor(t, "the waiter to go", func() bool { return s.Node.Waiting.Load() == 0 })
	b.Ready("a")
	edgetest.WaitFor(t, "the connection to go", func() bool { return openSocketsNow(s) == 0 && s.Stats().Connections == 0 })
}

func TestDrainWhileWaiting(t *testing.T) {
	t.Parallel()
	s, _ := edgetest.StartLate(t, nil)
	conn := edgetest.DialTCP(t, s)
	_, _ = io.WriteString(conn, edgetest.UpgradeRequest("/ws?room=a"))
	edgetest.WaitFor(t, "the upgrade to wait", func() bool { return s.Node.Waiting.Load() == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), edgetest.Patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Drain(ctx, time.Millisecond) }() // ends with ctx at the latest
	_, resp := edgetest.ShakeOn(t, conn, "")
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, want 503 with Retry-After", resp.StatusCode)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestBrokerTrouble(t *testing.T) {
	s, b := edgetest.StartLate(t, nil)
	b.Ready("a")
	c := edgetest.Join(t, s, "/ws?room=a")
	x := &broker.Publication{Room: "a", Format: broker.Text, Payload: []byte("x")}
	r, err := s.Publish(context.Background(), x)
	if r.ID == "" || r.Position.Offset != 1 || r.Members != 1 || !r.LocalOnly || err != nil {
		t.Errorf("published as %+v, %v", r, err)
	}
	c.Want(frame.Text, "x")
	b.Fail(errors.New("redis: no probe came back"))
	_, err = s.Publish(context.Background(), x)
	var e *refusal.Error
	if !errors.As(err, &e) || e.HTTPStatus() != 503 || e.Code() != "unavailable" {
		t.Errorf("error is %v, want 503 unavailable", err)
	}
	if why := s.NotReady(); len(why) != 1 || why[0] != "redis: no probe came back" {
		t.Errorf("ready says %v", why)
	}
	c.Send(frame.Text, "refused")
	edgetest.WaitFor(t, "the refusal", func() bool { return s.Stats().Refused["overload"] == 1 })
}

// TestRoomNamedTwiceWhileWaiting: the room becomes ready once for a connection
// that asked for it twice.
func TestRoomNamedTwiceWhileWaiting(t *testing.T) {
	s, b := edgetest.StartLate(t, nil)
	conn := edgetest.DialTCP(t, s)
	_, _ = io.WriteString(conn, edgetest.UpgradeRequest("/ws?room=a&room=a"))
	edgetest.WaitFor(t, "the upgrade to wait", func() bool { return s.Node.Waiting.Load() == 1 })
	b.Ready("a")
	c, resp := edgetest.ShakeOn(t, conn, "")
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("status %d", resp.StatusCode)
	}
	c.Send(frame.Text, "once")
	c.Want(frame.Text, "once")
}

// TestPanicWhileAdmitted: what a waiting connection had sent is handled outside
// of its own event, and a panic still costs only that connection.
func TestPanicWhileAdmitted(t *testing.T) {
	s, b := edgetest.StartLate(t, func(c *edge.Config) { onMessage(c, func([]byte) { panic("on purpose") }) })
	boom := frame.AppendMasked(nil, frame.Text, edgetest.Mask, []byte("boom"))
	conn := edgetest.DialTCP(t, s)
	_, _ = io.WriteString(conn, edgetest.UpgradeRequest("/ws?room=a")+string(boom))
	edgetest.WaitFor(t, "the upgrade to wait", func() bool { return s.Node.Waiting.Load() == 1 })
	b.Ready("a")
	edgetest.WaitFor(t, "the panic", func() bool { return s.Stats().Closed["panic"] == 1 })
	edgetest.Join(t, s, "/ws?room=a")
}

// TestTooBigThroughTheBroker: what no socket may send is not sent to sockets, and
// costs nobody the connection.
func TestTooBigThroughTheBroker(t *testing.T) {
	s, b := edgetest.StartLate(t, nil)
	b.Ready("a")
	c := edgetest.Join(t, s, "/ws?room=a")
	s.Delivery.Deliver(&broker.Message{Room: "a", Format: broker.Binary, Payload: make([]byte, 16<<20)})
	s.Delivery.Deliver(&broker.Message{Room: "a", Format: broker.Text, Payload: []byte("next")})
	c.Want(frame.Text, "next")
	if n := s.Stats().Refused["too_big"]; n != 1 {
		t.Errorf("%d refused as too big, want 1", n)
	}
}

// TestMuchBehindAWaitingUpgrade: what a client sends without waiting for the answer is
// handled then, whole and in order, and none of it is kept but what came with the request.
func TestMuchBehindAWaitingUpgrade(t *testing.T) {
	got := make(chan []byte, 3)
	s, b := edgetest.StartLate(t, func(c *edge.Config) { onMessage(c, func(p []byte) { got <- bytes.Clone(p) }) })
	conn := edgetest.DialTCP(t, s)
	text := []byte(edgetest.UpgradeRequest("/ws?room=a"))
	for i := range 3 {
		text = frame.AppendMasked(text, frame.Binary, edgetest.Mask, bytes.Repeat([]byte{byte(i)}, 8<<10))
	}
	_, _ = conn.Write(text)
	edgetest.WaitFor(t, "the upgrade to wait", func() bool { return s.Node.Waiting.Load() == 1 })
	if n := s.Stats().Unfinished; n > 4<<10 {
		t.Errorf("%d bytes are kept", n)
	}
	b.Ready("a")
	for i := range 3 {
		if p := <-got; !bytes.Equal(p, bytes.Repeat([]byte{byte(i)}, 8<<10)) {
			t.Errorf("message %d is %d bytes of %d", i, len(p), p[0])
		}
	}
}
