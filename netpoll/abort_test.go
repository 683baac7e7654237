// How connections of this side end before they are open, and how Abort ends
// them later.

package netpoll

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// deafPort returns an address that answers no more connection attempts: its
// accept queue is full, and the kernel drops what it has no room for.
func deafPort(t testing.TB) string {
	t.Helper()
	l, err := bind(netip.MustParseAddrPort("127.0.0.1:0"), false, ListenConfig{})
	if err == nil {
		t.Cleanup(func() { _ = l.Close() })
		err = unix.Listen(l.fd, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		fd, err := startConnect(l.Addr(), DialConfig{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		if n, err := unix.Poll(p, 100); n == 0 && err == nil {
			return l.Addr().String()
		}
	}
	t.Skip("this kernel completes connections beyond the backlog")
	return ""
}

func TestDeadlineWhileConnecting(t *testing.T) {
	h := new(testHandler)
	l, _ := startLoop(t, Config{}, h)
	h.expired = func(id ID) { l.Close(id, FirstUserReason) }
	addr := deafPort(t)
	var id ID
	onLoop(l, func() {
		id = mustDial(t, l, addr, DialConfig{})
		l.SetDeadline(id, 50*time.Millisecond)
	})
	if n := l.Stats().Conns; n != 1 {
		t.Errorf("%d connections while connecting", n)
	}
	waitFor(t, "the deadline", func() bool { return h.reason(id) == FirstUserReason })
	if n := len(h.opened()); n != 0 || l.Stats().Conns != 0 {
		t.Errorf("%d connections opened, %d left", n, l.Stats().Conns)
	}
}

// TestEndWhileConnecting: whichever way, Closed is called once and nothing else.
func TestEndWhileConnecting(t *testing.T) {
	for name, end := range map[string]func(*Loop, ID){
		"close":    func(l *Loop, id ID) { l.Close(id, FirstUserReason) },
		"abort":    func(l *Loop, id ID) { l.Abort(id, FirstUserReason) },
		"shutdown": func(l *Loop, id ID) { l.Shutdown(id, FirstUserReason, time.Hour) },
		"twice":    func(l *Loop, id ID) { l.Abort(id, FirstUserReason); l.Abort(id, PeerLost); l.Close(id, PeerLost) },
	} {
		for _, deaf := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/deaf=%v", name, deaf), func(t *testing.T) {
				var closed atomic.Int64
				h := &testHandler{closed: func(ID, CloseReason) { closed.Add(1) }}
				l, addr := startLoop(t, Config{}, h)
				if deaf {
					addr = deafPort(t)
				} else {
					onLoop(l, l.CloseListeners) // so that nothing is Opened at that end
					addr = silentPort(t)
				}
				before := len(descriptors(t))
				var id ID
				onLoop(l, func() {
					id = mustDial(t, l, addr, DialConfig{})
					end(l, id)
				})
				onLoop(l, func() {})
				if h.reason(id) != FirstUserReason || closed.Load() != 1 || len(h.opened()) != 0 {
					t.Errorf("closed %d times with %v, opened %d", closed.Load(), h.reason(id), len(h.opened()))
				}
				if n := len(descriptors(t)); n != before {
					t.Errorf("%d descriptors open, %d before", n, before)
				}
			})
		}
	}
}

// TestStopWhileConnecting: Stop closes what is connecting, and a Closed that
// dials again, as a client that reconnects does, gets an error.
func TestStopWhileConnecting(t *testing.T) {
	addr := deafPort(t)
	before := len(descriptors(t))
	var again error
	h := &testHandler{reasons: make(map[ID]CloseReason)}
	l, err := New(Config{OnFatal: func(err error) { panic(err) }, OnPanic: func(any, []byte) {}}, h)
	if err != nil {
		t.Fatal(err)
	}
	h.closed = func(ID, CloseReason) { _, again = l.Dial(netip.MustParseAddrPort(addr), DialConfig{}) }
	id := dialOn(t, l, addr, DialConfig{})
	l.Stop()
	if h.reason(id) != LoopStopped || !errors.Is(again, ErrStopped) {
		t.Errorf("closed with %v, Dial after that: %v", h.reason(id), again)
	}
	if n := len(descriptors(t)); n != before {
		t.Errorf("%d descriptors open, %d before", n, before)
	}
}

// TestAbort: unlike Close it resets the peer, also when called once the polite
// ways have begun.
func TestAbort(t *testing.T) {
	for name, prepare := range map[string]func(*Loop, ID){
		"open":     func(*Loop, ID) {},
		"blocked":  func(l *Loop, id ID) { l.Queue(id, make([]byte, 4<<20)) },
		"flushing": func(l *Loop, id ID) { l.Queue(id, make([]byte, 4<<20)); l.Shutdown(id, FirstUserReason, time.Hour) },
		"linger":   func(l *Loop, id ID) { l.Shutdown(id, FirstUserReason, time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			h := new(testHandler)
			l, addr := startLoop(t, Config{MaxQueue: 8 << 20}, h)
			c, id := dialOne(t, addr, h)
			onLoop(l, func() {
				prepare(l, id)
				l.Abort(id, FirstUserReason)
			})
			waitFor(t, "close", func() bool { return h.reason(id) == FirstUserReason })
			_, err := io.Copy(io.Discard, c)
			if name != "linger" && !errors.Is(err, unix.ECONNRESET) { // there our FIN came first
				t.Errorf("the peer's read said %v, not that it was reset", err)
			}
			peer := netip.MustParseAddrPort(c.LocalAddr().String())
			_ = c.Close()
			waitForNoSocket(t, func(local, remote netip.AddrPort) bool {
				return local == peer && remote.String() == addr || local.String() == addr && remote == peer
			})
		})
	}
}

// waitForNoSocket waits until the kernel has no TCP socket with these ends, in
// TIME_WAIT or any other state.
func waitForNoSocket(t testing.TB, match func(local, remote netip.AddrPort) bool) {
	t.Helper()
	waitFor(t, "sockets to be gone", func() bool {
		b, err := os.ReadFile("/proc/net/tcp")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); f[0] != "sl" && match(kernelAddr(t, f[1]), kernelAddr(t, f[2])) {
				return false
			}
		}
		return true
	})
}

// kernelAddr parses an address of /proc/net/tcp: the address as the machine's
// number, a colon and the port, in hexadecimal digits.
func kernelAddr(t testing.TB, s string) netip.AddrPort {
	t.Helper()
	var addr uint32
	var port uint16
	if _, err := fmt.Sscanf(s, "%08X:%04X", &addr, &port); err != nil {
		t.Fatal(err)
	}
	var a [4]byte
	binary.NativeEndian.PutUint32(a[:], addr)
	return netip.AddrPortFrom(netip.AddrFrom4(a), port)
}
