// What can be done with one connection: read, send, queue, pause, close.

package netpoll

import (
	"net/netip"
	"sync"
	"time"

	easygo "github.com/mailru/easygo/netpoll"
	"golang.org/x/sys/unix"
)

// MaxVectors is the most slices that Sendv takes at once.
const MaxVectors = 16

var queuePool = sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }}

// live reports whether bytes may still be sent to the connection.
func (c *conn) live() bool { return c.state == stateOpen }

// Send offers p to the socket and returns how many bytes it took. Less than
// len(p) means that the connection is blocked, and Drained will be called, or
// that it is closing. Nothing is queued.
func (l *Loop) Send(id ID, p []byte) int {
	c := l.table.At(id)
	if !c.live() || c.flags&flagBlocked != 0 || len(p) == 0 {
		return 0
	}
	n := l.send(id, c, p)
	if n < len(p) && c.live() {
		l.block(id, c)
	}
	return n
}

// Sendv is Send for the concatenation of at most MaxVectors slices.
func (l *Loop) Sendv(id ID, bufs [][]byte) int {
	c := l.table.At(id)
	if !c.live() || c.flags&flagBlocked != 0 {
		return 0
	}
	total, k := 0, 0
	for _, b := range bufs[:min(len(bufs), MaxVectors)] {
		if len(b) > 0 {
			l.iovs[k] = unix.Iovec{Base: &b[0]}
			l.iovs[k].SetLen(len(b))
			total += len(b)
			k++
		}
	}
	if k == 0 {
		return 0
	}
	n, errno := l.wire.sendv(c.fd, l.iovs[:k])
	n = l.took(id, n, errno)
	clear(l.iovs[:k])
	if n < total && c.live() {
		l.block(id, c)
	}
	return n
}

// Queue sends p whole: what the socket does not take now is copied and goes out
// before anything else. A connection with more than Config.MaxQueue waiting is
// closed with reason QueueFull.
func (l *Loop) Queue(id ID, p []byte) {
	c := l.table.At(id)
	if !c.live() || len(p) == 0 {
		return
	}
	if c.flags&flagBlocked == 0 {
		n := l.send(id, c, p)
		if n == len(p) || !c.live() {
			return
		}
		p = p[n:]
		l.block(id, c)
	}
	q := l.queues[id]
	if q == nil {
		q = queuePool.Get().(*[]byte)
		l.queues[id] = q
		l.stats.queued.Add(int64(cap(*q)))
	}
	if len(*q)+len(p) > l.cfg.MaxQueue {
		l.Close(id, QueueFull)
		return
	}
	before := cap(*q)
	*q = append(*q, p...)
	l.stats.queued.Add(int64(cap(*q) - before))
}

// AllQueued is how many bytes the queues of all connections take. Any goroutine.
func (l *Loop) AllQueued() int64 { return l.stats.queued.Load() }

// LongestQueue is the connection with the most bytes in its queue; ok is false if no
// connection has one. It looks at all queues.
func (l *Loop) LongestQueue() (id ID, ok bool) {
	longest := -1
	for i, q := range l.queues {
		if n := len(*q); n > longest {
			id, longest, ok = i, n, true
		}
	}
	return id, ok
}

// Queued returns the number of bytes waiting in the connection's queue.
func (l *Loop) Queued(id ID) int {
	if q := l.queues[id]; q != nil {
		return len(*q)
	}
	return 0
}

// Blocked reports whether the connection takes no bytes at present, because the
// socket is full or because it is closing.
func (l *Loop) Blocked(id ID) bool {
	c := l.table.At(id)
	return !c.live() || c.flags&flagBlocked != 0
}

// Pause stops reading from the connection until Resume. The peer's FIN is not
// noticed meanwhile; a reset is.
func (l *Loop) Pause(id ID) {
	c := l.table.At(id)
	c.flags |= flagPaused
	l.apply(id, c)
}

