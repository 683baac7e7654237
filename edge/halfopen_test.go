package edge_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"barrage/edge"
	"barrage/edge/edgetest"
	"barrage/frame"
)

// TestHalfOpenPeers: peers in a network namespace of the test's own whose link
// goes down say nothing any more, not even a reset. The ping finds them all, in
// silent rooms and in busy ones, and so does TCP_USER_TIMEOUT, if it is shorter; of event
// streams, which nobody can answer on, it finds all.
func TestHalfOpenPeers(t *testing.T) {
	for _, tc := range []struct {
		reason            string
		ping, userTimeout time.Duration
	}{{"ping_timeout", time.Second, time.Minute}, {"peer_lost", 5 * time.Minute, 2 * time.Second}} {
		t.Run(tc.reason, func(t *testing.T) { testHalfOpen(t, tc.reason, tc.ping, tc.userTimeout) })
	}
}

func testHalfOpen(t *testing.T, reason string, ping, userTimeout time.Duration) {
	address, inNamespace, linkDown := testHost(t)
	s := edgetest.Start(t, func(c *edge.Config) {
		c.Listen = address + ":0"
		c.PingInterval, c.PingTimeout = time.Second, ping
		c.UserTimeout = userTimeout
	})
	here := len(openFiles(t))
	const each = 10
	for i := range 2 * each {
		room := []string{"silent", "busy"}[i%2]
		request, status := edgetest.UpgradeRequest("/ws?room="+room), 101
		if userTimeout < ping && i%4 < 2 {
			request, status = "GET /sse?room="+room+" HTTP/1.1\r\nHost: h\r\n\r\n", 200
		}
		c, resp := edgetest.ShakeOn(t, inNamespace(s.Addr().String()), request)
		if resp.StatusCode != status {
			t.Fatalf("status %d", resp.StatusCode)
		}
		answered := make(chan struct{})
		go func() { // ends with the connection
			defer close(answered)
			answerPings(c)
		}()
		t.Cleanup(func() { _ = c.Conn.Close(); <-answered })
	}
	linkDown()
	for s.Stats().Connections > 0 {
		edgetest.PublishTo(t, s, "busy", "anybody?")
		time.Sleep(50 * time.Millisecond) // the pace of a busy room
		if s.Node.Loops.Now() > 2*edgetest.Patience {
			t.Fatalf("%d connections left: %v", s.Stats().Connections, s.Stats().Closed)
		}
	}
	if closed := s.Stats().Closed; closed[reason] != 2*each {
		t.Errorf("closed %v, want %d of %s", closed, 2*each, reason)
	}
	if s.Delivery.Members("silent")+s.Delivery.Members("busy") != 0 || s.Stats().Rooms != 0 {
		t.Error("members are left")
	}
	if n := len(openFiles(t)) - here; n != 2*each {
		t.Errorf("%d descriptors more, want the clients' %d", n, 2*each)
	}
}

// answerPings lets no ping be the last: one that a peer has taken and not answered is
// waited for, with nothing sent that the link could lose.
func answerPings(c *edgetest.Viewer) {
	for {
		m, err := c.Next()
		if err != nil {
			return
		}
		if m.Op == frame.Ping {
			c.Send(frame.Pong, m.Payload)
		}
	}
}

// testHost makes a network namespace joined to ours by a veth pair, and returns
// our address on it, how to dial from within, and how to take the link down. All
// names carry the process's number: what a killed run has left is in nobody's
// way.
func testHost(t *testing.T) (address string, dial func(addr string) *net.TCPConn, linkDown func()) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("a network namespace needs root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("iproute2 is not installed")
	}
	name := fmt.Sprintf("barrage%d", os.Getpid())
	ip := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, bytes.TrimSpace(out))
		}
	}
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		t.Skipf("no network namespace can be made here: %s", bytes.TrimSpace(out))
	}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
	ours := fmt.Sprintf("bveth%d", os.Getpid())
	ip("link", "add", ours, "type", "veth", "peer", "name", "barrage1", "netns", name)
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", ours).Run() }) // before the namespace: that goes lazily
	subnet := fmt.Sprintf("10.211.%d.", os.Getpid()%256)
	ip("addr", "add", subnet+"1/24", "dev", ours)
	ip("link", "set", ours, "up")
	ip("-n", name, "addr", "add", subnet+"2/24", "dev", "barrage1")
	ip("-n", name, "link", "set", "barrage1", "up")
	return subnet + "1",
		func(addr string) *net.TCPConn { return dialWithin(t, name, addr) },
		func() { ip("-n", name, "link", "set", "barrage1", "down") }
}

// dialWithin dials on a thread that is in the namespace while it does.
func dialWithin(t *testing.T, namespace, addr string) *net.TCPConn {
	t.Helper()
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	there, err := os.Open("/run/netns/" + namespace)
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	// A socket stays in the namespace it was made in. A dial to one IP address
	// stays on this goroutine, and so on this thread.
	c, dialErr := net.DialTimeout("tcp", addr, edgetest.Patience)
	if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
		t.Fatal(err) // the thread stays locked, and ends with the test
	}
	runtime.UnlockOSThread()
	if dialErr != nil {
		t.Fatal(dialErr)
	}
	_ = c.SetDeadline(time.Now().Add(2 * edgetest.Patience))
	return c.(*net.TCPConn)
}

func openFiles(t *testing.T) []os.DirEntry {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return fds
}
