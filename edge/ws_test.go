package edge_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/conn"
	"barrage/edge/edgetest"
	"barrage/edge/node"
	"barrage/frame"
	"barrage/internal/broker"
)

func TestPublishReachesAllMembersSenderIncluded(t *testing.T) {
	s := edgetest.Start(t, nil)
	a, b, other := edgetest.Join(t, s, "/ws?room=a"), edgetest.Join(t, s, "/ws?room=a"), edgetest.Join(t, s, "/ws?room=b")
	a.Send(frame.Text, "from the socket")
	b.Want(frame.Text, "from the socket")
	a.Want(frame.Text, "from the socket")
	if n := edgetest.PublishTo(t, s, "a", "弹幕"); n != 2 {
		t.Errorf("queued for %d members, want 2", n)
	}
	a.Want(frame.Text, "弹幕")
	if _, err := s.Publish(context.Background(), &broker.Publication{Room: "a", Format: broker.Binary, Payload: []byte{0, 1, 0xff}}); err != nil {
		t.Fatal(err)
	}
	a.Want(frame.Binary, "\x00\x01\xff")
	a.Send(frame.Binary, "")
	a.Want(frame.Binary, "")
	edgetest.PublishTo(t, s, "b", "only b")
	other.Want(frame.Text, "only b")
	b.Want(frame.Text, "弹幕")
	edgetest.Balanced(t, s)
}

func TestSeveralRooms(t *testing.T) {
	s := edgetest.Start(t, nil)
	c, first := edgetest.Join(t, s, "/ws?room=first&room=second&room=first"), edgetest.Join(t, s, "/ws?room=first")
	edgetest.WaitMembers(t, s, "first", 2)
	edgetest.WaitMembers(t, s, "second", 1)
	c.Send(frame.Text, "to the first")
	c.Want(frame.Text, "to the first")
	first.Want(frame.Text, "to the first")
	edgetest.PublishTo(t, s, "second", "to the second")
	c.Want(frame.Text, "to the second")
	_ = c.Conn.Close()
	edgetest.WaitMembers(t, s, "first", 1)
	edgetest.WaitMembers(t, s, "second", 0)
}

// TestOrder: publishers on sockets of both shards and through the API; every
// member sees one order.
func TestOrder(t *testing.T) {
	s := edgetest.Start(t, nil)
	const members, publishers, each = 20, 4, 200
	var cs []*edgetest.Viewer
	for range members {
		cs = append(cs, edgetest.Join(t, s, "/ws?room=a"))
	}
	for p := range publishers {
		go func() { // ends when all is sent
			for i := range each {
				cs[p].Send(frame.Text, fmt.Sprintf("%d-%d", p, i))
			}
		}()
	}
	for i := range each {
		edgetest.PublishTo(t, s, "a", fmt.Sprintf("api-%d", i))
	}
	var order []string
	for i, c := range cs {
		var got []string
		for range (publishers + 1) * each {
			m, err := c.Next()
			if err != nil {
				t.Fatalf("member %d after %d messages: %v", i, len(got), err)
			}
			got = append(got, m.Payload)
		}
		if order == nil {
			order = got
		}
		for j := range order {
			if got[j] != order[j] {
				t.Fatalf("member %d has %s at %d, member 0 has %s", i, got[j], j, order[j])
			}
		}
	}
	edgetest.Balanced(t, s)
}

func TestEcho(t *testing.T) {
	s := edgetest.Start(t, func(c *edge.Config) { c.Echo = true; c.PublishRate = 0; c.MaxMessage = 1 << 20 })
	c := edgetest.Join(t, s, "/echo")
	for _, n := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
		want := strings.Repeat("é", n/2)
		c.Send(frame.Text, want)
		c.Want(frame.Text, want)
	}
	pieces, whole := []byte(nil), strings.Repeat("0123456789abcdef", 1<<16) // 16,384 pieces of 64 bytes
	for at := 0; at < len(whole); at += 64 {
		begin := len(pieces)
		pieces = frame.AppendMasked(pieces, frame.Continuation, edgetest.Mask, []byte(whole[at:at+64]))
		pieces[begin] &^= 0x80
	}
	pieces[0] |= byte(frame.Text)
	c.Write(frame.AppendMasked(pieces, frame.Continuation, edgetest.Mask, nil))
	c.Want(frame.Text, whole)
	c.Write(append(frame.AppendMasked(nil, frame.Ping, edgetest.Mask, []byte("p")), frame.AppendMasked(nil, frame.Binary, edgetest.Mask, []byte("b"))...))
	c.Want(frame.Pong, "p")
	c.Want(frame.Binary, "b")
}

