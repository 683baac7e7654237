// Messages, assembled from bytes that arrive in pieces of any size.

package frame

import (
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/valyala/bytebufferpool"
)

// Limits bounds what one message may cost. They may change between messages.
type Limits struct {
	// MaxMessage is the largest message in bytes, over all its fragments;
	// 0 means 65,536. A larger one fails with CloseTooBig as soon as a header
	// announces it. It bounds a compressed message twice: what arrives (and may
	// be 0.1 % and 64 bytes more, since compression adds to some), and what it
	// inflates to.
	MaxMessage int
	// MaxFragments is the largest number of frames with less than 64 bytes in one
	// message; 0 means 1,024. One more fails with ClosePolicy: empty and tiny
	// fragments cost work and add no bytes to speak of, so MaxMessage alone would let
	// them go on for ever. It is a bound enough for larger ones.
	MaxFragments int
}

const (
	defaultMaxMessage   = 64 << 10
	defaultMaxFragments = 1024

	tinyFragment = 64 // bytes; below, a frame counts for MaxFragments
)

func (l *Limits) maxMessage() int64 {
	if l.MaxMessage > 0 {
		return int64(l.MaxMessage)
	}
	return defaultMaxMessage
}

func (l *Limits) maxFragments() int {
	if l.MaxFragments > 0 {
		return l.MaxFragments
	}
	return defaultMaxFragments
}

// Handler receives what an Assembler finds. A payload is valid only during the
// call and may be written to. An error ends Feed, which returns it as it is. A
// handler must not call the Assembler's Feed or Reset.
type Handler interface {
	// Message gets a whole message; op is Text, and payload is then valid
	// UTF-8, or Binary.
	Message(op Opcode, payload []byte) error
	// Control gets a Ping, Pong or Close with at most 125 bytes. The payload of
	// a Close has been checked; see ParseClose.
	Control(op Opcode, payload []byte) error
}

// Recycled memory only, see frameBuffers; apart from it because messages from
// clients and frames to them differ in size.
var messageBuffers classPools

// Assembler parses one direction of one connection: frames into messages. The
// zero value is ready for the server's side. It belongs to the goroutine that
// calls Feed.
type Assembler struct {
	// Client selects the client's side, which expects frames without a mask;
	// the server's side expects a mask (RFC 6455 section 5.1). Reset keeps it.
	Client bool
	// Deflate says that permessage-deflate was negotiated on the connection, so
	// its messages may be compressed. It may change while Idle, with the
	// connection that the Assembler serves; Reset keeps it.
	Deflate bool

	stopped bool // by a Close frame or an error: what follows is ignored

	// The frame being received.
	inFrame bool // its header is complete, its payload is not
	header  header
	got     int                    // bytes of payload taken
	head    [ws.MaxHeaderSize]byte // a header cut by the end of a read
	headLen uint8                  // bytes in head
	control [maxControl]byte       // the payload of a control frame cut likewise

	// The message being received, which control frames may interrupt.
	op       Opcode // Continuation: no message has begun
	deflated bool   // the message is compressed
	tiny     int    // frames of the message so far that count for MaxFragments
	text     utf8Check
	buf      *bytebufferpool.ByteBuffer // ours until delivered or Reset; nil while there are no bytes to keep
}

// Feed parses p to its end and calls h for everything that p completes. It
// unmasks p in place, and h gets slices of p where a message lies whole in it.
//
// It returns an *Error when the peer broke the protocol, or h's error. After
// an error, and after h got a Close frame (RFC 6455 section 5.5.1: no frames
// follow it), whatever is fed is ignored until Reset.
func (a *Assembler) Feed(p []byte, lim *Limits, h Handler) error {
	for len(p) > 0 && !a.stopped {
		n, err := a.step(p, lim, h)
		if err != nil {
			a.stop()
			return err
		}
		p = p[n:]
	}
	return nil
}

// Idle reports whether the Assembler holds nothing: it is at the boundary of a
// message, so the next bytes may as well go to a fresh one. It is false after
// a Close frame or an error, which a fresh one would not know of.
func (a *Assembler) Idle() bool {
	return !a.stopped && !a.inFrame && a.headLen == 0 && a.op == Continuation
}

// Held returns how many bytes of memory the message being received takes so far.
func (a *Assembler) Held() int {
	if a.buf == nil {
		return 0
	}
	return cap(a.buf.B)
}

// Reset returns all buffers and readies the Assembler for another connection.
func (a *Assembler) Reset() {
	a.release()
	*a = Assembler{Client: a.Client, Deflate: a.Deflate}
}

func (a *Assembler) stop() {
	a.stopped = true
	a.release()
}

func (a *Assembler) release() {
	if a.buf != nil {
		messageBuffers.put(a.buf)
		a.buf = nil
	}
}

