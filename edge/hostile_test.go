package edge_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/edgetest"
	"barrage/frame"
	"barrage/internal/broker"
)

func heapInUse() int64 {
	runtime.GC()
	runtime.GC() // the second one empties the pools' victims
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestStuckClients: thousands stuck in half a request and in half a frame cost
// little, delay nobody, and are gone at their deadlines.
func TestStuckClients(t *testing.T) {
	const stuck = 2000
	s := edgetest.Start(t, func(c *edge.Config) {
		c.HandshakeTimeout, c.FrameTimeout = 10*time.Second, 10*time.Second
	})
	a, b := edgetest.Join(t, s, "/ws?room=a"), edgetest.Join(t, s, "/ws?room=a")
	goroutines, before := runtime.NumGoroutine(), heapInUse()
	dialAll := func(n int, f func(i int) *net.TCPConn) []*net.TCPConn {
		cs := make([]*net.TCPConn, n)
		for i := range cs {
			cs[i] = f(i)
		}
		return cs
	}
	silent := dialAll(stuck/2, func(int) *net.TCPConn { return edgetest.DialTCP(t, s) })
	halfRequest := dialAll(stuck/2, func(i int) *net.TCPConn {
		c := edgetest.DialTCP(t, s)
		_, _ = io.WriteString(c, edgetest.UpgradeRequest("/ws?room=b")[:20+i%100])
		return c
	})
	whole := frame.AppendMasked(nil, frame.Text, edgetest.Mask, bytes.Repeat([]byte("x"), 1000))
	halfFrame := dialAll(stuck, func(i int) *net.TCPConn {
		c := edgetest.Join(t, s, "/ws?room=b").Conn
		_, _ = c.Write(whole[:1+i%900])
		return c
	})
	edgetest.WaitFor(t, "all half frames to arrive", func() bool { return s.Delivery.Members("b") == stuck && bytesReceived(s) > stuck*450 })
	if n := runtime.NumGoroutine() - goroutines; n > 0 {
		t.Errorf("%d goroutines more with %d stuck clients", n, 2*stuck)
	}
	// Both ends of each connection live in this process: a net.TCPConn with its
	// net.FD and poll descriptor is about 1.5 KiB of it.
	if grown := heapInUse() - before; grown > 2*stuck*(6<<10) {
		t.Errorf("heap grew by %d bytes for %d stuck clients", grown, 2*stuck)
	}
	a.Send(frame.Text, "unmoved")
	b.Want(frame.Text, "unmoved")
	for _, group := range [][]*net.TCPConn{silent, halfRequest, halfFrame} {
		for _, c := range group {
			_ = c.SetReadDeadline(time.Now().Add(edgetest.Patience))
			rest, err := io.ReadAll(c)
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Fatalf("a stuck client is still connected; read %q", rest)
			}
			_ = c.Close()
		}
	}
	edgetest.WaitFor(t, "the reasons", func() bool {
		st := s.Stats()
		return st.ClosedEarly["handshake_timeout"] == stuck && st.Closed["unfinished_message"] == stuck
	})
	a.Want(frame.Text, "unmoved")
	a.Send(frame.Text, "still unmoved")
	a.Want(frame.Text, "still unmoved")
}

// TestUnfinishedIsBounded: what half messages and half requests hold has one bound. The
// largest go, with a word that says to come back; small ones and honest viewers stay.
func TestUnfinishedIsBounded(t *testing.T) {
	const bound, large = 2 << 20, 100
	s := edgetest.Start(t, func(c *edge.Config) {
		c.Shards, c.UnfinishedBytes = 1, bound
		c.HandshakeTimeout, c.FrameTimeout = 10*time.Minute, 10*time.Minute
	})
	a := edgetest.Join(t, s, "/ws?room=a")
	long := frame.AppendMasked(nil, frame.Text, edgetest.Mask, bytes.Repeat([]byte("x"), 64<<10))
	small := edgetest.Join(t, s, "/ws?room=b")
	small.Write(long[:1000])
	request := edgetest.UpgradeRequest("/ws?room=b", "X-Filling: "+strings.Repeat("x", 7000)+"\r\n")
	late := edgetest.DialTCP(t, s)
	_, _ = io.WriteString(late, request[:1000])
	half := make([]*edgetest.Viewer, large)
	for i := range half {
		half[i] = edgetest.Join(t, s, "/ws?room=b")
		half[i].Write(long[:60<<10])
		// What is over it was read just now, and the largest goes next.
		if most := s.Stats().Unfinished; most > bound+64<<10 {
			t.Fatalf("%d bytes are held, bound is %d", most, bound)
		}
	}
	const fit = bound / (64<<10 + 1<<10)
	edgetest.WaitFor(t, "the largest to go", func() bool { return s.Stats().Closed["too_much_unfinished"] >= large-fit-1 })
	half[0].WantClose(1013) // of those that are as large, who began first
	before := s.Stats()
	if n := before.Closed["too_much_unfinished"]; n > large-fit+2 || before.Unfinished < bound/2 {
		t.Errorf("%d of %d were closed, %d bytes are held", n, large, before.Unfinished)
	}
	small.Write(long[1000:]) // theirs is not what takes the room
	a.Send(frame.Text, "unmoved")
	a.Want(frame.Text, "unmoved")
	small.Want(frame.Text, strings.Repeat("x", 64<<10))
	if _, err := io.WriteString(late, request[1000:]); err != nil {
		t.Fatal(err)
	}
	if resp, err := http.ReadResponse(bufio.NewReader(late), nil); err != nil || resp.StatusCode != 101 {
		t.Errorf("the late request: %v, %v", resp, err)
	}
	for _, c := range half {
		_ = c.Conn.Close()
	}
	edgetest.WaitFor(t, "all to be forgotten", func() bool { return s.Stats().Unfinished == 0 })
}