// TestEchoBackpressure: a client that sends and does not read is not read from,
// and nothing is lost once it reads.
func TestEchoBackpressure(t *testing.T) {
	s := edgetest.Start(t, func(c *edge.Config) { c.Echo = true })
	c := edgetest.Join(t, s, "/echo")
	const n, size = 600, 60000
	payload := strings.Repeat("x", size)
	go func() { // ends when all is sent: the reader below lets it
		for range n {
			c.Send(frame.Text, payload)
		}
	}()
	edgetest.WaitFor(t, "reading to stop", func() bool {
		before := s.Stats().Loops[0].BytesReceived + s.Stats().Loops[1].BytesReceived
		time.Sleep(20 * time.Millisecond)
		after := s.Stats().Loops[0].BytesReceived + s.Stats().Loops[1].BytesReceived
		return before == after && before > size
	})
	for range n {
		c.Want(frame.Text, payload)
	}
}

// TestViolations: over a real socket, the close code of each protocol error.
func TestViolations(t *testing.T) {
	s := edgetest.Start(t, func(c *edge.Config) { c.MaxMessage = 1000 })
	masked := func(b0, b1 byte, more ...byte) []byte { return append([]byte{b0, b1 | 0x80}, more...) }
	zero := []byte{0, 0, 0, 0}
	for _, tc := range []struct {
		name  string
		bytes []byte
		code  uint16
	}{
		{"unmasked", []byte{0x81, 1, 'x'}, 1002},
		{"reserved opcode", masked(0x83, 0, zero...), 1002},
		{"rsv1 without extension", masked(0xc1, 0, zero...), 1002},
		{"rsv2", masked(0xa1, 0, zero...), 1002},
		{"rsv3", masked(0x91, 0, zero...), 1002},
		{"long control frame", masked(0x89, 126, 0, 126, 0, 0, 0, 0), 1002},
		{"fragmented control frame", masked(0x09, 0, zero...), 1002},
		{"length 2^62", masked(0x82, 127, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 1009},
		{"length with its top bit set", masked(0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 1002},
		{"length not minimal", masked(0x82, 126, 0, 5, 0, 0, 0, 0), 1002},
		{"too big", masked(0x82, 126, 0x10, 0, 0, 0, 0, 0), 1009},
		{"bad utf-8", frame.AppendMasked(nil, frame.Text, edgetest.Mask, []byte("a\xc0\x80")), 1007},
		{"continuation of nothing", masked(0x80, 0, zero...), 1002},
		{"close code 1005", frame.AppendMasked(nil, frame.Close, [4]byte{}, []byte{0x03, 0xed}), 1002},
		{"close code 5000", frame.AppendMasked(nil, frame.Close, [4]byte{}, []byte{0x13, 0x88}), 1002},
		{"close body of one byte", frame.AppendMasked(nil, frame.Close, [4]byte{}, []byte{3}), 1002},
		{"bad utf-8 in the close reason", frame.AppendMasked(nil, frame.Close, [4]byte{}, []byte{0x03, 0xe8, 0xff}), 1007},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := edgetest.Join(t, s, "/ws?room=a")
			c.Write(tc.bytes)
			c.WantClose(tc.code)
		})
	}
	t.Run("endless empty fragments", func(t *testing.T) {
		c := edgetest.Join(t, s, "/ws?room=a")
		c.Write(masked(0x01, 0, zero...))
		go func() { // ends with the connection
			for range 100000 {
				if _, err := c.Conn.Write(masked(0x00, 0, zero...)); err != nil {
					return
				}
			}
		}()
		c.WantClose(1008)
	})
}

func TestCloseHandshake(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, nil)
	c := edgetest.Join(t, s, "/ws?room=a")
	c.Write(frame.AppendMasked(nil, frame.Close, edgetest.Mask, append([]byte{0x0f, 0xa0}, "bye"...)))
	c.WantClose(4000)
	edgetest.WaitMembers(t, s, "a", 0)
	c = edgetest.Join(t, s, "/ws?room=a")
	c.Send(frame.Close, "")
	c.WantClose(1005) // an empty one is answered by an empty one
	// A peer that never closes its side is gone after the close timeout.
	stays := edgetest.Join(t, s, "/ws?room=a")
	stays.Send(frame.Close, "\x03\xe8")
	edgetest.WaitFor(t, "all sockets to go", func() bool { return openSocketsNow(s) == 0 })
	if got := s.Stats().Closed["normal"]; got != 3 {
		t.Errorf("%d closed normally, want 3: %v", got, s.Stats().Closed)
	}
}

