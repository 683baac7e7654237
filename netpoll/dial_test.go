// Dialled connections.

package netpoll

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// dialOn dials on the loop and fails the test if Dial does.
func dialOn(t testing.TB, l *Loop, addr string, cfg DialConfig) (id ID) {
	t.Helper()
	onLoop(l, func() { id = mustDial(t, l, addr, cfg) })
	return id
}

// mustDial is dialOn for callers on the loop already.
func mustDial(t testing.TB, l *Loop, addr string, cfg DialConfig) ID {
	t.Helper()
	id, err := l.Dial(netip.MustParseAddrPort(addr), cfg)
	if err != nil {
		t.Error(err)
	}
	return id
}

// silentPort returns an address that refuses connections, as its port is bound
// but nobody listens. It stays so until the test's end.
func silentPort(t testing.TB) string {
	t.Helper()
	l, err := bind(netip.MustParseAddrPort("127.0.0.1:0"), false, ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

func TestDialExchange(t *testing.T) {
	hs, hc := new(testHandler), new(testHandler)
	server, addr := startLoop(t, Config{}, hs)
	client, _ := startLoop(t, Config{}, hc)
	onLoop(server, func() { hs.data = func(id ID, p []byte) { server.Queue(id, p) } })
	want := pattern(3 << 20)
	var got []byte
	hc.begun = func(id ID) { client.Queue(id, want) } // more than the socket takes
	hc.data = func(id ID, p []byte) {
		if got = append(got, p...); len(got) == len(want) {
			client.Shutdown(id, FirstUserReason, 20*time.Second)
		}
	}
	var id ID
	onLoop(client, func() {
		id = mustDial(t, client, addr, DialConfig{ReceiveBuffer: 64 << 10})
		fd := int(client.table.At(id).fd)
		// The kernel doubles what it is asked for.
		if n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF); err != nil || n != 128<<10 {
			t.Errorf("receive buffer of %d, %v", n, err)
		}
		if n, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY); err != nil || n == 0 {
			t.Errorf("TCP_NODELAY is %d, %v", n, err)
		}
		// Nothing is sent while connecting.
		client.Queue(id, []byte("x"))
		if client.Send(id, []byte("x")) != 0 || client.Sendv(id, [][]byte{{1}}) != 0 || client.Queued(id) != 0 || !client.Blocked(id) {
			t.Error("bytes were taken before the connection was open")
		}
		// The other calls may come at any time.
		client.Pause(id)
		client.Resume(id)
	})
	waitFor(t, "close", func() bool { return hc.reason(id) != 0 })
	onLoop(client, func() {
		if !slices.Equal(got, want) {
			t.Errorf("got %d bytes of %d, or others", len(got), len(want))
		}
	})
	if r := hc.reason(id); r != FirstUserReason {
		t.Errorf("closed with %d, want Shutdown's reason", r)
	}
	if s := client.Stats(); s.Accepted != 0 || s.Conns != 0 {
		t.Errorf("client's counters: %+v", s)
	}
	if s := server.Stats(); s.Accepted != 1 {
		t.Errorf("server's counters: %+v", s)
	}
}

// TestDialHearsFirst: what the server sends at once arrives after Opened, and a
// connection paused in Opened does not get it.
func TestDialHearsFirst(t *testing.T) {
	hs, hc := new(testHandler), new(testHandler)
	server, addr := startLoop(t, Config{}, hs)
	client, _ := startLoop(t, Config{}, hc)
	onLoop(server, func() { hs.begun = func(id ID) { server.Queue(id, []byte("hello")) } })
	got := make(chan string, 1)
	hc.begun = client.Pause
	hc.data = func(_ ID, p []byte) { got <- string(p) }
	id := dialOn(t, client, addr, DialConfig{})
	waitFor(t, "the connection", func() bool { return len(hc.opened()) == 1 && len(hs.opened()) == 1 })
	onLoop(client, func() {
		if len(got) != 0 {
			t.Error("data on a paused connection")
		}
		client.Resume(id)
	})
	if s := <-got; s != "hello" {
		t.Errorf("got %q", s)
	}
}

