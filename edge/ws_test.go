package edge

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"barrage/frame"
	"barrage/internal/broker"
)

func TestPublishReachesAllMembersSenderIncluded(t *testing.T) {
	s := startServer(t, nil)
	a, b, other := join(t, s, "/ws?room=a"), join(t, s, "/ws?room=a"), join(t, s, "/ws?room=b")
	a.send(frame.Text, "from the socket")
	b.want(frame.Text, "from the socket")
	a.want(frame.Text, "from the socket")
	if n := publishTo(t, s, "a", "弹幕"); n != 2 {
		t.Errorf("queued for %d members, want 2", n)
	}
	a.want(frame.Text, "弹幕")
	if _, err := s.Publish(context.Background(), &broker.Publication{Room: "a", Format: broker.Binary, Payload: []byte{0, 1, 0xff}}); err != nil {
		t.Fatal(err)
	}
	a.want(frame.Binary, "\x00\x01\xff")
	a.send(frame.Binary, "")
	a.want(frame.Binary, "")
	publishTo(t, s, "b", "only b")
	other.want(frame.Text, "only b")
	b.want(frame.Text, "弹幕")
	balanced(t, s)
}

func TestSeveralRooms(t *testing.T) {
	s := startServer(t, nil)
	c, first := join(t, s, "/ws?room=first&room=second&room=first"), join(t, s, "/ws?room=first")
	waitMembers(t, s, "first", 2)
	waitMembers(t, s, "second", 1)
	c.send(frame.Text, "to the first")
	c.want(frame.Text, "to the first")
	first.want(frame.Text, "to the first")
	publishTo(t, s, "second", "to the second")
	c.want(frame.Text, "to the second")
	_ = c.c.Close()
	waitMembers(t, s, "first", 1)
	waitMembers(t, s, "second", 0)
}

// TestOrder: publishers on sockets of both shards and through the API; every
// member sees one order.
func TestOrder(t *testing.T) {
	s := startServer(t, nil)
	const members, publishers, each = 20, 4, 200
	var cs []*viewer
	for range members {
		cs = append(cs, join(t, s, "/ws?room=a"))
	}
	for p := range publishers {
		go func() { // ends when all is sent
			for i := range each {
				cs[p].send(frame.Text, fmt.Sprintf("%d-%d", p, i))
			}
		}()
	}
	for i := range each {
		publishTo(t, s, "a", fmt.Sprintf("api-%d", i))
	}
	var order []string
	for i, c := range cs {
		var got []string
		for range (publishers + 1) * each {
			m, err := c.next()
			if err != nil {
				t.Fatalf("member %d after %d messages: %v", i, len(got), err)
			}
			got = append(got, m.payload)
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
	balanced(t, s)
}

func TestEcho(t *testing.T) {
	s := startServer(t, func(c *Config) { c.Echo = true; c.PublishRate = 0; c.MaxMessage = 1 << 20 })
	c := join(t, s, "/echo")
	for _, n := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
		want := strings.Repeat("é", n/2)
		c.send(frame.Text, want)
		c.want(frame.Text, want)
	}
	c.write(append(frame.AppendMasked(nil, frame.Ping, c.mask, []byte("p")), frame.AppendMasked(nil, frame.Binary, c.mask, []byte("b"))...))
	c.want(frame.Pong, "p")
	c.want(frame.Binary, "b")
}

// TestEchoBackpressure: a client that sends and does not read is not read from,
// and nothing is lost once it reads.
func TestEchoBackpressure(t *testing.T) {
	s := startServer(t, func(c *Config) { c.Echo = true })
	c := join(t, s, "/echo")
	const n, size = 600, 60000
	payload := strings.Repeat("x", size)
	go func() { // ends when all is sent: the reader below lets it
		for range n {
			c.send(frame.Text, payload)
		}
	}()
	waitFor(t, "reading to stop", func() bool {
		before := s.Stats().Loops[0].BytesReceived + s.Stats().Loops[1].BytesReceived
		time.Sleep(20 * time.Millisecond)
		after := s.Stats().Loops[0].BytesReceived + s.Stats().Loops[1].BytesReceived
		return before == after && before > size
	})
	for range n {
		c.want(frame.Text, payload)
	}
}

// TestViolations: over a real socket, the close code of each protocol error.
func TestViolations(t *testing.T) {
	s := startServer(t, func(c *Config) { c.MaxMessage = 1000 })
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
		{"bad utf-8", frame.AppendMasked(nil, frame.Text, [4]byte{1, 2, 3, 4}, []byte("a\xc0\x80")), 1007},
		{"continuation of nothing", masked(0x80, 0, zero...), 1002},
		{"close code 1005", frame.AppendMasked(nil, frame.Close, [4]byte{}, []byte{0x03, 0xed}), 1002},
		{"close code 5000", frame.AppendMasked(nil, frame.Close, [4]byte{}, []byte{0x13, 0x88}), 1002},
		{"close body of one byte", frame.AppendMasked(nil, frame.Close, [4]byte{}, []byte{3}), 1002},
		{"bad utf-8 in the close reason", frame.AppendMasked(nil, frame.Close, [4]byte{}, []byte{0x03, 0xe8, 0xff}), 1007},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := join(t, s, "/ws?room=a")
			c.write(tc.bytes)
			c.wantClose(tc.code)
		})
	}
	t.Run("endless empty fragments", func(t *testing.T) {
		c := join(t, s, "/ws?room=a")
		c.write(masked(0x01, 0, zero...))
		go func() { // ends with the connection
			for range 100000 {
				if _, err := c.c.Write(masked(0x00, 0, zero...)); err != nil {
					return
				}
			}
		}()
		c.wantClose(1008)
	})
}