func openSocketsNow(s *edgetest.Server) (n int64) {
	for _, l := range s.Stats().Loops {
		n += l.Conns
	}
	return n
}

func TestSegmentation(t *testing.T) {
	s := edgetest.Start(t, nil)
	c := edgetest.Join(t, s, "/ws?room=a")
	c.Frames = frame.Assembler{Client: true}
	var all []byte
	for i := range 100 {
		all = frame.AppendMasked(all, frame.Text, edgetest.Mask, fmt.Appendf(nil, "message %d é", i))
	}
	c.Write(all) // 100 frames in one segment
	for i := range 100 {
		c.Want(frame.Text, fmt.Sprintf("message %d é", i))
	}
	for i := range all { // one byte in a segment
		c.Write(all[i : i+1])
	}
	for i := range 100 {
		c.Want(frame.Text, fmt.Sprintf("message %d é", i))
	}
}

// listening is a protocol whose messages a test hears before they are handled.
type listening struct {
	conn.Protocol
	hear func([]byte)
}

func (p *listening) Message(r *conn.Read, binary bool, payload []byte) error {
	p.hear(payload)
	return p.Protocol.Message(r, binary, payload)
}

// onMessage has a test hear all messages.
func onMessage(c *edge.Config, hear func([]byte)) {
	for i := range c.Protocols {
		p := &c.Protocols[i]
		start := p.Start
		p.Start = func(n *node.Node) func(*conn.Loop) conn.Protocol {
			attach := start(n)
			return func(l *conn.Loop) conn.Protocol { return &listening{attach(l), hear} }
		}
	}
}

// TestPanicEndsOneConnection: a panic while handling a message costs that
// connection only.
func TestPanicEndsOneConnection(t *testing.T) {
	s := edgetest.Start(t, func(c *edge.Config) {
		c.Shards = 1
		onMessage(c, func(p []byte) {
			if string(p) == "boom" {
				panic("on purpose")
			}
		})
	})
	bad, good := edgetest.Join(t, s, "/ws?room=a"), edgetest.Join(t, s, "/ws?room=a")
	half := frame.AppendMasked(nil, frame.Text, edgetest.Mask, []byte("half a frame behind it"))
	bad.Write(append(frame.AppendMasked(nil, frame.Text, edgetest.Mask, []byte("boom")), half[:10]...))
	bad.WantEnd()
	good.Send(frame.Text, "still here")
	good.Want(frame.Text, "still here")
	if st := s.Stats(); st.Loops[0].Panics != 1 || st.Closed["panic"] != 1 {
		t.Errorf("panics %d, closed %v", st.Loops[0].Panics, st.Closed)
	}
}

func TestPublishRate(t *testing.T) {
	s := edgetest.Start(t, func(c *edge.Config) { c.PublishRate, c.PublishBurst = 0.001, 5 })
	c := edgetest.Join(t, s, "/ws?room=a")
	for i := range 10 {
		c.Send(frame.Text, fmt.Sprint(i))
	}
	for i := range 5 {
		c.Want(frame.Text, fmt.Sprint(i))
	}
	edgetest.PublishTo(t, s, "a", "from the API")
	c.Want(frame.Text, "from the API")
	edgetest.WaitFor(t, "refusals", func() bool { return s.Stats().Refused["rate"] == 5 })
}

// TestPublishBytes: bytes have a rate beside that of messages, and what is too long is
// dropped, each under its reason; what is not published keeps the longest message.
func TestPublishBytes(t *testing.T) {
	s := edgetest.Start(t, func(c *edge.Config) {
		c.Echo = true
		c.PublishRate, c.PublishBurst, c.PublishBytes, c.MaxPublish = 0.001, 6, 1, 4<<10
	})
	viewer := edgetest.Join(t, s, "/ws?room=a")
	long := strings.Repeat("x", 4<<10) // more than four messages' worth
	for _, c := range []*edgetest.Viewer{edgetest.Join(t, s, "/ws?room=a"), edgetest.Join(t, s, "/ws?room=a")} {
		c.Send(frame.Text, long)
		c.Send(frame.Text, "short")
		viewer.Want(frame.Text, long)
		viewer.Want(frame.Text, "short")
		c.Send(frame.Text, long)
	}
	short := edgetest.Join(t, s, "/ws?room=a")
	for range 7 {
		short.Send(frame.Text, "short")
	}
	for range 6 {
		viewer.Want(frame.Text, "short")
	}
	edgetest.WaitFor(t, "refusals by the rate", func() bool { return s.Stats().Refused["rate"] == 3 })
	big := edgetest.Join(t, s, "/ws?room=a")
	big.Send(frame.Text, long+"x")
	edgetest.WaitFor(t, "what is too big", func() bool { return s.Stats().Refused["too_big"] == 1 })
	big.Send(frame.Text, "alive")
	viewer.Want(frame.Text, "alive")
	echo := edgetest.Join(t, s, "/echo")
	all := strings.Repeat("x", 64<<10)
	for range 5 {
		echo.Send(frame.Text, all)
		echo.Want(frame.Text, all)
	}
}

