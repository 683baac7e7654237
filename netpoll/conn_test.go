// Connections: sending, queues, closing, pausing.

package netpoll

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pattern is n bytes that are not the same wherever one looks.
func pattern(n int) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rng.Uint32())
	}
	return p
}

func TestQueueGoesOutInOrder(t *testing.T) {
	h := new(testHandler)
	l, addr := startLoop(t, Config{MaxQueue: 8 << 20}, h)
	drained := make(chan struct{}, 1)
	h.drained = func(ID) { drained <- struct{}{} }
	c, id := dialOne(t, addr, h)
	want := pattern(6 << 20)
	onLoop(l, func() {
		for p := want; len(p) > 0; p = p[min(len(p), 10000):] {
			l.Queue(id, p[:min(len(p), 10000)])
		}
		if !l.Blocked(id) || l.Queued(id) == 0 {
			t.Error("six megabytes went into a socket that nobody reads")
		}
		if n := l.Send(id, []byte("x")); n != 0 {
			t.Error("Send overtook the queue")
		}
	})
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("bytes were changed on the way")
	}
	<-drained
	onLoop(l, func() {
		if l.Blocked(id) || l.Queued(id) != 0 {
			t.Error("still blocked after everything was read")
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	h := new(testHandler)
	l, addr := startLoop(t, Config{MaxQueue: 1 << 20}, h)
	_, id := dialOne(t, addr, h)
	onLoop(l, func() {
		for range 200 {
			l.Queue(id, make([]byte, 100000))
		}
	})
	waitFor(t, "close", func() bool { return h.reason(id) == QueueFull })
}

func TestSendTakesWhatFitsAndDrainedFollows(t *testing.T) {
	h := new(testHandler)
	l, addr := startLoop(t, Config{}, h)
	want := pattern(8 << 20)
	sent := 0
	send := func(id ID) {
		for sent < len(want) && !l.Blocked(id) {
			rest := want[sent:]
			half := len(rest) / 2
			sent += l.Sendv(id, [][]byte{rest[:half], nil, rest[half:]})
		}
	}
	h.drained = send
	c, id := dialOne(t, addr, h)
	onLoop(l, func() { send(id) })
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("bytes were changed on the way")
	}
}

// TestShutdown: the peer gets all that was queued although it goes on sending,
// and no reset.
func TestShutdown(t *testing.T) {
	h := new(testHandler)
	l, addr := startLoop(t, Config{MaxQueue: 8 << 20}, h)
	c, id := dialOne(t, addr, h)
	want := pattern(4 << 20)
	onLoop(l, func() {
		l.Queue(id, want)
		l.Shutdown(id, FirstUserReason, 20*time.Second)
		l.Queue(id, []byte("too late"))
	})
	go func() { _, _ = c.Write(make([]byte, 1<<20)) }() // ends when the server has read or closed
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read %d bytes of %d, error %v", len(got), len(want), err)
	}
	_ = c.Close()
	waitFor(t, "close", func() bool { return h.reason(id) == FirstUserReason })
}

func TestShutdownAfterHalfClose(t *testing.T) {
	h := new(testHandler)
	l, addr := startLoop(t, Config{MaxQueue: 8 << 20}, h)
	c, id := dialOne(t, addr, h)
	want := pattern(4 << 20)
	onLoop(l, func() {
		l.Queue(id, want)
		l.Shutdown(id, FirstUserReason, 20*time.Second)
	})
	_ = c.CloseWrite() // as `printf … | nc` does
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read %d bytes of %d, error %v", len(got), len(want), err)
	}
}

func TestLingerEnds(t *testing.T) {
	h := new(testHandler)
	l, addr := startLoop(t, Config{}, h)
	_, id := dialOne(t, addr, h)
	onLoop(l, func() { l.Shutdown(id, FirstUserReason, 50*time.Millisecond) })
	waitFor(t, "close of a peer that stays", func() bool { return h.reason(id) == FirstUserReason })
}

func TestPeerReasons(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(*net.TCPConn)
		want CloseReason
	}{
		{"fin", func(c *net.TCPConn) { _ = c.Close() }, PeerClosed},
		{"rst", func(c *net.TCPConn) { _ = c.SetLinger(0); _ = c.Close() }, PeerReset},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := new(testHandler)
			_, addr := startLoop(t, Config{}, h)
			c, id := dialOne(t, addr, h)
			tc.end(c)
			waitFor(t, "close", func() bool { return h.reason(id) != 0 })
			if got := h.reason(id); got != tc.want {
				t.Errorf("reason is %v, want %v", got, tc.want)
			}
		})
	}
}

