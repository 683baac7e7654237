// Compressing messages (RFC 7692 section 7.2.1): once for all receivers, each message
// by itself.

package frame

import (
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/valyala/bytebufferpool"
)

// Deflate says whether permessage-deflate was agreed on, and how far messages of the
// server may refer back.
type Deflate uint8

const (
	NoDeflate   Deflate = iota // messages are not compressed
	WholeWindow                // up to 32 KiB; see EncodeDeflated
	SmallWindow                // less; see EncodeSmallWindow
)

// smallWindow is how far, in bytes, messages refer back for those who ask for any window
// but the whole: the smallest that one may ask for here, so that one compressed message
// suits them all.
const smallWindow = 1 << smallestWindow

// smallWriters is recycled memory only, 740 KiB each. A message holds one only while it
// is compressed, and none is made before there is a peer with a small window and a
// message that is larger.
var smallWriters = sync.Pool{New: func() any {
	w, err := flate.NewWriterWindow(nil, smallWindow)
	if err != nil {
		panic(err) // the size is a constant that it takes
	}
	return w
}}

// minDeflate is the smallest payload that is tried, in bytes. Below it lie single
// comments, which do not shrink; two or three in a batch, above it, do by 40 %.
const minDeflate = 256

// syncMarker ends what is flushed: the lengths of an empty stored block. It is
// not sent (RFC 7692 section 7.2.1).
const syncMarker = "\x00\x00\xff\xff"

// EncodeDeflated is [Encode] for connections that negotiated permessage-deflate:
// the message is compressed, unless it is too small or does not shrink. Such a
// message goes uncompressed, which the extension leaves open for each.
func EncodeDeflated(op Opcode, payload []byte) *Frame { return encodeDeflated(op, payload, deflate) }

// EncodeSmallWindow is [EncodeDeflated] for connections with a small window, whatever its
// size.
func EncodeSmallWindow(op Opcode, payload []byte) *Frame {
	return encodeDeflated(op, payload, deflateSmall)
}

func encodeDeflated(op Opcode, payload []byte, deflate func([]byte) *bytebufferpool.ByteBuffer) *Frame {
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

// deflateSmall is deflate, with references of at most smallWindow bytes.
func deflateSmall(payload []byte) *bytebufferpool.ByteBuffer {
	if len(payload) <= smallWindow { // there is nothing to refer to that is further back
		return deflate(payload)
	}
	packed := frameBuffers.get(int(maxDeflated(int64(len(payload)))))
	w := smallWriters.Get().(*flate.Writer)
	w.Reset(packed)
	// Nor are there other errors here than those of the buffer, which has none.
	_, _ = w.Write(payload)
	_ = w.Flush()
	w.Reset(nil) // it must not keep the buffer
	smallWriters.Put(w)
	packed.B = packed.B[:len(packed.B)-len(syncMarker)]
	return packed
}

// maxDeflated is the most that n bytes can come to: what does not shrink is
// stored with 5 bytes for each block, and compressors cut blocks of 16 KiB and
// more.
func maxDeflated(n int64) int64 { return n + n>>10 + 64 }
