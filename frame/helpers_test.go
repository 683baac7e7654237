// What the tests of several files share.

package frame

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

var testMask = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// event is one call of a Handler.
type event struct {
	op      Opcode
	payload string
}

func (e event) String() string {
	if len(e.payload) > 40 {
		return fmt.Sprintf("%v:%q... (%d bytes)", e.op, e.payload[:40], len(e.payload))
	}
	return fmt.Sprintf("%v:%q", e.op, e.payload)
}

// recorder is a Handler that keeps what it gets. It scribbles over each payload
// afterwards, as a handler may.
type recorder struct {
	events []event
	fail   map[int]error // by the number of the event
}

func (r *recorder) Message(op Opcode, payload []byte) error { return r.add(op, payload) }
func (r *recorder) Control(op Opcode, payload []byte) error { return r.add(op, payload) }

func (r *recorder) add(op Opcode, payload []byte) error {
	r.events = append(r.events, event{op, string(payload)})
	for i := range payload {
		payload[i] = 0xDB
	}
	return r.fail[len(r.events)-1]
}

// result is all that can be seen of a parse.
type result struct {
	events []event
	code   uint16 // of the *Error, 0 for none
}

func (r result) equal(o result) bool { return r.code == o.code && slices.Equal(r.events, o.events) }

// feed parses a copy of input, cut into pieces at the ascending offsets.
func feed(t testing.TB, a *Assembler, lim *Limits, input []byte, cuts ...int) result {
	t.Helper()
	input = slices.Clone(input)
	rec := &recorder{}
	start := 0
	for _, end := range append(slices.Clone(cuts), len(input)) {
		if err := a.Feed(input[start:end], lim, rec); err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v (%T) is not a *Error", err, err)
			}
			return result{rec.events, e.Code}
		}
		start = end
	}
	return result{rec.events, 0}
}

// everyByte cuts input into single bytes.
func everyByte(input []byte) []int {
	cuts := make([]int, 0, len(input))
	for i := 1; i < len(input); i++ {
		cuts = append(cuts, i)
	}
	return cuts
}

// fragment is a masked frame with any first byte.
func fragment(b0 byte, payload string) []byte {
	f := AppendMasked(nil, 0, testMask, []byte(payload))
	f[0] = b0
	return f
}

// raw is a masked frame of any kind, with an empty payload: b0, b1, length bytes.
func raw(b0, b1 byte, length ...byte) []byte {
	b := append([]byte{b0, b1}, length...)
	if b1&0x80 != 0 {
		b = append(b, testMask[:]...)
	}
	return b
}

func join(frames ...[]byte) []byte { return slices.Concat(frames...) }

const (
	fin  = 0x80
	more = 0x00
	rsv1 = rsv1Bit
	cont = byte(Continuation)
	text = byte(Text)
	bin  = byte(Binary)
	ping = byte(Ping)
	pong = byte(Pong)
	clos = byte(Close)
)
