// Compressing messages (RFC 7692 section 7.2.1): once for all receivers, each message
// by itself.

package frame

import (
	"github.com/klauspost/compress/flate"
	"github.com/valyala/bytebufferpool"
)

// minDeflate is the smallest payload that is tried, in bytes. Below it lie single
// comments, which do not shrink; two or three in a batch, above it, do by 40 %.
const minDeflate = 256

// syncMarker ends what is flushed: the lengths of an empty stored block. It is
// not sent (RFC 7692 section 7.2.1).
const syncMarker = "\x00\x00\xff\xff"

// EncodeDeflated is [Encode] for connections that negotiated permessage-deflate:
// the message is compressed, unless it is too small or does not shrink. Such a
// message goes uncompressed, which the extension leaves open for each.
func EncodeDeflated(op Opcode, payload []byte) *Frame {
	if len(payload) < minDeflate || op.isControl() {
		return Encode(op, payload)
	}
	// Apart from the frame's own buffer, which should not be kept as large as
	// what is compressed may turn out.
	packed := deflate(payload)
	defer frameBuffers.put(packed)
	if len(packed.B) >= len(payload) {
		return Encode(op, payload)
	}
	return encode(finBit|rsv1Bit|byte(op), packed.B)
}

// AppendMaskedDeflated is [AppendMasked] for a message that is compressed,
// whether it shrinks or not: for tests and load generators.
func AppendMaskedDeflated(dst []byte, op Opcode, mask [4]byte, payload []byte) []byte {
	packed := deflate(payload)
	defer frameBuffers.put(packed)
	return appendMasked(dst, finBit|rsv1Bit|byte(op), mask, packed.B)
}

// deflate returns the compressed payload of a message in a buffer lent from
// frameBuffers.
func deflate(payload []byte) *bytebufferpool.ByteBuffer {
	packed := frameBuffers.get(int(maxDeflated(int64(len(payload)))))
	// The errors it returns are those of the writer, and this one has none.
	_ = flate.StatelessDeflate(packed, payload, false, nil)
	packed.B = packed.B[:len(packed.B)-len(syncMarker)]
	return packed
}

// maxDeflated is the most that n bytes can come to: what does not shrink is
// stored with 5 bytes for each block, and compressors cut blocks of 16 KiB and
// more.
func maxDeflated(n int64) int64 { return n + n>>10 + 64 }