// step takes at least one byte of p: a header or its beginning, and as much of
// the frame's payload as there is. It returns the number of bytes taken.
func (a *Assembler) step(p []byte, lim *Limits, h Handler) (int, error) {
	n := 0
	if !a.inFrame {
		var err error
		if n, err = a.takeHeader(p, lim); err != nil || !a.inFrame {
			return n, err
		}
	}
	chunk := p[n:]
	if left := a.header.length - int64(a.got); int64(len(chunk)) > left {
		chunk = chunk[:left]
	}
	if a.header.masked {
		ws.Cipher(chunk, a.header.mask, a.got)
	}
	a.got += len(chunk)
	n += len(chunk)
	if a.header.op.isControl() {
		return n, a.takeControl(chunk, h)
	}
	if a.deflated {
		return n, a.takeDeflated(chunk, lim, h)
	}
	return n, a.takeData(chunk, h)
}

// takeHeader parses a header from what earlier calls kept and p. It checks the
// first two bytes as soon as they are there, and sets inFrame with the last.
func (a *Assembler) takeHeader(p []byte, lim *Limits) (n int, err error) {
	b := p
	if a.headLen > 0 {
		have := int(a.headLen) + copy(a.head[a.headLen:], p)
		b = a.head[:have]
	}
	var h header
	if len(b) >= ws.MinHeaderSize {
		if h, err = parseStart(b[0], b[1], a.Deflate); err != nil {
			return 0, err
		}
		if err = a.checkStart(&h, lim); err != nil {
			return 0, err
		}
	}
	if len(b) < ws.MinHeaderSize || len(b) < h.size() {
		a.headLen += uint8(copy(a.head[a.headLen:], p))
		return len(p), nil
	}
	if err = h.parseRest(b); err != nil {
		return 0, err
	}
	n = h.size() - int(a.headLen)
	return n, a.beginFrame(&h, lim)
}

// checkStart checks a header's first two bytes against the connection's state.
func (a *Assembler) checkStart(h *header, lim *Limits) error {
	switch {
	case h.masked && a.Client:
		return protocolError("masked frame from a server")
	case !h.masked && !a.Client:
		return protocolError("frame from a client without a mask")
	case h.op.isControl():
		return nil
	case h.op == Continuation && a.op == Continuation:
		return protocolError("continuation of no message")
	case h.op != Continuation && a.op != Continuation:
		return protocolError("new message inside a fragmented one")
	case h.short < tinyFragment && a.tiny >= lim.maxFragments():
		return &Error{Code: ClosePolicy, Reason: "too many fragments"}
	}
	return nil
}

func (a *Assembler) beginFrame(h *header, lim *Limits) error {
	if !h.op.isControl() {
		if h.op != Continuation {
			a.op, a.deflated = h.op, h.deflated
		}
		most, have := lim.maxMessage(), 0
		if a.deflated {
			most = maxDeflated(most)
		}
		if a.buf != nil {
			have = len(a.buf.B)
		}
		if h.length > most-int64(have) {
			return errTooBig()
		}
		if h.length < tinyFragment {
			a.tiny++
		}
	}
	a.header, a.headLen, a.got, a.inFrame = *h, 0, 0, true
	return nil
}

// takeControl takes an unmasked piece of a control frame's payload.
func (a *Assembler) takeControl(chunk []byte, h Handler) error {
	payload := chunk
	if len(chunk) < a.got || int64(a.got) < a.header.length {
		copy(a.control[a.got-len(chunk):], chunk)
		payload = a.control[:a.got]
	}
	if int64(a.got) < a.header.length {
		return nil
	}
	a.inFrame = false
	if a.header.op == Close {
		if err := checkClose(payload); err != nil {
			return err
		}
		a.stop()
	}
	return h.Control(a.header.op, payload)
}

// takeData takes an unmasked piece of a data frame's payload.
func (a *Assembler) takeData(chunk []byte, h Handler) error {
	frameEnds := int64(a.got) == a.header.length
	a.inFrame = !frameEnds
	if frameEnds && a.header.fin && a.buf == nil {
		// No byte of the message came before: no copy is needed.
		if a.op == Text && !utf8.Valid(chunk) {
			return errNotUTF8()
		}
		return h.Message(a.endMessage(), chunk)
	}
	if a.op == Text && !a.text.feed(chunk) {
		return errNotUTF8()
	}
	if len(chunk) > 0 {
		a.buf = messageBuffers.grow(a.buf, len(chunk))
		a.buf.B = append(a.buf.B, chunk...)
	}
	if !frameEnds || !a.header.fin {
		return nil
	}
	if !a.text.complete() {
		return errNotUTF8()
	}
	buf := a.buf
	a.buf = nil
	err := h.Message(a.endMessage(), buf.B)
	messageBuffers.put(buf)
	return err
}

// endMessage readies the Assembler for the next message and returns the opcode
// of the one that ended.
func (a *Assembler) endMessage() Opcode {
	op := a.op
	a.op, a.deflated, a.tiny = Continuation, false, 0
	return op
}

func errTooBig() error {
	return &Error{Code: CloseTooBig, Reason: "message too big"}
}

func errNotUTF8() error {
	return &Error{Code: CloseInvalidPayload, Reason: "text is not UTF-8"}
}