func TestDialRefused(t *testing.T) {
	h := new(testHandler)
	l, _ := startLoop(t, Config{}, h)
	id := dialOn(t, l, silentPort(t), DialConfig{})
	waitFor(t, "close", func() bool { return h.reason(id) != 0 })
	if r := h.reason(id); r != Refused || r.String() != "refused" {
		t.Errorf("closed with %d (%v), want Refused", r, r)
	}
	if n := len(h.opened()); n != 0 {
		t.Errorf("%d connections opened", n)
	}
}

func TestDialReasons(t *testing.T) {
	for errno, want := range map[unix.Errno]CloseReason{
		unix.ECONNREFUSED: Refused, unix.ETIMEDOUT: PeerLost, unix.EHOSTUNREACH: PeerLost,
		unix.ENETUNREACH: PeerLost, unix.ECONNRESET: PeerReset, unix.EACCES: SocketError,
	} {
		if got := reasonOf(errno); got != want {
			t.Errorf("%v is %v, want %v", errno, got, want)
		}
	}
}

func TestDialFrom(t *testing.T) {
	hs, hc := new(testHandler), new(testHandler)
	server, addr := startLoop(t, Config{}, hs)
	client, _ := startLoop(t, Config{}, hc)
	for _, from := range []string{"127.0.1.1", "127.0.1.2"} {
		n := len(hs.opened())
		dialOn(t, client, addr, DialConfig{Local: netip.MustParseAddr(from)})
		waitFor(t, "accept", func() bool { return len(hs.opened()) == n+1 })
		onLoop(server, func() {
			if got := server.Peer(hs.opened()[n]).Addr().String(); got != from {
				t.Errorf("came from %s, want %s", got, from)
			}
		})
	}
}

func TestDialIPv6(t *testing.T) {
	ls, err := Listen("[::1]:0", 1, ListenConfig{})
	if err != nil {
		t.Skip(err)
	}
	defer ls[0].Close()
	h := new(testHandler)
	l, _ := startLoop(t, Config{}, h)
	dialOn(t, l, ls[0].Addr().String(), DialConfig{Local: netip.IPv6Loopback()})
	waitFor(t, "the connection", func() bool { return len(h.opened()) == 1 })
}

// TestDialErrors: what the kernel says at once is Dial's error, and leaves
// nothing behind.
func TestDialErrors(t *testing.T) {
	h := new(testHandler)
	l, addr := startLoop(t, Config{}, h)
	before, watched := len(descriptors(t)), watches(t)
	for _, tc := range []struct {
		name, local string
		remote      netip.AddrPort
		limit       bool
		want        unix.Errno
	}{
		{name: "no descriptors", remote: netip.MustParseAddrPort(addr), limit: true, want: unix.EMFILE},
		{name: "no such source", remote: netip.MustParseAddrPort(addr), local: "192.0.2.1", want: unix.EADDRNOTAVAIL},
		{name: "no such source IPv6", remote: netip.MustParseAddrPort(addr), local: "::1", want: unix.EAFNOSUPPORT},
		{name: "broadcast", remote: netip.MustParseAddrPort("255.255.255.255:1"), want: unix.ENETUNREACH},
		{name: "no remote", want: unix.EDESTADDRREQ},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := DialConfig{}
			if tc.local != "" {
				cfg.Local = netip.MustParseAddr(tc.local)
			}
			var err error
			onLoop(l, func() {
				if tc.limit {
					defer noMoreDescriptors(t)()
				}
				_, err = l.Dial(tc.remote, cfg)
			})
			if !errors.Is(err, tc.want) {
				t.Errorf("error is %v, want %v", err, tc.want)
			}
		})
	}
	if n := len(descriptors(t)); n != before {
		t.Errorf("%d descriptors open, %d before", n, before)
	}
	if now := watches(t); fmt.Sprint(now) != fmt.Sprint(watched) {
		t.Errorf("watching %v, before %v", now, watched)
	}
	if s := l.Stats(); s.Conns != 0 {
		t.Errorf("counters: %+v", s)
	}
}

// noMoreDescriptors has opening fail with EMFILE until the returned function is
// called.
func noMoreDescriptors(t testing.TB) (restore func()) {
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	return func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &old) }
}

