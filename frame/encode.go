// Messages as bytes: frames shared by many receivers, and appenders for what is sent
// to one.

package frame

import (
	"encoding/binary"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/valyala/bytebufferpool"
)

// Recycled memory only, nothing anyone reads back: what is lent out belongs to
// the Frame that holds it.
var (
	frameBuffers classPools
	framePool    = sync.Pool{New: func() any { return new(Frame) }}
)

// Frame is the encoded bytes of one unmasked frame, as a server sends it. They
// never change, so any number of goroutines may read them while they hold a
// reference.
type Frame struct {
	refs atomic.Int32
	buf  *bytebufferpool.ByteBuffer // freed by the last Release
}

// Encode encodes a final frame with a copy of payload. The caller owns the one
// reference and must Release it. Like [AppendFrame] it panics if a control
// frame's payload is too long.
func Encode(op Opcode, payload []byte) *Frame {
	checkControl(op, payload)
	return encode(finBit|byte(op), payload)
}

func encode(b0 byte, payload []byte) *Frame {
	f := framePool.Get().(*Frame)
	f.buf = frameBuffers.get(frameSize(payload, false))
	f.buf.B = append(appendHeader(f.buf.B, b0, 0, len(payload)), payload...)
	f.refs.Store(1)
	return f
}

// Share copies bytes of another framing, one part behind the other, into a Frame: they are
// sent to many as frames are. The caller owns the one reference.
func Share(parts ...[]byte) *Frame {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	f := framePool.Get().(*Frame)
	f.buf = frameBuffers.get(n)
	for _, p := range parts {
		f.buf.B = append(f.buf.B, p...)
	}
	f.refs.Store(1)
	return f
}

// Bytes returns the encoded frame. It is valid while the caller holds a
// reference and must not be written to.
func (f *Frame) Bytes() []byte { return f.buf.B }

// Retain adds a reference. The caller must hold one already.
func (f *Frame) Retain() {
	if f.refs.Add(1) <= 1 {
		panic("frame: Retain of a released Frame")
	}
}

// Release gives up a reference; the last one returns the memory to its pool.
// A Release too many panics, unless the Frame is in use again by then.
func (f *Frame) Release() {
	switch n := f.refs.Add(-1); {
	case n > 0:
		return
	case n < 0:
		panic("frame: Release of a released Frame")
	}
	buf := f.buf
	f.buf = nil
	frameBuffers.put(buf)
	framePool.Put(f)
}

// AppendFrame appends a final, unmasked frame: the server's side. A control
// frame with more than 125 bytes of payload is a mistake of the caller and
// panics.
func AppendFrame(dst []byte, op Opcode, payload []byte) []byte {
	checkControl(op, payload)
	dst = slices.Grow(dst, frameSize(payload, false))
	dst = appendHeader(dst, finBit|byte(op), 0, len(payload))
	return append(dst, payload...)
}

func checkControl(op Opcode, payload []byte) {
	if op.isControl() && len(payload) > maxControl {
		panic("frame: payload of a control frame over 125 bytes")
	}
}

// AppendMasked appends a final frame masked with mask: the client's side, for
// tests and load generators. It checks nothing, so that they can also send what
// they should not.
func AppendMasked(dst []byte, op Opcode, mask [4]byte, payload []byte) []byte {
	return appendMasked(dst, finBit|byte(op), mask, payload)
}

func appendMasked(dst []byte, b0 byte, mask [4]byte, payload []byte) []byte {
	dst = slices.Grow(dst, frameSize(payload, true))
	dst = appendHeader(dst, b0, maskBit, len(payload))
	dst = append(dst, mask[:]...)
	start := len(dst)
	dst = append(dst, payload...)
	ws.Cipher(dst[start:], mask, 0)
	return dst
}

// AppendClose appends an unmasked close frame. The reason is cut at 123 bytes,
// not inside a rune, and made valid UTF-8, since a peer must fail on anything
// else. CloseNoStatus gives an empty body, so that ParseClose and AppendClose
// together echo any valid close frame.
func AppendClose(dst []byte, code uint16, reason string) []byte {
	if code == CloseNoStatus {
		return AppendFrame(dst, Close, nil)
	}
	var body [maxControl]byte
	binary.BigEndian.PutUint16(body[:], code)
	n := 2 + copy(body[2:], cutReason(strings.ToValidUTF8(reason, "\uFFFD")))
	return AppendFrame(dst, Close, body[:n])
}

// cutReason shortens valid UTF-8 to what fits into a close frame.
func cutReason(reason string) string {
	end := maxControl - 2
	if len(reason) <= end {
		return reason
	}
	for !utf8.RuneStart(reason[end]) {
		end--
	}
	return reason[:end]
}

// frameSize is the length of the whole encoded frame.
func frameSize(payload []byte, masked bool) int {
	return ws.HeaderSize(ws.Header{Length: int64(len(payload)), Masked: masked}) + len(payload)
}

// appendHeader appends a header that begins with the byte b0, up to but not
// including the masking key (RFC 6455 section 5.2). masked is maskBit or 0.
func appendHeader(dst []byte, b0, masked byte, length int) []byte {
	dst = append(dst, b0)
	switch {
	case length <= 125:
		return append(dst, masked|byte(length))
	case length <= 0xFFFF:
		return binary.BigEndian.AppendUint16(append(dst, masked|126), uint16(length))
	default:
		return binary.BigEndian.AppendUint64(append(dst, masked|127), uint64(length))
	}
}
