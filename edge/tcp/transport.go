// What a loop keeps of messages that have not ended, and what breaks the rules.

package tcp

import (
	"errors"

	"barrage/edge/conn"
	"barrage/frame"
	"barrage/internal/bounds"
)

// ping asks whether the peer is there. Whatever whole message comes is an answer, a
// message of nothing too.
const ping = `{"push":"ping"}`

// transport is one loop's connections.
type transport struct {
	Config
	loop    *conn.Loop
	ping    []byte
	partial map[conn.ID][]byte // messages that have not ended
}

func newTransport(l *conn.Loop, cfg Config) *transport {
	return &transport{Config: cfg, loop: l, ping: cfg.Framing.appendMessage(nil, []byte(ping)), partial: make(map[conn.ID][]byte)}
}

// Data implements conn.Transport.
func (t *transport) Data(r *conn.Read, p []byte) {
	held := t.partial[r.ID]
	seen, cut := len(held), false
	if held != nil {
		p = append(held, p...)
	}
	for {
		message, n, err := t.Framing.cut(p, seen, t.MaxMessage)
		if err == nil && n > 0 {
			err = t.take(r, message)
		}
		if err != nil {
			t.end(r, err)
			return
		}
		if n == 0 {
			break
		}
		p, seen, cut = p[n:], 0, true
	}
	r.Flush()
	if t.loop.IsOpen(r.ID) {
		t.keep(r, p, held != nil, cut)
	}
}

// take hands on a message, and returns an error if that was the connection's last.
func (t *transport) take(r *conn.Read, message []byte) error {
	switch {
	case len(message) > 0:
		return t.loop.Message(r, false, message)
	case !r.Control(bounds.ControlFramesPerSecond):
		return errFlood
	}
	return nil
}

var errFlood = &frame.Error{Code: frame.ClosePolicy, Reason: "too many empty messages"}

// end closes a connection for what its peer sent, unless that has closed it already.
func (t *transport) end(r *conn.Read, err error) {
	t.Forget(r.ID)
	t.loop.Holds(r.ID, 0)
	if fe, ok := errors.AsType[*frame.Error](err); ok {
		t.loop.Close(r, r.ID, fe.Code, fe.Reason, reasonOf(fe.Code), 0)
	}
}

// reasonOf is what the close code of a broken rule counts as.
func reasonOf(code uint16) conn.Reason {
	switch code {
	case frame.CloseTooBig:
		return conn.TooBig
	case frame.ClosePolicy:
		return conn.Flood
	}
	return conn.Violation
}

// partialBytes is about what a message that has not ended takes beside its bytes.
const partialBytes = 64

// keep keeps the beginning of a message, until its rest comes. One that was kept before
// goes on in its memory.
func (t *transport) keep(r *conn.Read, rest []byte, kept, cut bool) {
	if len(rest) == 0 {
		if kept {
			delete(t.partial, r.ID)
			t.loop.Holds(r.ID, 0)
		}
		r.Complete()
		return
	}
	if !kept || cut {
		rest = append([]byte(nil), rest...)
		r.Incomplete()
	}
	t.partial[r.ID] = rest
	t.loop.Holds(r.ID, partialBytes+cap(rest))
}

// AppendMessage implements conn.Transport.
func (t *transport) AppendMessage(dst []byte, _ bool, payload []byte) []byte {
	return t.Framing.appendMessage(dst, payload)
}

// Unframe implements conn.Unframer. The server's own messages are whole, and within bounds.
func (t *transport) Unframe(p []byte) (n int, message, binary bool, payload []byte) {
	payload, n, _ = t.Framing.cut(p, 0, len(p))
	return n, string(payload) != ping, false, payload
}

// Ping implements conn.Transport.
func (t *transport) Ping() []byte { return t.ping }

// AppendGoodbye implements conn.Transport: bye has said it, and the end of the stream
// follows.
func (t *transport) AppendGoodbye(dst []byte, _ uint16, _ string) []byte { return dst }

// Forget implements conn.Transport.
func (t *transport) Forget(id conn.ID) { delete(t.partial, id) }