// TestEnterFails: a descriptor that epoll refuses leaves no record.
func TestEnterFails(t *testing.T) {
	h := new(testHandler)
	l, _ := startLoop(t, Config{}, h)
	f, err := os.Open("dial_test.go") // epoll refuses regular files
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	onLoop(l, func() {
		for range 2 {
			if _, err := l.enter(int(f.Fd()), stateConnecting, flagOut); !errors.Is(err, unix.EPERM) {
				t.Errorf("error is %v, want EPERM", err)
			}
		}
		if l.table.n != 1 || l.table.free != 1 || l.Stats().Conns != 0 {
			t.Errorf("%d records, the first free is %d, %+v", l.table.n, l.table.free, l.Stats())
		}
	})
}

// TestSelfConnect: a socket that met itself is no connection.
func TestSelfConnect(t *testing.T) {
	h := new(testHandler)
	l, _ := startLoop(t, Config{}, h)
	self, err := bind(netip.MustParseAddrPort("127.0.0.1:0"), false, ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(self.fd, sockaddr(self.Addr())); err != nil && err != unix.EINPROGRESS {
		t.Fatal(err)
	}
	var id ID
	onLoop(l, func() { id, err = l.enter(self.fd, stateConnecting, flagIn|flagOut|flagBlocked) })
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "close", func() bool { return h.reason(id) == Refused })
	if n := len(h.opened()); n != 0 {
		t.Errorf("%d connections opened", n)
	}
	waitForNoSocket(t, func(local, remote netip.AddrPort) bool { return local == self.Addr() && remote == local })
}

func TestPanicInOpenedOfDialled(t *testing.T) {
	var panics atomic.Int64
	hs, hc := new(testHandler), new(testHandler)
	_, addr := startLoop(t, Config{}, hs)
	client, _ := startLoop(t, Config{OnPanic: func(any, []byte) { panics.Add(1) }}, hc)
	hc.begun = func(ID) { panic("on purpose") }
	id := dialOn(t, client, addr, DialConfig{})
	waitFor(t, "close", func() bool { return hc.reason(id) == HandlerPanic })
	if panics.Load() != 1 {
		t.Errorf("%d panics", panics.Load())
	}
}

// TestDialThousands dials them in bursts from two addresses to another loop, has
// every one exchange a byte, and aborts them all.
func TestDialThousands(t *testing.T) {
	const n, burst = 2000, 250
	hs, hc := new(testHandler), new(testHandler)
	server, addr := startLoop(t, Config{}, hs)
	client, _ := startLoop(t, Config{}, hc)
	before := len(descriptors(t))
	onLoop(server, func() { hs.data = func(id ID, p []byte) { server.Queue(id, p) } })
	hc.begun = func(id ID) { client.Queue(id, []byte{byte(id)}) }
	var answered atomic.Int64
	hc.data = func(id ID, p []byte) {
		if len(p) != 1 || p[0] != byte(id) {
			t.Errorf("connection %d got %v", id, p)
		}
		answered.Add(1)
	}
	var ids []ID
	for i := range n / burst {
		cfg := DialConfig{Local: netip.AddrFrom4([4]byte{127, 0, 1, byte(1 + i%2)})}
		onLoop(client, func() {
			for range burst {
				ids = append(ids, mustDial(t, client, addr, cfg))
			}
		})
	}
	waitFor(t, "all answers", func() bool { return answered.Load() == n })
	if got := len(descriptors(t)) - before; got != 2*n {
		t.Errorf("%d descriptors, want %d (both ends)", got, 2*n)
	}
	if s := client.Stats(); s.Conns != n || s.Accepted != 0 {
		t.Errorf("counters: %+v", s)
	}
	onLoop(client, func() {
		for _, id := range ids {
			client.Abort(id, FirstUserReason)
		}
	})
	waitFor(t, "both ends to close", func() bool { return client.Stats().Conns == 0 && server.Stats().Conns == 0 })
	if got := len(descriptors(t)); got != before {
		t.Errorf("%d descriptors open, %d before", got, before)
	}
	for _, id := range hs.opened() {
		if r := hs.reason(id); r != PeerReset {
			t.Fatalf("the server's connection %d ended with %v", id, r)
		}
	}
	waitForNoSocket(t, func(local, remote netip.AddrPort) bool {
		return local.String() == addr && remote.Addr().As4()[2] == 1 || remote.String() == addr && local.Addr().As4()[2] == 1
	})
}
