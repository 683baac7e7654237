// The loop: what a connection costs, stale events, wake-ups, deadlines, the end.

package netpoll

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	easygo "github.com/mailru/easygo/netpoll"
	"golang.org/x/sys/unix"
)

// TestParkedConnectionCost asserts what a parked connection is: one descriptor,
// watched by one epoll, the loop's; no goroutine.
func TestParkedConnectionCost(t *testing.T) {
	h := new(testHandler)
	_, addr := startLoop(t, Config{}, h)
	const n = 300
	fds, epolls, goroutines := descriptors(t), watches(t), runtime.NumGoroutine()
	for range n {
		fd := rawDial(t, addr)
		defer unix.Close(fd)
	}
	waitFor(t, "all accepted", func() bool { return len(h.opened()) == n })
	if got := len(descriptors(t)) - len(fds); got != 2*n {
		t.Errorf("%d connections cost %d descriptors, want %d (both ends)", n, got, 2*n)
	}
	if got := runtime.NumGoroutine() - goroutines; got != 0 {
		t.Errorf("%d connections cost %d goroutines, want none", n, got)
	}
	grown := 0
	for fd, now := range watches(t) {
		if d := now - epolls[fd]; d != 0 {
			grown++
			if d != n {
				t.Errorf("epoll %s watches %d more descriptors, want %d", fd, d, n)
			}
		}
	}
	if grown != 1 {
		t.Errorf("%d epolls watch the connections, want only the loop's", grown)
	}
}

func TestDescriptorsCloseOnExec(t *testing.T) {
	h := new(testHandler)
	_, addr := startLoop(t, Config{}, h)
	dialOne(t, addr, h)
	for fd, link := range descriptors(t) {
		if !strings.HasPrefix(link, "anon_inode:[event") && !strings.HasPrefix(link, "anon_inode:[timerfd") && !strings.HasPrefix(link, "socket:") {
			continue
		}
		b, err := os.ReadFile("/proc/self/fdinfo/" + fd)
		if err != nil {
			continue // gone since
		}
		flags := strings.Fields(strings.SplitAfter(string(b), "flags:")[1])[0]
		if v, err := strconv.ParseUint(flags, 8, 32); err != nil || v&unix.O_CLOEXEC == 0 {
			t.Errorf("descriptor %s (%s) has flags %s: no CLOEXEC", fd, link, flags)
		}
	}
}

// TestStaleEvent closes a connection whose event is already fetched, has its
// number reused by a new connection in the same batch, and wants the old event
// to reach neither.
func TestStaleEvent(t *testing.T) {
	h := new(testHandler)
	var got []ID
	var victim ID
	reused := -1
	h.data = func(id ID, _ []byte) { got = append(got, id) }
	l, addr := startLoop(t, Config{}, h)
	a, idA := dialOne(t, addr, h)
	b, idB := dialOne(t, addr, h)
	h.data = func(id ID, _ []byte) {
		got = append(got, id)
		if len(got) > 1 {
			return
		}
		victim = idA + idB - id
		l.Close(victim, FirstUserReason)
	}
	h.closed = func(id ID, _ CloseReason) {
		if id != victim || reused >= 0 {
			return
		}
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			panic(err)
		}
		reused = pair[0]
		t.Cleanup(func() { _ = unix.Close(pair[1]) })
		l.open(pair[0], h.Opened)
	}
	release, held := make(chan struct{}), make(chan struct{})
	var fds [2]int32
	l.Post(func() {
		fds = [2]int32{l.table.At(idA).fd, l.table.At(idB).fd}
		close(held)
		<-release
	})
	<-held // both become readable while the loop is away, so one wait fetches both
	for _, c := range []interface{ Write([]byte) (int, error) }{a, b} {
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "both readable", func() bool {
		p := []unix.PollFd{{Fd: fds[0], Events: unix.POLLIN}, {Fd: fds[1], Events: unix.POLLIN}}
		n, _ := unix.Poll(p, 0)
		return n == 2
	})
	close(release)
	waitFor(t, "a stale event", func() bool { return l.Stats().StaleEvents == 1 })
	onLoop(l, func() {
		if reused != int(fds[0]) && reused != int(fds[1]) {
			t.Errorf("the new connection has descriptor %d, the closed one was in %v: nothing was tested", reused, fds)
		}
		if len(got) != 1 {
			t.Errorf("data events for %v, want one", got)
		}
	})
}

