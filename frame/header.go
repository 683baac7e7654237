// Frame headers, read and checked. Checks are made in the order the bytes arrive, so
// a header cut anywhere fails exactly as it would whole.

package frame

import (
	"encoding/binary"
	"math"

	"github.com/gobwas/ws"
)

// The parts of a header's first two bytes (RFC 6455 section 5.2).
const (
	finBit  = 0x80
	rsvBits = 0x70
	rsv1Bit = 0x40 // the message is compressed (RFC 7692 section 6)
	opBits  = 0x0F
	maskBit = 0x80 // in the second byte
)

// header is a frame header. The reserved bits it has no field for are zero.
type header struct {
	op       Opcode
	fin      bool
	deflated bool // begins a compressed message
	masked   bool
	short    byte // the 7-bit length: 126 and 127 announce a longer one
	mask     [4]byte
	length   int64 // of the payload
}

// parseStart reads the two bytes that every header begins with and checks what
// they alone can violate (RFC 6455 sections 5.2 and 5.5). With deflate, RSV1 may
// be set on the first frame of a data message, and only there (RFC 7692 section
// 6.1).
func parseStart(b0, b1 byte, deflate bool) (header, error) {
	h := header{
		op:       Opcode(b0 & opBits),
		fin:      b0&finBit != 0,
		deflated: b0&rsv1Bit != 0,
		masked:   b1&maskBit != 0,
		short:    b1 &^ maskBit,
	}
	reserved := b0 & rsvBits
	if deflate && (h.op == Text || h.op == Binary) {
		reserved &^= rsv1Bit
	}
	switch {
	case reserved != 0:
		return h, protocolError("reserved bit set that has no meaning there")
	case ws.OpCode(h.op).IsReserved():
		return h, protocolError("reserved opcode")
	case !h.op.isControl():
		return h, nil
	case h.short > maxControl:
		return h, protocolError("control frame over 125 bytes")
	case !h.fin:
		return h, protocolError("fragmented control frame")
	}
	return h, nil
}

// size is the length of the whole header in bytes, known from its start.
func (h *header) size() int {
	n := ws.MinHeaderSize
	switch h.short {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if h.masked {
		n += len(h.mask)
	}
	return n
}

// Size is the length of the frame that p begins with, as its header says; more than p has
// if that is not whole.
func Size(p []byte) int {
	if len(p) < ws.MinHeaderSize {
		return len(p) + 1
	}
	h := header{short: p[1] &^ maskBit, masked: p[1]&maskBit != 0}
	if len(p) < h.size() || h.parseRest(p) != nil || h.length > math.MaxInt32 {
		return len(p) + 1
	}
	return h.size() + int(h.length)
}

// parseRest reads the length and the masking key from b, which holds at least
// the whole header. "The minimal number of bytes MUST be used to encode the
// length" and the most significant bit of 64 must be 0 (RFC 6455 section 5.2).
func (h *header) parseRest(b []byte) error {
	n := ws.MinHeaderSize
	switch h.short {
	case 126:
		h.length = int64(binary.BigEndian.Uint16(b[n:]))
		if h.length <= 125 {
			return protocolError("payload length not minimal")
		}
		n += 2
	case 127:
		h.length = int64(binary.BigEndian.Uint64(b[n:]))
		if h.length < 0 {
			return protocolError("payload length with its top bit set")
		}
		if h.length <= 0xFFFF {
			return protocolError("payload length not minimal")
		}
		n += 8
	default:
		h.length = int64(h.short)
	}
	if h.masked {
		copy(h.mask[:], b[n:])
	}
	return nil
}