// Resume undoes Pause.
func (l *Loop) Resume(id ID) {
	c := l.table.At(id)
	c.flags &^= flagPaused
	l.apply(id, c)
}

// SetDeadline has Expired called once d has passed on the loop's clock, which
// goes on with its ticks, and up to Config.Sweep and a tick later. It replaces
// the deadline set before; 0 clears it.
func (l *Loop) SetDeadline(id ID, d time.Duration) {
	c := l.table.At(id)
	if d <= 0 {
		c.deadline = 0
		return
	}
	c.deadline = l.due(d)
}

// SetDeadlineAt is SetDeadline for a time of Clock, as it is: one that was there before, and
// is set again, is not put off by that.
func (l *Loop) SetDeadlineAt(id ID, at time.Duration) {
	l.table.At(id).deadline = max(1, uint32(at/clockUnit))
}

// Hasten is SetDeadline if the deadline would pass later than that, or there is none.
func (l *Loop) Hasten(id ID, d time.Duration) {
	if c, due := l.table.At(id), l.due(max(d, 0)); c.deadline == 0 || c.deadline > due {
		c.deadline = due
	}
}

// Clock is the time by which deadlines pass. It goes on with ticks, and stands still
// while the process does: what the peers sent meanwhile is to be read first.
func (l *Loop) Clock() time.Duration { return time.Duration(l.clock) * clockUnit }

// Left is how long until the deadline passes, 0 if there is none.
func (l *Loop) Left(id ID) time.Duration {
	return time.Duration(max(l.table.At(id).deadline, l.clock)-l.clock) * clockUnit
}

func (l *Loop) due(d time.Duration) uint32 { return l.clock + uint32((d+l.cfg.Tick)/clockUnit) + 1 }

// Close closes the connection at the end of the current event. Queued bytes are
// lost. The first reason given is the one reported.
func (l *Loop) Close(id ID, reason CloseReason) {
	c := l.table.At(id)
	if c.state == stateFree || c.state == stateDoomed {
		return
	}
	if c.reason == 0 {
		c.reason = reason
	}
	c.state = stateDoomed
	l.doomed = append(l.doomed, id)
	l.dropQueue(id)
}

