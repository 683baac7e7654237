// Inflating compressed messages (RFC 7692 section 7.2.2).

package frame

import (
	"bytes"
	"io"
	"sync"
	"unicode/utf8"

	"github.com/klauspost/compress/flate"
	"github.com/valyala/bytebufferpool"
)

// inflateTail makes a message's compressed data a stream with an end: what the
// sender took off, and an empty block that is the last.
const inflateTail = syncMarker + "\x01\x00\x00\xff\xff"

// Recycled memory only, about 40 KiB each. A message holds one only while it is
// inflated, so there are about as many as processors.
var inflaters = sync.Pool{New: func() any {
	z := new(inflater)
	z.stream = flate.NewReader(&z.packed).(inflateStream)
	return z
}}

// inflater inflates one message at a time.
type inflater struct {
	packed bytes.Reader // a ByteReader, so that stream takes no byte too many
	stream inflateStream
	waste  [4 << 10]byte // where output goes that is only counted
}

type inflateStream interface {
	io.Reader
	flate.Resetter
}

// takeDeflated takes an unmasked piece of a compressed message's payload. The
// message is inflated when it is whole: an incomplete one costs its connection
// what has arrived, not a window and tables.
func (a *Assembler) takeDeflated(chunk []byte, lim *Limits, h Handler) error {
	frameEnds := int64(a.got) == a.header.length
	a.inFrame = !frameEnds
	last := frameEnds && a.header.fin
	room := len(chunk)
	if last {
		room += len(inflateTail)
	}
	if room > 0 {
		a.buf = messageBuffers.grow(a.buf, room)
		a.buf.B = append(a.buf.B, chunk...)
	}
	if !last {
		return nil
	}
	a.buf.B = append(a.buf.B, inflateTail...)
	message, err := inflate(a.buf.B, lim.maxMessage())
	a.release()
	if err != nil {
		return err
	}
	defer messageBuffers.put(message)
	if a.op == Text && !utf8.Valid(message.B) {
		return errNotUTF8()
	}
	return h.Message(a.endMessage(), message.B)
}

// inflate returns what packed, which ends with inflateTail, inflates to, in a
// buffer lent from messageBuffers. It fails with CloseTooBig past most bytes.
//
// What is larger than the largest pooled buffer is inflated twice, the first
// time only to learn its size: a growing buffer would hold up to three times as
// much, and do so before it is known whether the message is one to take.
func inflate(packed []byte, most int64) (*bytebufferpool.ByteBuffer, error) {
	z := inflaters.Get().(*inflater)
	message := messageBuffers.get(int(min(most, maxClassSize)))
	n, err := z.run(packed, nil, message.B[:cap(message.B)], most)
	if err == nil && n > int64(cap(message.B)) {
		messageBuffers.put(message)
		message = messageBuffers.get(int(n))
		n, err = z.run(packed, nil, message.B[:n], most)
	}
	if err == errNotDeflate && z.refersBack(packed, most) {
		err = errKeptWindow
	}
	z.packed.Reset(nil)
	inflaters.Put(z)
	if err != nil {
		messageBuffers.put(message)
		return nil, err
	}
	message.B = message.B[:n]
	return message, nil
}

// run inflates packed behind window, writes what fits into dst, and returns how much
// there is.
func (z *inflater) run(packed, window, dst []byte, most int64) (n int64, err error) {
	z.packed.Reset(packed)
	z.begin(window)
	for {
		room := dst[min(n, int64(len(dst))):]
		if len(room) == 0 {
			room = z.waste[:]
		}
		got, err := z.stream.Read(room)
		n += int64(got)
		switch left := z.packed.Len(); {
		case n > most:
			return 0, errTooBig()
		case err == nil:
		case err != io.EOF:
			return 0, errNotDeflate
		case left == 0:
			return n, nil
		// The sender may mark a block as the last (RFC 7692 section 7.2.3.4);
		// there it should have sent an empty block in addition, but nothing is
		// missing if it did not.
		case left == len(inflateTail):
			return n, nil
		case left < len(inflateTail): // its last block ended in what we added
			return 0, errNotDeflate
		default: // section 7.2.1: more blocks may follow
			z.begin(nil)
		}
	}
}

// begin starts a stream at the next byte: each message without a window, and so what
// follows a last block (RFC 1951 section 3.2.3).
func (z *inflater) begin(window []byte) {
	_ = z.stream.Reset(&z.packed, window) // a window's bytes are copied: nothing can fail
}

// earlier stands for messages that came before. It is never written to.
var earlier [1 << wholeWindow]byte

// refersBack tells whether packed would be sound behind another message. Its sender has
// kept its window then, as some do whatever was agreed on.
func (z *inflater) refersBack(packed []byte, most int64) bool {
	_, err := z.run(packed, earlier[:], nil, most)
	return err == nil
}

// Data that is "not consistent with the type of the message" (RFC 6455 section 7.4.1).
var (
	errNotDeflate = &Error{Code: CloseInvalidPayload, Reason: "compressed message is damaged"}
	errKeptWindow = &Error{Code: CloseInvalidPayload, Reason: "compressed message refers to an earlier one, though client_no_context_takeover was agreed on"}
)
