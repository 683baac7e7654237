// A handler, loops, peers and descriptors for tests.

package netpoll

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// testHandler calls the functions that a test has set, and keeps a record.
type testHandler struct {
	begun   func(ID) // Opened
	data    func(ID, []byte)
	drained func(ID)
	expired func(ID)
	closed  func(ID, CloseReason)
	work    func() bool

	mu      sync.Mutex // guards what follows, which tests read
	open    []ID
	reasons map[ID]CloseReason
}

func (h *testHandler) Opened(id ID) {
	h.mu.Lock()
	h.open = append(h.open, id)
	delete(h.reasons, id)
	h.mu.Unlock()
	if h.begun != nil {
		h.begun(id)
	}
}

func (h *testHandler) Data(id ID, p []byte) {
	if h.data != nil {
		h.data(id, p)
	}
}

func (h *testHandler) Drained(id ID) {
	if h.drained != nil {
		h.drained(id)
	}
}

func (h *testHandler) Expired(id ID) {
	if h.expired != nil {
		h.expired(id)
	}
}

func (h *testHandler) Closed(id ID, r CloseReason) {
	h.mu.Lock()
	h.reasons[id] = r
	h.mu.Unlock()
	if h.closed != nil {
		h.closed(id, r)
	}
}

func (h *testHandler) Work() bool { return h.work != nil && h.work() }
func (h *testHandler) Tick()      {}

func (h *testHandler) opened() []ID {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]ID(nil), h.open...)
}

func (h *testHandler) reason(id ID) CloseReason {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reasons[id]
}

// startLoop starts a loop with a listener on a free port, stopped with the test.
func startLoop(t testing.TB, cfg Config, h *testHandler) (*Loop, string) {
	t.Helper()
	h.reasons = make(map[ID]CloseReason)
	if cfg.OnFatal == nil {
		cfg.OnFatal = func(err error) { panic(err) }
	}
	if cfg.OnPanic == nil {
		cfg.OnPanic = func(v any, _ []byte) { t.Errorf("handler panicked: %v", v) }
	}
	if cfg.Tick == 0 {
		cfg.Tick, cfg.Sweep = 10*time.Millisecond, 20*time.Millisecond
	}
	ls, err := Listen("127.0.0.1:0", 1, ListenConfig{UserTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	l, err := New(cfg, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Stop)
	onLoop(l, func() { err = l.Accept(ls[0], nil) })
	if err != nil {
		t.Fatal(err)
	}
	return l, ls[0].Addr().String()
}

// onLoop runs f on the loop and waits for it.
func onLoop(l *Loop, f func()) {
	done := make(chan struct{})
	l.Post(func() { f(); close(done) })
	<-done
}

func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func dial(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

// dialOne dials and returns the loop's ID of the connection.
func dialOne(t testing.TB, addr string, h *testHandler) (*net.TCPConn, ID) {
	t.Helper()
	n := len(h.opened())
	c := dial(t, addr)
	waitFor(t, "accept", func() bool { return len(h.opened()) == n+1 })
	return c, h.opened()[n]
}

// rawDial makes a socket that Go's runtime knows nothing of.
func rawDial(t testing.TB, addr string) int {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Connect(fd, sockaddr(a.AddrPort()))
	}
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// descriptors returns what the process has open, by number.
func descriptors(t testing.TB) map[string]string {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	fds := make(map[string]string)
	for _, d := range names {
		if link, err := os.Readlink("/proc/self/fd/" + d.Name()); err == nil {
			fds[d.Name()] = link
		}
	}
	return fds
}

// watches returns how many descriptors each epoll of the process watches.
func watches(t testing.TB) map[string]int {
	t.Helper()
	n := make(map[string]int)
	for fd, link := range descriptors(t) {
		if link != "anon_inode:[eventpoll]" {
			continue
		}
		b, err := os.ReadFile(filepath.Join("/proc/self/fdinfo", fd))
		if err != nil {
			t.Fatal(err)
		}
		n[fd] = strings.Count(string(b), "tfd:")
	}
	return n
}
