//go:build !race

// Section 9 of the Autobahn test suite with its sizes. One goroutine parses: the race
// detector finds nothing here, and takes ten times as long.

package frame

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// autobahnSegment is what TCP gives a reader at a time, about.
const autobahnSegment = 1448

// TestAutobahnLarge is section 9 but for its round trips: large messages, in one frame,
// in fragments, and cut by the client's writes.
func TestAutobahnLarge(t *testing.T) {
	const kib, mib = 1 << 10, 1 << 20
	type sizes struct{ message, fragment, write int } // 0: one frame; as TCP cuts it
	cases := map[string]sizes{}
	for i, n := range []int{64 * kib, 256 * kib, mib, 4 * mib, 8 * mib, 16 * mib} {
		cases[fmt.Sprint("9.1.", i+1)] = sizes{n, n, autobahnSegment}
	}
	for i, n := range []int{64, 256, kib, 4 * kib, 16 * kib, 64 * kib, 256 * kib, mib, 4 * mib} {
		cases[fmt.Sprint("9.3.", i+1)] = sizes{4 * mib, n, autobahnSegment}
	}
	for i, n := range []int{64, 128, 256, 512, kib, 2 * kib} {
		cases[fmt.Sprint("9.5.", i+1)] = sizes{mib, mib, n}
	}
	payload, wire := bytes.Repeat([]byte("*"), 16*mib), []byte(nil)
	for name, size := range cases {
		for _, op := range []Opcode{Text, Binary} { // 9.2, 9.4 and 9.6 are the same in binary
			t.Run(name+" "+op.String(), func(t *testing.T) {
				var a Assembler
				h := stars{}
				feed := func(b0 byte, payload []byte) {
					wire = appendMasked(wire[:0], b0, testMask, payload)
					for piece := range slices.Chunk(wire, size.write) {
						if err := a.Feed(piece, &autobahnLimits, &h); err != nil {
							t.Fatal(err)
						}
					}
				}
				if size.fragment == size.message && !strings.HasPrefix(name, "9.3") {
					feed(fin|byte(op), payload[:size.message])
				} else { // the suite ends them with an empty one
					feed(more|byte(op), payload[:size.fragment])
					for range size.message/size.fragment - 1 {
						feed(more|cont, payload[:size.fragment])
					}
					feed(fin|cont, nil)
				}
				if h != (stars{op, size.message}) {
					t.Errorf("got %+v", h)
				}
			})
		}
	}
}

// stars is a Handler for one message of that many stars.
type stars struct {
	op Opcode
	n  int
}

func (s *stars) Message(op Opcode, payload []byte) error {
	if s.op, s.n = op, bytes.Count(payload, []byte("*")); s.n != len(payload) {
		return fmt.Errorf("%d of %d bytes are stars", s.n, len(payload))
	}
	return nil
}

func (s *stars) Control(Opcode, []byte) error { return errors.New("a control frame") }