func TestCloseHandshake(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	c := join(t, s, "/ws?room=a")
	c.write(frame.AppendMasked(nil, frame.Close, c.mask, append([]byte{0x0f, 0xa0}, "bye"...)))
	c.wantClose(4000)
	waitMembers(t, s, "a", 0)
	c = join(t, s, "/ws?room=a")
	c.send(frame.Close, "")
	c.wantClose(1005) // an empty one is answered by an empty one
	// A peer that never closes its side is gone after the close timeout.
	stays := join(t, s, "/ws?room=a")
	stays.send(frame.Close, "\x03\xe8")
	waitFor(t, "all sockets to go", func() bool { return s.openSocketsNow() == 0 })
	if got := s.Stats().Closed["normal"]; got != 3 {
		t.Errorf("%d closed normally, want 3: %v", got, s.Stats().Closed)
	}
}

func (s *Server) openSocketsNow() (n int64) {
	for _, l := range s.Stats().Loops {
		n += l.Conns
	}
	return n
}

func TestSegmentation(t *testing.T) {
	s := startServer(t, nil)
	c := join(t, s, "/ws?room=a")
	c.asm = frame.Assembler{Client: true}
	var all []byte
	for i := range 100 {
		all = frame.AppendMasked(all, frame.Text, c.mask, fmt.Appendf(nil, "message %d é", i))
	}
	c.write(all) // 100 frames in one segment
	for i := range 100 {
		c.want(frame.Text, fmt.Sprintf("message %d é", i))
	}
	for i := range all { // one byte in a segment
		c.write(all[i : i+1])
	}
	for i := range 100 {
		c.want(frame.Text, fmt.Sprintf("message %d é", i))
	}
}

// TestPanicEndsOneConnection: a panic while handling a message costs that
// connection only.
func TestPanicEndsOneConnection(t *testing.T) {
	s := startServer(t, func(c *Config) {
		c.Shards = 1
		onMessage(c, func(p []byte) {
			if string(p) == "boom" {
				panic("on purpose")
			}
		})
	})
	bad, good := join(t, s, "/ws?room=a"), join(t, s, "/ws?room=a")
	half := frame.AppendMasked(nil, frame.Text, bad.mask, []byte("half a frame behind it"))
	bad.write(append(frame.AppendMasked(nil, frame.Text, bad.mask, []byte("boom")), half[:10]...))
	bad.wantEnd()
	good.send(frame.Text, "still here")
	good.want(frame.Text, "still here")
	if st := s.Stats(); st.Loops[0].Panics != 1 || st.Closed["panic"] != 1 {
		t.Errorf("panics %d, closed %v", st.Loops[0].Panics, st.Closed)
	}
}