// TestHalfRequestsAreBounded: requests share that bound, and are told to try again.
func TestHalfRequestsAreBounded(t *testing.T) {
	const many = 300
	s := edgetest.Start(t, func(c *edge.Config) {
		c.Shards, c.MaxMessage, c.UnfinishedBytes, c.HandshakeTimeout = 1, 1<<10, 1<<20, 10*time.Minute
	})
	request := edgetest.UpgradeRequest("/ws?room=b", "X-Filling: "+strings.Repeat("x", 8000)+"\r\n")
	first := edgetest.DialTCP(t, s)
	_, _ = io.WriteString(first, request[:7000])
	for range many {
		_, _ = io.WriteString(edgetest.DialTCP(t, s), request[:7000])
	}
	edgetest.WaitFor(t, "some to go", func() bool { return s.Stats().ClosedEarly["too_much_unfinished"] > 0 })
	edgetest.WaitFor(t, "all to be there", func() bool { return bytesReceived(s) == (many+1)*7000 })
	if st := s.Stats(); st.Unfinished > 1<<20 || st.Unfinished < 1<<19 {
		t.Errorf("%d bytes are held, bound is %d", st.Unfinished, 1<<20)
	}
	if resp, err := http.ReadResponse(bufio.NewReader(first), nil); err != nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("the first one: %v, %v", resp, err)
	}
}

func bytesReceived(s *edgetest.Server) (n int64) {
	for _, l := range s.Stats().Loops {
		n += l.BytesReceived
	}
	return n
}

// TestFrozenMembers: a tenth of a room never reads. The others get every
// message in order; the logs stay within their bound; the frozen ones are told
// apart as slow and go at the slow timeout.
func TestFrozenMembers(t *testing.T) {
	const members, frozen, messages, size = 50, 5, 500, 4000
	s := edgetest.Start(t, func(c *edge.Config) {
		c.RoomLogBytes, c.SendBuffer, c.SlowTimeout = 256<<10, 32<<10, 4*time.Second
	})
	for range frozen {
		c := edgetest.Join(t, s, "/ws?room=a")
		_ = c.Conn.SetReadBuffer(4 << 10)
	}
	var wg sync.WaitGroup
	var failed atomic.Int64
	progress := make([]atomic.Int64, members-frozen)
	for i := range members - frozen {
		c := edgetest.Join(t, s, "/ws?room=a")
		wg.Go(func() {
			for n := range messages {
				m, err := c.Next()
				if err != nil || !strings.HasPrefix(m.Payload, fmt.Sprintf("%d ", n)) {
					failed.Add(1)
					t.Errorf("reader %d at message %d: %.20q, %v", i, n, m.Payload, err)
					return
				}
				progress[i].Add(1)
			}
		})
	}
	filling := strings.Repeat("x", size)
	for n := range messages {
		edgetest.PublishTo(t, s, "a", fmt.Sprint(n, " ", filling))
		// Stay within what the log holds, so that only the frozen are slow.
		edgetest.WaitFor(t, "the readers", func() bool {
			least := int64(messages)
			for i := range progress {
				least = min(least, progress[i].Load())
			}
			return failed.Load() > 0 || int64(n)-least < 30
		})
	}
	wg.Wait()
	st := s.Stats()
	skipped, logBytes := uint64(0), 0
	for _, f := range st.Fanout {
		skipped += f.Skipped[0]
		logBytes += f.LogBytes
	}
	if skipped == 0 {
		t.Error("nothing was skipped for the frozen members")
	}
	if logBytes > 2*(256<<10+64<<10) {
		t.Errorf("logs hold %d bytes", logBytes)
	}
	edgetest.WaitFor(t, "the frozen to be closed", func() bool { return s.Stats().Closed["slow"] == frozen })
	edgetest.WaitMembers(t, s, "a", members-frozen)
	edgetest.Balanced(t, s)
}

