// A kernel that is not kind, in place of the machine's.

package netpoll

import (
	"bytes"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// roughKernel carries bytes in parts, and now and then says EINTR, or EAGAIN though
// the socket is ready. On the loop goroutine.
type roughKernel struct {
	sockets
	rng  *rand.Rand
	said map[unix.Errno]int
}

func (k *roughKernel) refuses() (errno unix.Errno) {
	switch k.rng.IntN(4) {
	case 0:
		errno = unix.EINTR
	case 1:
		errno = unix.EAGAIN
	}
	k.said[errno]++
	return errno
}

func (k *roughKernel) recv(fd int32, p []byte) (int, unix.Errno) {
	if errno := k.refuses(); errno != 0 {
		return -1, errno
	}
	return k.sockets.recv(fd, p[:1+k.rng.IntN(2000)])
}

func (k *roughKernel) send(fd int32, p []byte) (int, unix.Errno) {
	if errno := k.refuses(); errno != 0 {
		return -1, errno
	}
	return k.sockets.send(fd, p[:1+k.rng.IntN(len(p))])
}

func (k *roughKernel) sendv(fd int32, bufs []unix.Iovec) (int, unix.Errno) {
	if errno := k.refuses(); errno != 0 {
		return -1, errno
	}
	some := append([]unix.Iovec(nil), bufs[:1+k.rng.IntN(len(bufs))]...)
	last := &some[len(some)-1]
	last.SetLen(1 + k.rng.IntN(int(last.Len)))
	return k.sockets.sendv(fd, some)
}

// TestRoughKernel: every byte arrives, once and in order, by whichever call.
func TestRoughKernel(t *testing.T) {
	h := new(testHandler)
	l, addr := startLoop(t, Config{MaxQueue: 8 << 20}, h)
	kernel := &roughKernel{rng: rand.New(rand.NewPCG(1, 2)), said: make(map[unix.Errno]int)}
	var owed []byte // the echo's; on the loop goroutine
	echo := func(id ID) {
		for len(owed) > 0 && !l.Blocked(id) {
			switch half := len(owed) / 2; kernel.rng.IntN(3) {
			case 0:
				owed = owed[l.Send(id, owed):]
			case 1:
				owed = owed[l.Sendv(id, [][]byte{owed[:half], owed[half:]}):]
			default:
				l.Queue(id, owed)
				owed = nil
			}
		}
	}
	h.data = func(id ID, p []byte) { owed = append(owed, p...); echo(id) }
	h.drained = echo
	onLoop(l, func() { l.wire = wire{kernel} })
	c, id := dialOne(t, addr, h)
	sent := pattern(1 << 20)
	go func() { _, _ = c.Write(sent) }() // an error shows in what is read
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%v; the echo is the same: %v", err, bytes.Equal(got, sent))
	}
	_ = c.CloseWrite()
	waitFor(t, "close", func() bool { return h.reason(id) == PeerClosed })
	onLoop(l, func() {
		if kernel.said[unix.EINTR] < 100 || kernel.said[unix.EAGAIN] < 100 {
			t.Errorf("the kernel said only %v", kernel.said)
		}
	})
}

// brokenKernel fails every call.
type brokenKernel struct{ errno unix.Errno }

func (k brokenKernel) recv(int32, []byte) (int, unix.Errno)        { return -1, k.errno }
func (k brokenKernel) send(int32, []byte) (int, unix.Errno)        { return -1, k.errno }
func (k brokenKernel) sendv(int32, []unix.Iovec) (int, unix.Errno) { return -1, k.errno }

// TestBrokenKernel: a call that fails takes nothing and closes that connection, once
// and for the right reason.
func TestBrokenKernel(t *testing.T) {
	p := []byte("hello")
	calls := map[string]func(*Loop, ID) int{
		"recv":  func(l *Loop, id ID) int { l.onReadable(id); return 0 },
		"send":  func(l *Loop, id ID) int { return l.Send(id, p) },
		"sendv": func(l *Loop, id ID) int { return l.Sendv(id, [][]byte{p, p}) },
		"queue": func(l *Loop, id ID) int { l.Queue(id, p); return l.Queued(id) },
	}
	for errno, want := range map[unix.Errno]CloseReason{
		unix.ECONNRESET: PeerReset, unix.EPIPE: PeerReset, unix.ETIMEDOUT: PeerLost, unix.EIO: SocketError,
	} {
		for name, call := range calls {
			t.Run(name+"/"+errno.Error(), func(t *testing.T) {
				var closed atomic.Int64
				h := &testHandler{closed: func(ID, CloseReason) { closed.Add(1) }}
				l, addr := startLoop(t, Config{}, h)
				_, id := dialOne(t, addr, h)
				_, other := dialOne(t, addr, h)
				onLoop(l, func() {
					l.wire = wire{brokenKernel{errno}}
					if n := call(l, id); n != 0 || !l.Blocked(id) {
						t.Errorf("took %d bytes, blocked: %v", n, l.Blocked(id))
					}
					l.wire = wire{}
				})
				onLoop(l, func() {})
				if h.reason(id) != want || h.reason(other) != 0 || closed.Load() != 1 {
					t.Errorf("closed %d times, for %v, the other for %v", closed.Load(), h.reason(id), h.reason(other))
				}
			})
		}
	}
}