func TestHeartbeat(t *testing.T) {
	t.Parallel()
	s := startServer(t, func(c *Config) {
		c.PingInterval, c.PingTimeout = 200*time.Millisecond, 3*time.Second
	})
	answers, silent := join(t, s, "/ws?room=quiet"), join(t, s, "/ws?room=quiet")
	for range 3 {
		answers.want(frame.Ping, "")
		answers.send(frame.Pong, "")
	}
	silent.want(frame.Ping, "")
	silent.wantEnd()
	waitFor(t, "the reason", func() bool { return s.Stats().Closed["ping_timeout"] == 1 })
	waitMembers(t, s, "quiet", 1)
}

// TestNoPingWhereTheRoomSpeaks: traffic is heartbeat enough.
func TestNoPingWhereTheRoomSpeaks(t *testing.T) {
	s := startServer(t, func(c *Config) { c.PingInterval, c.PingTimeout = 2*time.Second, 5*time.Second })
	c := join(t, s, "/ws?room=a")
	for range 200 {
		publishTo(t, s, "a", "x")
		c.want(frame.Text, "x")
		time.Sleep(20 * time.Millisecond) // spread over two ping intervals
	}
	if n := s.Stats().Pings; n != 0 {
		t.Errorf("%d pings into a busy room", n)
	}
}

func TestPublishRate(t *testing.T) {
	s := startServer(t, func(c *Config) { c.PublishRate, c.PublishBurst = 0.001, 5 })
	c := join(t, s, "/ws?room=a")
	for i := range 10 {
		c.send(frame.Text, fmt.Sprint(i))
	}
	for i := range 5 {
		c.want(frame.Text, fmt.Sprint(i))
	}
	publishTo(t, s, "a", "from the API")
	c.want(frame.Text, "from the API")
	waitFor(t, "refusals", func() bool { return s.Stats().Refused["rate"] == 5 })
}

func TestViewersOnly(t *testing.T) {
	s := startServer(t, func(c *Config) { c.PublishRate = 0 })
	c := join(t, s, "/ws?room=a")
	for range 1000 {
		c.send(frame.Text, "x")
	}
	waitFor(t, "refusals", func() bool { return s.Stats().Refused["rate"] == 1000 })
	publishTo(t, s, "a", "still open")
	c.want(frame.Text, "still open")
}

func TestFloods(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		op   frame.Opcode
	}{{"messages", frame.Text}, {"pings", frame.Ping}, {"pongs", frame.Pong}} {
		t.Run(tc.name, func(t *testing.T) {
			s := startServer(t, func(c *Config) { c.PublishRate, c.PublishBurst = 10, 20 })
			neighbour, c := join(t, s, "/ws?room=b"), join(t, s, "/ws?room=a")
			one := frame.AppendMasked(nil, tc.op, c.mask, []byte("x"))
			c.write([]byte(strings.Repeat(string(one), 2000)))
			for {
				m, err := c.next()
				if err != nil {
					t.Fatalf("ended without a close frame: %v", err)
				}
				if m.op == frame.Close {
					if code, _ := frame.ParseClose([]byte(m.payload)); code != 1008 {
						t.Errorf("close code %d, want 1008", code)
					}
					break
				}
			}
			waitFor(t, "the reason", func() bool { return s.Stats().Closed["flood"] == 1 })
			neighbour.send(frame.Text, "unmoved")
			neighbour.want(frame.Text, "unmoved")
		})
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	const n = 6 // few, as one at every tick would be over at once
	var cs []*viewer
	for range n {
		cs = append(cs, join(t, s, "/ws?room=a"))
	}
	half := dialTCP(t, s)
	_, _ = half.Write([]byte("GET /ws"))
	waitFor(t, "the half request", func() bool { return s.openSocketsNow() == n+1 })
	publishTo(t, s, "a", "last words")
	var left atomic.Int64
	left.Store(n)
	for _, c := range cs {
		go func() { // ends with its connection
			defer left.Add(-1)
			c.want(frame.Text, "last words")
			c.wantClose(1001)
			_ = c.c.Close()
		}()
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
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
	waitFor(t, "clients to end", func() bool { return left.Load() == 0 })
	if got := s.Stats().Closed["drain"]; got != n {
		t.Errorf("%d closed by drain, want %d: %v", got, n, s.Stats().Closed)
	}
}
