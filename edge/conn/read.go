// Reading and writing: what arrived, and what it is answered with.

package conn

import (
	"errors"
	"time"

	"barrage/internal/bounds"
)

// ErrClosed ends a read whose connection was closed by what it said.
var ErrClosed = errors.New("edge: connection closed")

// spareBytes bounds the scratch buffers that a loop keeps.
const spareBytes = 64 << 10

// Read is one reading of a connection: while its messages are handled, what they are
// answered with is collected. It is valid during Transport.Data only. Methods that
// take a *Read take nil where nothing of the connection is being read.
type Read struct {
	ID       ID
	Now      time.Duration // of Loops.Now
	Messages int           // completed so far

	loop    *Loop
	replies []byte
}

// begin is the context of reading from a connection. A loop has one: reads do not
// overlap. One that panicked left answers behind, whose connection was closed.
func (l *Loop) begin(id ID) *Read {
	r := &l.read
	r.ID, r.Now, r.Messages, r.replies = id, l.loops.Now(), 0, r.replies[:0]
	return r
}

// Message is called by the transport for each whole message.
func (l *Loop) Message(r *Read, binary bool, payload []byte) error {
	r.Messages++
	if l.traced(r.ID) {
		l.tracer.Got(r.ID, binary, payload)
	}
	return l.kinds[l.sessions.At(r.ID).kind()-1].Message(r, binary, payload)
}

// Append adds bytes of the transport to the answers.
func (r *Read) Append(frame func(dst []byte) []byte) { r.replies = frame(r.replies) }

// Flush sends the answers collected so far. nil has none.
func (r *Read) Flush() {
	if r == nil || len(r.replies) == 0 {
		return
	}
	r.loop.queue(r.ID, r.replies)
	r.replies = r.replies[:0]
	if cap(r.replies) > spareBytes {
		r.replies = nil
	}
	r.loop.throttle(r.ID)
}

// Write sends a message. In a read of the connection it goes with the other answers.
func (l *Loop) Write(r *Read, id ID, binary bool, payload []byte) {
	k := l.kind(id)
	if l.traced(id) {
		l.tracer.Gave(id, binary, payload)
	}
	if r != nil {
		r.replies = k.AppendMessage(r.replies, binary, payload)
		return
	}
	l.out = k.AppendMessage(l.out[:0], binary, payload)
	l.queue(id, l.out)
	if cap(l.out) > spareBytes {
		l.out = nil
	}
	l.throttle(id)
}

// Queued is how many bytes of answers the peer has not read, beyond what its socket
// holds.
func (l *Loop) Queued(r *Read, id ID) int {
	n := l.net.Queued(id)
	if r != nil {
		n += len(r.replies)
	}
	return n
}

// Blocked tells whether the socket is full or closing.
func (l *Loop) Blocked(id ID) bool { return l.net.Blocked(id) }

// queue sends p whole, and notes it if that filled the socket.
func (l *Loop) queue(id ID, p []byte) {
	l.net.Queue(id, p)
	if l.net.Blocked(id) {
		l.blocked(id)
		l.shed()
	}
}

// throttle reads no more from a peer that does not read our answers, until it has.
func (l *Loop) throttle(id ID) {
	ses := l.sessions.At(id)
	if ses.flags&flagThrottle == 0 && l.net.Queued(id) > bounds.ReplyQueue {
		ses.flags |= flagThrottle
		l.net.Pause(id)
	}
}

// Incomplete tells, by the transport, that a message has begun and not ended: its rest
// has a deadline, from its beginning.
func (r *Read) Incomplete() {
	r.session().flags |= flagPartial
	r.loop.net.SetDeadline(r.ID, r.loop.loops.cfg.FrameTimeout)
}

// Complete tells, by the transport, that whole frames have come and nothing of another
// one. Any of them shows that the peer lives, not only the answer to a ping.
func (r *Read) Complete() {
	if ses := r.session(); ses.flags&(flagPartial|flagPinged) != 0 {
		ses.flags &^= flagPartial
		r.loop.answered(r.ID)
	}
}

// Control counts the transport's control frames in the current second, and tells
// whether this is within the most that there may be.
func (r *Read) Control(most uint8) bool {
	ses := r.session()
	if now := uint32(r.Now/time.Second) << 8; ses.control&^0xff != now {
		ses.control = now
	}
	ses.control++
	return ses.control&0xff <= uint32(most)
}

// TakePublish takes a message of so many bytes from the connection's publish rate: as one
// message, or by its bytes if that is more. If there is not enough it returns after how
// long there will be. One word of the session is both rates' state; two of them would
// allow a little more, of messages both short and long.
func (r *Read) TakePublish(bytes int) (ok bool, wait time.Duration) {
	ses, rate := r.session(), r.loop.loops.publishRate
	if rate.Spend(&ses.tat, r.Now, r.loop.loops.publishCost(bytes)) {
		return true, 0
	}
	return false, rate.Wait(ses.tat, r.Now, 1)
}

// publishCost is the time of the publish rate that a message costs by its bytes.
func (s *Loops) publishCost(bytes int) time.Duration {
	if s.cfg.PublishBytes == 0 {
		return 0
	}
	return time.Duration(bytes) * time.Second / time.Duration(s.cfg.PublishBytes)
}

// TakePublish is Read.TakePublish for what comes without a connection: the rate is then the
// payer's, see Loop.PayerName. Any goroutine.
func (s *Loops) TakePublish(payer string, bytes int) (ok bool, wait time.Duration) {
	return s.publishes.Take(payer, s.Now(), s.publishCost(bytes))
}

// Overrun notes that something of this weight was refused, and tells whether so much
// was of late, over limit, that it is a flood.
func (r *Read) Overrun(weight, limit int) (flood bool) { return r.session().overrun(weight, limit) }

// Forgive is for something that was not refused.
func (r *Read) Forgive() { r.session().forgive() }

func (r *Read) session() *session { return r.loop.sessions.At(r.ID) }