func TestPostRunsInOrderAndWakeCollapses(t *testing.T) {
	var works atomic.Int64
	h := &testHandler{work: func() bool { works.Add(1); return false }}
	l, _ := startLoop(t, Config{}, h)
	var got []int
	for i := range 100 {
		l.Post(func() { got = append(got, i) })
	}
	onLoop(l, func() {
		for i, v := range got {
			if i != v {
				t.Errorf("function %d ran at %d", v, i)
			}
		}
	})
	hold, held := make(chan struct{}), make(chan struct{})
	l.Post(func() { close(held); <-hold })
	<-held
	before := works.Load()
	for range 1000 {
		l.Wake()
	}
	close(hold)
	onLoop(l, func() {})
	onLoop(l, func() {})
	if n := works.Load() - before; n > 6 {
		t.Errorf("1000 wake-ups of a busy loop made %d turns", n)
	}
}

func TestWorkIsCalledUntilDone(t *testing.T) {
	left := 50
	h := &testHandler{work: func() bool { left--; return left > 0 }}
	l, addr := startLoop(t, Config{}, h)
	l.Wake()
	dialOne(t, addr, h) // sockets are served meanwhile
	waitFor(t, "work to end", func() bool {
		n := 0
		onLoop(l, func() { n = left })
		return n <= 0
	})
}

func TestDeadline(t *testing.T) {
	expired := make(chan time.Time, 1)
	h := &testHandler{expired: func(ID) { expired <- time.Now() }}
	l, addr := startLoop(t, Config{}, h)
	_, id := dialOne(t, addr, h)
	start := time.Now()
	onLoop(l, func() { l.SetDeadline(id, 100*time.Millisecond) })
	if at := <-expired; at.Sub(start) < 100*time.Millisecond {
		t.Errorf("expired after %v", at.Sub(start))
	}
	onLoop(l, func() {
		l.SetDeadline(id, time.Millisecond)
		l.SetDeadline(id, 0)
	})
	time.Sleep(100 * time.Millisecond) // nothing to wait for: five sweeps pass
	select {
	case <-expired:
		t.Error("a cleared deadline expired")
	default:
	}
}

// TestClockAfterStop: a process that was stopped for an hour must not find all
// its peers late before it has read what they sent.
func TestClockAfterStop(t *testing.T) {
	l := &Loop{clock: 1, ticked: time.Now().Add(-time.Hour)}
	l.cfg.Tick = 100 * time.Millisecond
	l.advanceClock()
	if d := l.Clock() - clockUnit; d > maxStep+l.cfg.Tick {
		t.Errorf("the clock went on by %v", d)
	}
	l.advanceClock()
	if d := time.Duration(l.clock-1) * clockUnit; d > maxStep+2*l.cfg.Tick {
		t.Errorf("the clock went on by %v in the second tick", d)
	}
}

func TestPanicClosesOneConnection(t *testing.T) {
	var panics atomic.Int64
	h := &testHandler{data: func(_ ID, p []byte) {
		if p[0] == '!' {
			panic("on purpose")
		}
	}}
	l, addr := startLoop(t, Config{OnPanic: func(any, []byte) { panics.Add(1) }}, h)
	bad, idBad := dialOne(t, addr, h)
	good, idGood := dialOne(t, addr, h)
	_, _ = bad.Write([]byte("!"))
	waitFor(t, "close", func() bool { return h.reason(idBad) == HandlerPanic })
	_, _ = good.Write([]byte("x"))
	waitFor(t, "the neighbour's data", func() bool { return l.Stats().BytesReceived == 2 })
	if h.reason(idGood) != 0 || panics.Load() != 1 {
		t.Errorf("neighbour closed with %v, %d panics", h.reason(idGood), panics.Load())
	}
}

