package edge_test

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"barrage/edge"
	"barrage/edge/edgetest"
	"barrage/frame"
)

// TestUnreadIsBounded: many sockets that ask and do not read are owed no more together
// than the setting says. Those that are owed the most go, and others are served.
func TestUnreadIsBounded(t *testing.T) {
	const greedy, bound, size = 100, 4 << 20, 60 << 10
	s := edgetest.Start(t, func(c *edge.Config) { c.Echo, c.UnreadBytes, c.SendBuffer = true, bound, 16<<10 })
	honest := edgetest.Join(t, s, "/ws?room=a")
	text := frame.AppendMasked(nil, frame.Text, edgetest.Mask, []byte(strings.Repeat("x", size)))
	for range greedy {
		c := edgetest.Join(t, s, "/echo")
		_ = c.Conn.SetReadBuffer(4 << 10)
		for range 3 {
			if _, err := c.Conn.Write(text); err != nil {
				break // it was closed
			}
		}
	}
	loops := s.Node.Loops
	edgetest.WaitFor(t, "those with the most to be closed", func() bool { return s.Stats().Closed["too_much_unread"] > 0 })
	// A queue's memory doubles, so one connection may be over by as much again.
	if n := loops.Unread(); n > bound+4*size {
		t.Errorf("%d bytes are owed, the bound is %d", n, bound)
	}
	edgetest.PublishTo(t, s, "a", "hello")
	honest.Want(frame.Text, "hello")
}

// TestKernelTakesLittle: what the kernel may take for a peer that does not keep up is
// bounded on the sockets that are accepted, not only on their listener.
func TestKernelTakesLittle(t *testing.T) {
	s := edgetest.Start(t, nil)
	c := edgetest.Join(t, s, "/ws?room=a")
	_ = c.Conn.SetReadBuffer(4 << 10)
	text := strings.Repeat("x", 60<<10)
	for range 200 { // 12 MB: autotuning alone would take some of them
		edgetest.PublishTo(t, s, "a", text)
	}
	edgetest.WaitFor(t, "the viewer to fall behind", func() bool {
		skipped := uint64(0)
		for _, f := range s.Stats().Fanout {
			skipped += f.Skipped[0]
		}
		return skipped > 0
	})
	if n := largestNotSent(t); n == 0 || n > 512<<10 {
		t.Errorf("the kernel holds %d bytes that it has not sent", n)
	}
}

// largestNotSent is the most bytes that the kernel has not sent on a socket of this
// process.
func largestNotSent(t *testing.T) (most int) {
	t.Helper()
	for fd := 3; fd < 1000; fd++ {
		if n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQNSD); err == nil {
			most = max(most, n)
		}
	}
	return most
}
