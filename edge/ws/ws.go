// Package ws is WebSocket (RFC 6455) as a transport of connections: package frame says
// how bytes are frames, this one which of them are answered, and what a loop keeps of a
// message that has not ended.
//
// A loop has one [Transport] for connections with permessage-deflate and one for those
// without. A frame that arrives whole leaves nothing behind; a message that does not
// end with the bytes of a read borrows the transport's assembler until it does. All
// belongs to the loop's goroutine.
package ws

import (
	"bytes"
	"errors"

	"barrage/edge/conn"
	"barrage/fanout"
	"barrage/frame"
	"barrage/internal/bounds"
)

// Transport is one loop's WebSocket connections.
type Transport struct {
	loop    *conn.Loop
	limits  *frame.Limits
	deflate bool
	ping    []byte

	partial map[conn.ID]*frame.Assembler // of messages that have not ended
	scratch *frame.Assembler             // of the connection whose bytes are being read
	reader  reader                       // of that read
}

// New returns the transport of a loop's connections, all with or all without
// permessage-deflate.
func New(l *conn.Loop, limits *frame.Limits, deflate bool) *Transport {
	return &Transport{
		loop: l, limits: limits, deflate: deflate, ping: frame.AppendFrame(nil, frame.Ping, nil),
		partial: make(map[conn.ID]*frame.Assembler), scratch: new(frame.Assembler),
	}
}

// Data implements conn.Transport.
func (t *Transport) Data(r *conn.Read, p []byte) {
	asm := t.partial[r.ID]
	if asm == nil {
		asm = t.scratch
		if !asm.Idle() {
			asm.Reset() // a handler had panicked
		}
		asm.Deflate = t.deflate
	}
	t.reader = reader{t, r}
	err := asm.Feed(p, t.limits, &t.reader)
	r.Flush()
	if err != nil {
		asm.Reset()
		var fe *frame.Error
		if errors.As(err, &fe) {
			t.loop.Close(nil, r.ID, fe.Code, fe.Reason, reasonOf(fe.Code), 0)
		}
		return
	}
	if t.loop.IsOpen(r.ID) {
		t.keep(r, asm)
	}
}

// assemblerBytes is about what a lent assembler takes beside the bytes of its message.
const assemblerBytes = 512

// keep lends the connection the assembler, or takes it back.
func (t *Transport) keep(r *conn.Read, asm *frame.Assembler) {
	idle, lent := asm.Idle(), asm != t.scratch
	switch {
	case idle && lent:
		delete(t.partial, r.ID)
		t.loop.Holds(r.ID, 0)
	case !idle && !lent:
		t.partial[r.ID] = asm
		t.scratch = new(frame.Assembler)
	}
	switch {
	case idle:
		r.Complete()
	case !lent || r.Messages > 0: // it began in this read
		r.Incomplete()
	}
	if !idle {
		t.loop.Holds(r.ID, assemblerBytes+asm.Held())
	}
}

// AppendMessage implements conn.Transport.
func (t *Transport) AppendMessage(dst []byte, binary bool, payload []byte) []byte {
	return frame.AppendFrame(dst, opcode(binary), payload)
}

// Ping implements conn.Transport.
func (t *Transport) Ping() []byte { return t.ping }

// AppendGoodbye implements conn.Transport.
func (t *Transport) AppendGoodbye(dst []byte, code uint16, text string) []byte {
	return frame.AppendClose(dst, code, text)
}

// Forget implements conn.Transport.
func (t *Transport) Forget(id conn.ID) {
	if asm := t.partial[id]; asm != nil {
		delete(t.partial, id)
		asm.Reset()
	}
}

// Unframe implements conn.Unframer. What it inflates is bounded: of more it does not tell
// what it is.
func (t *Transport) Unframe(p []byte) (n int, message, binary bool, payload []byte) {
	n = min(frame.Size(p), len(p))
	asm, got := frame.Assembler{Client: true, Deflate: t.deflate}, unframed{}
	_ = asm.Feed(p[:n], &frame.Limits{MaxMessage: mostUnframed}, &got)
	asm.Reset()
	return n, !got.control, got.binary, got.payload
}

// mostUnframed is how many bytes of one message are read again.
const mostUnframed = 1 << 20

// unframed is what one frame was found to be.
type unframed struct {
	control, binary bool
	payload         []byte
}

func (u *unframed) Message(op frame.Opcode, payload []byte) error {
	u.binary, u.payload = op == frame.Binary, bytes.Clone(payload)
	return nil
}

func (u *unframed) Control(frame.Opcode, []byte) error {
	u.control = true
	return nil
}

func opcode(binary bool) frame.Opcode {
	if binary {
		return frame.Binary
	}
	return frame.Text
}

// reader takes what the assembler finds in one read.
type reader struct {
	*Transport
	r *conn.Read
}

// Message hands on a message.
func (x *reader) Message(op frame.Opcode, payload []byte) error {
	return x.loop.Message(x.r, op == frame.Binary, payload)
}

// Control answers pings and the close handshake.
func (x *reader) Control(op frame.Opcode, payload []byte) error {
	if op == frame.Close {
		code, _ := frame.ParseClose(payload)
		x.loop.Finish(x.r, x.r.ID, code, "", conn.Normal) // RFC 6455, 5.5.1: echo the code
		return conn.ErrClosed
	}
	if !x.r.Control(bounds.ControlFramesPerSecond) {
		x.loop.Close(x.r, x.r.ID, conn.CodePolicy, "too many control frames", conn.Flood, 0)
		return conn.ErrClosed
	}
	if op == frame.Ping {
		x.r.Append(func(dst []byte) []byte { return frame.AppendFrame(dst, frame.Pong, payload) })
	}
	return nil
}

// reasonOf is what the close code of a broken rule counts as.
func reasonOf(code uint16) conn.Reason {
	switch code {
	case frame.CloseTooBig:
		return conn.TooBig
	case frame.ClosePolicy:
		return conn.Policy
	}
	return conn.Violation
}

// Framing makes the frames that a room's members share, with what they negotiated.
type Framing struct{ Deflate frame.Deflate }

// Message returns a new reference to a message's frame.
func (f Framing) Message(binary bool, payload []byte) fanout.Message {
	switch f.Deflate {
	case frame.WholeWindow:
		return frame.EncodeDeflated(opcode(binary), payload)
	case frame.SmallWindow:
		return frame.EncodeSmallWindow(opcode(binary), payload)
	}
	return frame.Encode(opcode(binary), payload)
}

// Ping returns a new reference to a ping.
func (Framing) Ping() fanout.Message { return frame.Encode(frame.Ping, nil) }
