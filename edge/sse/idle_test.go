// What a stream that rests holds.

package sse_test

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"barrage/edge"
	"barrage/edge/edgetest"
)

// TestIdleBytes: when the head of its room has been read, nothing is left of that: a stream
// that rests holds what a raw connection does, or a fifth more, for the runtime's own. It is
// not parallel: what others allocate would be counted.
func TestIdleBytes(t *testing.T) {
	raw := idleBytes(t, edgetest.UpgradeRequest("/ws?room=a"))
	sse := idleBytes(t, get("/sse?room=a"))
	t.Logf("%d bytes for each, %d for a raw connection", sse, raw)
	if 5*sse > 6*raw {
		t.Errorf("%d bytes for each, %d for a raw connection", sse, raw)
	}
}

// idleBytes is how much of the heap lives for each of many connections of this request.
func idleBytes(t *testing.T, request string) int64 {
	const n = 4 * 512 // whole pages of the tables
	s := edgetest.Start(t, func(c *edge.Config) { c.Shards = 1 })
	defer s.Close()
	fds := make([]int, 0, n+1) // not Go's sockets: their memory would be counted
	defer func() {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
	}()
	open := func() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		edgetest.Must(t, err)
		fds = append(fds, fd)
		edgetest.Must(t, unix.Connect(fd, &unix.SockaddrInet4{Port: int(s.Addr().Port()), Addr: s.Addr().Addr().As4()}))
		_, err = unix.Write(fd, []byte(request))
		edgetest.Must(t, err)
	}
	open()            // and what the first one makes
	heard := func() { // what is said behind that, so they have got in
		edgetest.PublishTo(t, s, "a", "hello")
		edgetest.Balanced(t, s)
	}
	edgetest.WaitMembers(t, s, "a", 1)
	heard()
	before := live()
	for range n {
		open()
	}
	edgetest.WaitMembers(t, s, "a", n+1)
	heard()
	return (live() - before) / n
}

func live() int64 {
	var m runtime.MemStats
	runtime.GC() // twice, for what pools keep
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