func TestWriteToResetPeer(t *testing.T) {
	h := new(testHandler)
	l, addr := startLoop(t, Config{}, h)
	c, id := dialOne(t, addr, h)
	onLoop(l, func() {
		_ = c.SetLinger(0)
		_ = c.Close()
		// The reset may be noticed by the first write or by a later one.
		for range 10 {
			l.Queue(id, []byte("x"))
		}
	})
	waitFor(t, "close", func() bool { return h.reason(id) == PeerReset })
}

// TestPause: nothing is read, and neither waiting bytes nor a reset make the
// loop spin.
func TestPause(t *testing.T) {
	got := make(chan string, 10)
	h := &testHandler{data: func(_ ID, p []byte) { got <- string(p) }}
	l, addr := startLoop(t, Config{}, h)
	c, id := dialOne(t, addr, h)
	onLoop(l, func() { l.Pause(id) })
	_, _ = c.Write([]byte("hello"))
	before := l.Stats().Events
	time.Sleep(50 * time.Millisecond) // a spinning loop would count thousands of events
	if n := l.Stats().Events - before; n > 2 {
		t.Errorf("%d events on a paused connection", n)
	}
	onLoop(l, func() { l.Resume(id) })
	if s := <-got; s != "hello" {
		t.Errorf("got %q after Resume", s)
	}
	onLoop(l, func() { l.Pause(id) })
	_ = c.SetLinger(0)
	_ = c.Close()
	waitFor(t, "a reset while paused", func() bool { return h.reason(id) == PeerReset })
}

// TestTurns: who has sent much is not handled all of it before others have their turn.
func TestTurns(t *testing.T) {
	const much = 40 << 10
	var order []ID // loop goroutine
	got := make(map[ID]int)
	h := &testHandler{data: func(id ID, p []byte) {
		order = append(order, id)
		got[id] += len(p)
	}}
	l, addr := startLoop(t, Config{}, h)
	flood, a := dialOne(t, addr, h)
	quiet, b := dialOne(t, addr, h)
	onLoop(l, func() { l.Pause(a); l.Pause(b) })
	_, _ = flood.Write(make([]byte, much))
	_, _ = quiet.Write([]byte("x"))
	waiting := func(id ID) (n int) {
		onLoop(l, func() { n, _ = unix.IoctlGetInt(int(l.table.At(id).fd), unix.TIOCINQ) })
		return n
	}
	waitFor(t, "both to have sent", func() bool { return waiting(a) == much && waiting(b) == 1 })
	onLoop(l, func() { l.Resume(a); l.Resume(b) })
	waitFor(t, "all of it", func() (all bool) {
		onLoop(l, func() { all = got[a] == much && got[b] == 1 })
		return all
	})
	onLoop(l, func() {
		if before := slices.Index(order, b); before > 1 || len(order) < 11 {
			t.Errorf("the quiet one was handled after %d readings of the other, of %d", before, len(order)-1)
		}
	})
}

func TestPeer(t *testing.T) {
	h := new(testHandler)
	l, addr := startLoop(t, Config{}, h)
	c, id := dialOne(t, addr, h)
	onLoop(l, func() {
		if got, want := l.Peer(id).String(), c.LocalAddr().String(); got != want {
			t.Errorf("peer is %s, want %s", got, want)
		}
	})
}

// TestOutOfDescriptors: accepting pauses instead of spinning, and goes on when
// there are descriptors again.
func TestOutOfDescriptors(t *testing.T) {
	h := new(testHandler)
	l, addr := startLoop(t, Config{}, h)
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	const n = 20
	var clients []int
	for range n {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		clients = append(clients, fd)
	}
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	low := old
	low.Cur = uint64(clients[n-1] + 6) // room for a handful of connections
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &old) }()
	for _, fd := range clients {
		if err := unix.Connect(fd, sockaddr(a.AddrPort())); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	waitFor(t, "three failed accepts", func() bool { return l.Stats().AcceptNoFile >= 3 })
	if d := time.Since(start); d < minBackoff {
		t.Errorf("three failed accepts within %v: the listener was not paused", d)
	}
	if got := len(h.opened()); got == 0 || got == n {
		t.Errorf("%d of %d accepted under the limit: nothing was tested", got, n)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the rest to be accepted", func() bool { return len(h.opened()) == n })
}

func TestListenRefusesTakenAddress(t *testing.T) {
	ls, err := Listen("127.0.0.1:0", 2, ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, l := range ls {
			_ = l.Close()
		}
	}()
	if ls[0].Addr() != ls[1].Addr() {
		t.Errorf("listeners on %v and %v", ls[0].Addr(), ls[1].Addr())
	}
	if _, err := Listen(ls[0].Addr().String(), 1, ListenConfig{}); err == nil {
		t.Error("a second server got the same address")
	}
}