// TestSlowClose: with the policy "close" a viewer that falls behind is closed,
// and one that catches up is not.
func TestSlowClose(t *testing.T) {
	s := edgetest.Start(t, func(c *edge.Config) {
		c.SlowPolicy, c.RoomLogBytes, c.SendBuffer = edge.SlowClose, 128<<10, 32<<10
	})
	slow, good := edgetest.Join(t, s, "/ws?room=a"), edgetest.Join(t, s, "/ws?room=a")
	_ = slow.Conn.SetReadBuffer(4 << 10)
	filling := strings.Repeat("x", 3000)
	for n := 0; s.Stats().Closed["slow"] == 0; n++ {
		if n > 10000 {
			t.Fatal("the slow viewer was never closed")
		}
		edgetest.PublishTo(t, s, "a", filling)
		good.Want(frame.Text, filling)
	}
	edgetest.WaitMembers(t, s, "a", 1)
}

// TestReuseTorture closes and opens connections in the middle of a storm of
// messages. No connection may get a byte of another's room.
func TestReuseTorture(t *testing.T) {
	const rooms, rounds = 8, 150
	s := edgetest.Start(t, nil)
	stop := make(chan struct{})
	var publishers, viewers sync.WaitGroup
	for r := range rooms {
		publishers.Go(func() { // stopped by stop
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
					s.Delivery.Deliver(&broker.Message{Room: fmt.Sprint("room", r), Format: broker.Text, Payload: fmt.Appendf(nil, "room%d %d", r, n)})
					if n%10 == 0 { // the viewers read few of them
						time.Sleep(time.Millisecond)
					}
				}
			}
		})
		viewers.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(r), 7))
			for range rounds {
				c := edgetest.Join(t, s, fmt.Sprint("/ws?room=room", r))
				for range rng.IntN(20) {
					m, err := c.Next()
					if err != nil || !strings.HasPrefix(m.Payload, fmt.Sprintf("room%d ", r)) {
						t.Errorf("a member of room%d got %q, %v", r, m.Payload, err)
						return
					}
				}
				if rng.IntN(2) == 0 {
					_ = c.Conn.SetLinger(0) // RST
				}
				_ = c.Conn.Close()
			}
		})
	}
	viewers.Wait()
	close(stop)
	publishers.Wait()
	edgetest.WaitFor(t, "all to leave", func() bool { return s.Stats().Connections == 0 && openSocketsNow(s) == 0 })
	edgetest.Balanced(t, s)
	if st := s.Stats(); st.Loops[0].Panics+st.Loops[1].Panics != 0 {
		t.Error("a handler panicked")
	}
}

// TestIdleSocketsAreBounded: sockets that never ask for anything cannot take all
// descriptors of the process.
func TestIdleSocketsAreBounded(t *testing.T) {
	s := edgetest.Start(t, func(c *edge.Config) { c.MaxConnections, c.MaxSockets = 10, 20 })
	a := edgetest.Join(t, s, "/ws?room=a")
	for range 100 {
		edgetest.DialTCP(t, s)
	}
	edgetest.WaitFor(t, "the rest to be closed", func() bool { return s.Stats().ClosedEarly["crowded"] >= 81 })
	if n := openSocketsNow(s); n > 20 {
		t.Errorf("%d sockets, limit is 20", n)
	}
	a.Send(frame.Text, "unmoved")
	a.Want(frame.Text, "unmoved")
}

// TestConnectStorm: many more come than there is room for. Everyone gets an
// answer, and exactly as many as fit are let in.
func TestConnectStorm(t *testing.T) {
	const limit, storm = 500, 1500
	s := edgetest.Start(t, func(c *edge.Config) { c.MaxConnections = limit })
	var in, refused atomic.Int64
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range storm / 10 {
				_, resp := edgetest.Shake(t, s, edgetest.UpgradeRequest("/ws?room=a"))
				switch {
				case resp.StatusCode == 101:
					in.Add(1)
				case resp.StatusCode == 503 && resp.Header.Get("Retry-After") != "":
					refused.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if in.Load() != limit || refused.Load() != storm-limit {
		t.Errorf("%d let in and %d refused, want %d and %d", in.Load(), refused.Load(), limit, storm-limit)
	}
}