// Abort is Close with a RST instead of a FIN. The peer is told at once that the
// connection is gone, bytes on their way in either direction are lost, and no
// TIME_WAIT keeps the port: for clients that leave by the thousand.
func (l *Loop) Abort(id ID, reason CloseReason) {
	c := l.table.At(id)
	if c.state == stateFree || c.state == stateDoomed {
		return
	}
	// If it fails the connection is closed with a FIN, which is the next best.
	_ = unix.SetsockoptLinger(int(c.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	l.Close(id, reason)
}

// Shutdown ends the connection politely: what is queued goes out, then our FIN,
// then arriving bytes are thrown away until the peer's FIN (closing with unread
// bytes would send a RST that can destroy our last bytes on their way). After
// linger it is closed in any case, for the given reason. No Handler method but
// Closed is called for it any more. One that is still connecting is closed.
func (l *Loop) Shutdown(id ID, reason CloseReason, linger time.Duration) {
	c := l.table.At(id)
	if c.state == stateConnecting {
		l.Close(id, reason)
	}
	if c.state != stateOpen {
		return
	}
	c.reason = reason
	c.state = stateFlushing
	c.flags &^= flagPaused
	l.SetDeadline(id, max(linger, clockUnit))
	if c.flags&flagBlocked == 0 {
		l.finish(id, c)
	}
	l.apply(id, c)
}

// Peer returns the peer's address, asked from the kernel: nothing is stored for
// it. The zero value means that the peer is gone.
func (l *Loop) Peer(id ID) netip.AddrPort {
	sa, err := unix.Getpeername(int(l.table.At(id).fd))
	if err != nil {
		return netip.AddrPort{}
	}
	return addrPort(sa)
}

// send offers p to the socket once and returns how many bytes it took.
func (l *Loop) send(id ID, c *conn, p []byte) int {
	n, errno := l.wire.send(c.fd, p)
	return l.took(id, n, errno)
}

// took returns how many bytes a send with this result took. One that failed closes
// the connection.
func (l *Loop) took(id ID, n int, errno unix.Errno) int {
	switch errno {
	case 0:
		return n
	case unix.EAGAIN:
		return 0
	}
	// The peer's own last words may still be readable, but no answer could
	// be sent.
	l.Close(id, reasonOf(errno))
	return 0
}

func (l *Loop) block(id ID, c *conn) {
	c.flags |= flagBlocked
	l.apply(id, c)
}

// apply brings epoll's interest in line with the connection's flags.
func (l *Loop) apply(id ID, c *conn) {
	if c.state == stateFree || c.state == stateDoomed {
		return
	}
	want := uint8(0)
	if c.flags&(flagPaused|flagPeerDone) == 0 {
		want |= flagIn
	}
	if c.flags&flagBlocked != 0 {
		want |= flagOut
	}
	if c.flags&(flagIn|flagOut) == want {
		return
	}
	c.flags = c.flags&^(flagIn|flagOut) | want
	if err := l.p.mod(int(c.fd), interest(want)); err != nil {
		l.Close(id, SocketError)
	}
}

// interest is what epoll is asked for with these flags.
func interest(flags uint8) (ev easygo.EpollEvent) {
	if flags&flagIn != 0 {
		ev |= interestIn
	}
	if flags&flagOut != 0 {
		ev |= interestOut
	}
	return ev
}

// onReadable reads once: level-triggered epoll comes back for the rest after all
// other connections had a turn.
func (l *Loop) onReadable(id ID) {
	c := l.table.At(id)
	n, errno := l.wire.recv(c.fd, l.buf)
	switch {
	case errno == unix.EAGAIN:
	case errno != 0:
		l.Close(id, reasonOf(errno))
	case n == 0:
		l.onPeerDone(id, c)
	case c.state == stateOpen:
		l.stats.bytesRecv.Add(int64(n))
		l.h.Data(id, l.buf[:n])
	}
}

// onPeerDone handles the peer's FIN. A peer that half-closes after its request
// still gets what Shutdown has queued for it.
func (l *Loop) onPeerDone(id ID, c *conn) {
	if c.state == stateFlushing && c.flags&flagBlocked != 0 {
		c.flags |= flagPeerDone
		l.apply(id, c)
		return
	}
	l.Close(id, PeerClosed)
}

// onWritable sends the queue; when it is gone the user may go on sending. For a
// dialled connection it is how connecting ends, well or not.
func (l *Loop) onWritable(id ID) {
	c := l.table.At(id)
	if q := l.queues[id]; q != nil {
		n := l.send(id, c, *q)
		if c.state == stateDoomed {
			return
		}
		if n < len(*q) {
			*q = (*q)[:copy(*q, (*q)[n:])]
			return
		}
		l.dropQueue(id)
	}
	c.flags &^= flagBlocked
	switch c.state {
	case stateConnecting:
		l.onConnected(id, c)
	case stateOpen:
		l.h.Drained(id)
	case stateFlushing:
		l.finish(id, c)
	}
	l.apply(id, c)
}

// finish sends our FIN once everything before it is out.
func (l *Loop) finish(id ID, c *conn) {
	if c.flags&flagPeerDone != 0 {
		l.Close(id, c.reason)
		return
	}
	if err := unix.Shutdown(int(c.fd), unix.SHUT_WR); err != nil {
		l.Close(id, c.reason) // the peer is gone already
		return
	}
	c.state = stateLinger
}

func (l *Loop) dropQueue(id ID) {
	q := l.queues[id]
	if q == nil {
		return
	}
	delete(l.queues, id)
	l.stats.queued.Add(-int64(cap(*q)))
	if cap(*q) <= 64<<10 {
		*q = (*q)[:0]
		queuePool.Put(q)
	}
}
