// Who is taken for alive: those who answer, and those who are still taking what the
// question stands behind.

package edge_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/edgetest"
	"barrage/frame"
)

func TestHeartbeat(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) {
		c.PingInterval, c.PingTimeout = 200*time.Millisecond, 3*time.Second
	})
	answers, silent := edgetest.Join(t, s, "/ws?room=quiet"), edgetest.Join(t, s, "/ws?room=quiet")
	for range 3 {
		answers.Want(frame.Ping, "")
		answers.Send(frame.Pong, "")
	}
	silent.Want(frame.Ping, "")
	silent.WantEnd()
	edgetest.WaitFor(t, "the reason", func() bool { return s.Stats().Closed["ping_timeout"] == 1 })
	edgetest.WaitMembers(t, s, "quiet", 1)
}

// speak has a room say something every few milliseconds until the test ends.
func speak(t *testing.T, s *edgetest.Server, room, text string) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { // ends with the test
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				edgetest.PublishTo(t, s, room, text)
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-stopped })
}

// wantClosed waits until n connections were closed, and wants all for this reason.
func wantClosed(t *testing.T, s *edgetest.Server, reason string, n uint64) {
	t.Helper()
	closed := func() (all uint64) {
		for _, n := range s.Stats().Closed {
			all += n
		}
		return all
	}
	edgetest.WaitFor(t, fmt.Sprintf("%d to be closed", n), func() bool { return closed() == n })
	if got := s.Stats().Closed; got[reason] != n {
		t.Errorf("closed %v, want %d for %s", got, n, reason)
	}
}

// TestSilentViewersOfBusyRooms: that the kernel takes what a room says does not tell
// that anybody is there. One who reads and does not answer, as one behind a proxy that
// takes everything, is closed like one who does neither; one who answers stays, and is
// asked once however many rooms it is in.
func TestSilentViewersOfBusyRooms(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) {
		c.PingInterval, c.PingTimeout = 200*time.Millisecond, 3*time.Second
	})
	const rooms = "/ws?room=busy&room=b&room=c&room=d"
	edgetest.Join(t, s, rooms) // frozen
	reads, answers := edgetest.Join(t, s, rooms), edgetest.Join(t, s, rooms)
	speak(t, s, "busy", "x")
	speak(t, s, "c", "y")
	pings := make(chan int)
	go func() { // ends when it is closed
		n := 0
		for {
			m, err := reads.Next()
			if err != nil {
				pings <- n
				return
			}
			if m.Op == frame.Ping {
				n++
			}
		}
	}()
	for asked := 0; asked < 3 || s.Stats().Closed["ping_timeout"] < 2; {
		m, err := answers.Next()
		if err != nil {
			t.Fatal(err)
		}
		if m.Op == frame.Ping {
			asked++
			answers.Send(frame.Pong, "")
		}
	}
	if n := <-pings; n != 1 {
		t.Errorf("asked %d times", n)
	}
	wantClosed(t, s, "ping_timeout", 2)
	edgetest.WaitMembers(t, s, "busy", 1)
}

// TestFrozenWithoutSlowTimeout: where viewers may take no byte for ever, those who take
// none and do not answer are gone all the same. One who only speaks is not.
func TestFrozenWithoutSlowTimeout(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) {
		c.PingInterval, c.PingTimeout, c.SlowTimeout, c.SendBuffer = 200*time.Millisecond, 3*time.Second, 0, 16<<10
	})
	for range 3 {
		c := edgetest.Join(t, s, "/ws?room=busy")
		_ = c.Conn.SetReadBuffer(4 << 10)
	}
	speaks := edgetest.Join(t, s, "/ws?room=busy&room=other")
	_ = speaks.Conn.SetReadBuffer(4 << 10)
	speak(t, s, "busy", strings.Repeat("x", 4000))
	for s.Stats().Closed["ping_timeout"] < 3 {
		speaks.Send(frame.Text, "to be heard")
		time.Sleep(20 * time.Millisecond) // its pace
	}
	wantClosed(t, s, "ping_timeout", 3)
	edgetest.WaitMembers(t, s, "other", 1)
}