func TestStopClosesEverything(t *testing.T) {
	before := len(descriptors(t))
	h := &testHandler{reasons: make(map[ID]CloseReason)}
	l, err := New(Config{OnFatal: func(err error) { panic(err) }, OnPanic: func(any, []byte) {}}, h)
	if err != nil {
		t.Fatal(err)
	}
	ls, err := Listen("127.0.0.1:0", 1, ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	onLoop(l, func() { err = l.Accept(ls[0], nil) })
	if err != nil {
		t.Fatal(err)
	}
	var fds []int
	for range 20 {
		fds = append(fds, rawDial(t, ls[0].Addr().String()))
	}
	waitFor(t, "accepts", func() bool { return len(h.opened()) == 20 })
	stop := make(chan struct{})
	go func() { // ends with stop: Wake and Post must be harmless at any time
		for {
			select {
			case <-stop:
				return
			default:
				l.Post(func() {})
			}
		}
	}()
	l.Stop()
	close(stop)
	for _, id := range h.opened() {
		if h.reason(id) != LoopStopped {
			t.Errorf("connection %d closed with %v", id, h.reason(id))
		}
	}
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
	if n := len(descriptors(t)); n != before {
		t.Errorf("%d descriptors open, %d before", n, before)
	}
}

func TestFailedAddLeavesNoEntry(t *testing.T) {
	h := new(testHandler)
	l, _ := startLoop(t, Config{}, h)
	f, err := os.Open("loop_test.go") // epoll refuses regular files
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	onLoop(l, func() {
		for range 2 {
			err := l.p.add(int(f.Fd()), interestIn, func(easygo.EpollEvent) {})
			if err == nil || strings.Contains(err.Error(), "registered") {
				t.Errorf("error is %v, want EPERM both times", err)
			}
		}
	})
}

// TestListenerEventAfterClose: an event of the listener that was fetched in the
// same batch as its close is not acted upon.
func TestListenerEventAfterClose(t *testing.T) {
	h := new(testHandler)
	entered, release := make(chan struct{}), make(chan struct{})
	h.data = func(ID, []byte) { close(entered); <-release }
	fatal := make(chan error, 10)
	l, addr := startLoop(t, Config{OnFatal: func(err error) { fatal <- err }}, h)
	c, _ := dialOne(t, addr, h)
	_, _ = c.Write([]byte("x"))
	<-entered // the loop is away in an event; what follows is fetched in one batch
	l.Post(l.CloseListeners)
	rest := rawDial(t, addr)
	defer unix.Close(rest)
	close(release)
	onLoop(l, func() {})
	onLoop(l, func() {})
	if len(fatal) > 0 {
		t.Errorf("fatal: %v", <-fatal)
	}
	if n := l.Stats().AcceptErrors; n != 0 {
		t.Errorf("%d accepts on a closed listener", n)
	}
}

// TestStopAfterFailure: a loop whose epoll has failed can still be stopped, so
// that the process gets to its end.
func TestStopAfterFailure(t *testing.T) {
	before := descriptors(t)
	fatal := make(chan error, 10)
	h := &testHandler{reasons: make(map[ID]CloseReason)}
	l, err := New(Config{OnFatal: func(err error) { fatal <- err }, OnPanic: func(any, []byte) {}}, h)
	if err != nil {
		t.Fatal(err)
	}
	for n, watched := range watches(t) {
		if _, old := before[n]; !old && watched == 3 { // the loop's: its two eventfds and the timerfd
			fd, err := strconv.Atoi(n)
			if err != nil {
				t.Fatal(err)
			}
			// A socket in its place makes the next wait fail.
			s, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err == nil {
				err = unix.Dup3(s, fd, unix.O_CLOEXEC)
			}
			if err != nil {
				t.Fatal(err)
			}
			_ = unix.Close(s)
		}
	}
	l.Wake() // the wait under way is on the old epoll, which still works
	<-fatal
	l.Stop()
}
