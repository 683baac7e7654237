// How messages stand in a stream of bytes.

package tcp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"barrage/fanout"
	"barrage/frame"
)

// Framing is how messages are told apart.
type Framing string

// The framings. A message of nothing is none: it only shows that the peer lives.
const (
	Lines   Framing = "lines"  // each a line, ended by LF or CR LF
	Lengths Framing = "length" // each behind its length, in four bytes, big-endian
)

// Framings are those there are.
func Framings() []Framing { return []Framing{Lines, Lengths} }

// Check tells whether it is one.
func (f Framing) Check() error {
	if !slices.Contains(Framings(), f) {
		return fmt.Errorf("tcp: framing %q is none of %v", f, Framings())
	}
	return nil
}

const lengthBytes = 4

// What breaks the rules of a framing.
var (
	errTooBig = &frame.Error{Code: frame.CloseTooBig, Reason: "message too big"}
	errNoLine = &frame.Error{Code: frame.CloseProtocol, Reason: "each line must be a JSON object"}
)

// cut finds the message that p begins with, of at most most bytes, and how many bytes it
// takes with what is around it; 0 without an error means that more are needed. Of p the
// first seen bytes were looked at before, in vain.
func (f Framing) cut(p []byte, seen, most int) (message []byte, n int, err error) {
	if f == Lengths {
		return cutLength(p, most)
	}
	return cutLine(p, seen, most)
}

// cutLine refuses lines that are no objects as soon as they begin. So a page of a browser
// can not have it speak HTTP, with commands in the body of a request.
func cutLine(p []byte, seen, most int) (message []byte, n int, err error) {
	if len(p) > 0 && bytes.IndexByte(mayBegin, p[0]) < 0 {
		return nil, 0, errNoLine
	}
	i := bytes.IndexByte(p[seen:], '\n')
	if i < 0 {
		if len(p) > most+1 || len(p) > most && p[most] != '\r' {
			return nil, 0, errTooBig
		}
		return nil, 0, nil
	}
	n = seen + i + 1
	message = bytes.TrimSuffix(p[:n-1], carriageReturn)
	if len(message) > most {
		return nil, 0, errTooBig
	}
	return message, n, nil
}

// mayBegin are the bytes that a line may begin with: of an object, and of a line's end. A byte
// order mark is none of them: some platforms write one before a text, but none before a line.
var mayBegin = []byte("{\r\n")

var carriageReturn = []byte{'\r'}

func cutLength(p []byte, most int) (message []byte, n int, err error) {
	if len(p) < lengthBytes {
		return nil, 0, nil
	}
	size := binary.BigEndian.Uint32(p)
	if uint64(size) > uint64(most) {
		return nil, 0, errTooBig
	}
	if n = lengthBytes + int(size); n > len(p) {
		return nil, 0, nil
	}
	return p[lengthBytes:n], n, nil
}

// around is what stands before and behind a message.
func (f Framing) around(payload []byte) (before [lengthBytes]byte, n int, behind []byte) {
	if f == Lengths {
		binary.BigEndian.PutUint32(before[:], uint32(len(payload)))
		return before, lengthBytes, nil
	}
	return before, 0, lineEnd
}

var lineEnd = []byte{'\n'}

func (f Framing) appendMessage(dst, payload []byte) []byte {
	before, n, behind := f.around(payload)
	return append(append(append(dst, before[:n]...), payload...), behind...)
}

// Message implements delivery.Framing. Within the JSON of messages no line ends.
func (f Framing) Message(_ bool, payload []byte) fanout.Message {
	before, n, behind := f.around(payload)
	return frame.Share(before[:n], payload, behind)
}

// Ping implements delivery.Framing.
func (f Framing) Ping() fanout.Message { return f.Message(false, []byte(ping)) }