func TestViewersOnly(t *testing.T) {
	s := edgetest.Start(t, func(c *edge.Config) { c.PublishRate = 0 })
	c := edgetest.Join(t, s, "/ws?room=a")
	for range 1000 {
		c.Send(frame.Text, "x")
	}
	edgetest.WaitFor(t, "refusals", func() bool { return s.Stats().Refused["rate"] == 1000 })
	edgetest.PublishTo(t, s, "a", "still open")
	c.Want(frame.Text, "still open")
}

func TestFloods(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		op   frame.Opcode
	}{{"messages", frame.Text}, {"pings", frame.Ping}, {"pongs", frame.Pong}} {
		t.Run(tc.name, func(t *testing.T) {
			s := edgetest.Start(t, func(c *edge.Config) { c.PublishRate, c.PublishBurst = 10, 20 })
			neighbour, c := edgetest.Join(t, s, "/ws?room=b"), edgetest.Join(t, s, "/ws?room=a")
			one := frame.AppendMasked(nil, tc.op, edgetest.Mask, []byte("x"))
			c.Write([]byte(strings.Repeat(string(one), 2000)))
			for {
				m, err := c.Next()
				if err != nil {
					t.Fatalf("ended without a close frame: %v", err)
				}
				if m.Op == frame.Close {
					if code, _ := frame.ParseClose([]byte(m.Payload)); code != 1008 {
						t.Errorf("close code %d, want 1008", code)
					}
					break
				}
			}
			edgetest.WaitFor(t, "the reason", func() bool { return s.Stats().Closed["flood"] == 1 })
			neighbour.Send(frame.Text, "unmoved")
			neighbour.Want(frame.Text, "unmoved")
		})
	}
}

// TestRawFloodWithLargeBurst: the burst is more than the counter of refusals can
// hold five times.
func TestRawFloodWithLargeBurst(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { c.PublishRate, c.PublishBurst = 0.001, 20_000 })
	c := edgetest.Join(t, s, "/ws?room=a")
	one := frame.AppendMasked(nil, frame.Text, edgetest.Mask, nil)
	go func() { // ends with the connection
		_, _ = c.Conn.Write([]byte(strings.Repeat(string(one), 100_000)))
	}()
	for {
		m, err := c.Next()
		if err != nil {
			t.Fatalf("ended without a close frame: %v", err)
		}
		if m.Op == frame.Close {
			if code, _ := frame.ParseClose([]byte(m.Payload)); code != frame.ClosePolicy {
				t.Errorf("close code %d", code)
			}
			return
		}
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, nil)
	const n = 6 // few, as one at every tick would be over at once
	var cs []*edgetest.Viewer
	for range n {
		cs = append(cs, edgetest.Join(t, s, "/ws?room=a"))
	}
	half := edgetest.DialTCP(t, s)
	_, _ = half.Write([]byte("GET /ws"))
	edgetest.WaitFor(t, "the half request", func() bool { return openSocketsNow(s) == n+1 })
	edgetest.PublishTo(t, s, "a", "last words")
	var left atomic.Int64
	left.Store(n)
	for _, c := range cs {
		go func() { // ends with its connection
			defer left.Add(-1)
			c.Want(frame.Text, "last words")
			c.WantClose(1001)
			_ = c.Conn.Close()
		}()
	}
	ctx, cancel := context.WithTimeout(context.Background(), edgetest.Patience)
	defer cancel()
	start := time.Now()
	if err := s.Drain(ctx, 500*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d < 250*time.Millisecond {
		t.Errorf("all were closed within %v, want them spread over the window", d)
	}
	if why := s.NotReady(); len(why) != 1 || why[0] != "draining" {
		t.Errorf("ready says %v", why)
	}
	edgetest.WaitFor(t, "clients to end", func() bool { return left.Load() == 0 })
	if got := s.Stats().Closed["drain"]; got != n {
		t.Errorf("%d closed by drain, want %d: %v", got, n, s.Stats().Closed)
	}
}