// pacedRead reads up to n bytes, or to the end, in pieces and with a pause after each.
func pacedRead(c net.Conn, n, piece int, pause time.Duration) (read int, err error) {
	buf := make([]byte, piece)
	for read < n && err == nil {
		_ = c.SetReadDeadline(time.Now().Add(edgetest.Patience))
		var k int
		k, err = c.Read(buf[:min(piece, n-read)])
		read += k
		time.Sleep(pause)
	}
	return read, err
}

// TestPingBehindABacklog: a viewer who takes longer than the ping timeout for what stands
// before the ping is not dead.
func TestPingBehindABacklog(t *testing.T) {
	t.Parallel()
	const messages, size, timeout = 64, 32 << 10, 2 * time.Second
	s := edgetest.Start(t, func(c *edge.Config) {
		c.PingInterval, c.PingTimeout, c.SlowTimeout = 300*time.Millisecond, timeout, 10*time.Second
	})
	c := edgetest.Join(t, s, "/ws?room=a")
	_ = c.Conn.SetReadBuffer(32 << 10)
	for range messages {
		edgetest.PublishTo(t, s, "a", strings.Repeat("x", size))
	}
	edgetest.WaitFor(t, "a ping", func() bool { return s.Stats().Pings == 1 })
	pings := 0 // behind what the kernel had taken by then
	for start, got := time.Now(), 0; got < messages; {
		m, err := c.Next()
		if err != nil {
			t.Fatalf("after %v and %d messages: %v; closed %v", time.Since(start), got, err, s.Stats().Closed)
		}
		if m.Op == frame.Ping {
			pings++
			continue
		}
		got++
		time.Sleep(2*timeout/messages + time.Millisecond)
	}
	if pings > 0 {
		c.Send(frame.Pong, "")
	}
	for range 2 {
		c.Want(frame.Ping, "")
		c.Send(frame.Pong, "")
	}
}

// TestSlowButSteady: a viewer who takes bytes all the time is not one who takes none,
// though the socket has room for more only after longer than the slow timeout.
func TestSlowButSteady(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { c.SlowTimeout, c.SendBuffer = 1200*time.Millisecond, 2<<20 })
	c := edgetest.Join(t, s, "/ws?room=a")
	_ = c.Conn.SetReadBuffer(32 << 10)
	frozen := edgetest.Join(t, s, "/ws?room=a")
	_ = frozen.Conn.SetReadBuffer(32 << 10)
	start := time.Now()
	var n int
	var err error
	read := make(chan struct{})
	go func() { // it takes bytes from the first one on, however long publishing takes
		defer close(read)
		n, err = pacedRead(c.Conn, 250*(8<<10), 8<<10, 20*time.Millisecond)
	}()
	for range 400 {
		edgetest.PublishTo(t, s, "a", strings.Repeat("x", 32<<10))
	}
	<-read
	if err != nil {
		t.Fatalf("after %v and %d bytes: %v; closed %v", time.Since(start), n, err, s.Stats().Closed)
	}
	if d := time.Since(start); d < 4*time.Second {
		t.Fatalf("it took only %v", d)
	}
	wantClosed(t, s, "slow", 1)
}

// TestNeverAnsweringReader: one who always has something to take, and takes it, has had
// the ping at some time.
func TestNeverAnsweringReader(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { c.PingInterval, c.PingTimeout = 200*time.Millisecond, time.Second })
	c := edgetest.Join(t, s, "/ws?room=a")
	text := strings.Repeat("x", 60<<10)
	said := make(chan struct{})
	go func() { // ends with the connection
		defer close(said)
		for s.Delivery.Members("a") > 0 {
			for range 20 {
				edgetest.PublishTo(t, s, "a", text)
			}
			time.Sleep(time.Millisecond)
		}
	}()
	if n, err := pacedRead(c.Conn, 1<<30, 64<<10, time.Millisecond); err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("read %d bytes: %v", n, err)
	}
	<-said // before the server ends
	wantClosed(t, s, "ping_timeout", 1)
}
