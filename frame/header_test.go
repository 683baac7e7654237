// Frame headers, against gobwas/ws.

package frame

import (
	"bytes"
	"testing"

	"github.com/gobwas/ws"
)

// parseHeader puts the two halves together as takeHeader does. size is 0 when b
// is too short.
func parseHeader(b []byte) (h header, size int, err error) {
	if len(b) < ws.MinHeaderSize {
		return h, 0, nil
	}
	if h, err = parseStart(b[0], b[1], false); err != nil || len(b) < h.size() {
		return h, 0, err
	}
	return h, h.size(), h.parseRest(b)
}

// FuzzHeader compares with ws.ReadHeader and ws.CheckHeader, which accept all
// that we do, and nothing else but lengths that are not minimal.
func FuzzHeader(f *testing.F) {
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536} {
		f.Add(AppendFrame(nil, Binary, make([]byte, n))[:ws.HeaderSize(ws.Header{Length: int64(n)})])
		f.Add(AppendMasked(nil, Text, testMask, make([]byte, n))[:ws.HeaderSize(ws.Header{Length: int64(n), Masked: true})])
	}
	f.Add([]byte{0x82, 0x7e, 0, 125})
	f.Add([]byte{0x82, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{0x82, 0x7f, 0, 0, 0, 0, 0, 0, 0xff, 0xff})
	f.Add([]byte{0x09, 0x00})
	f.Add([]byte{0xc1, 0x80, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, size, err := parseHeader(b)
		if err == nil && size == 0 {
			if _, refErr := ws.ReadHeader(bytes.NewReader(b)); refErr == nil {
				t.Fatalf("%x: waits for more than a whole header", b)
			}
			return
		}
		r := bytes.NewReader(b)
		ref, refErr := ws.ReadHeader(r)
		if refErr == nil {
			// Neither side and a continuation only where one is due: the rest
			// of the checks is the Assembler's.
			state := ws.State(0)
			if ref.OpCode == ws.OpContinuation {
				state = ws.StateFragmented
			}
			refErr = ws.CheckHeader(ref, state)
		}
		if err != nil {
			minimal := refErr != nil || len(b)-r.Len() == ws.HeaderSize(ref)
			if refErr == nil && minimal {
				t.Fatalf("%x: refused (%v), but %+v is right", b, err, ref)
			}
			return
		}
		want := header{op: Opcode(ref.OpCode), fin: ref.Fin, masked: ref.Masked, short: h.short, mask: ref.Mask, length: ref.Length}
		if refErr != nil || h != want || size != len(b)-r.Len() {
			t.Fatalf("%x: got %+v of %d bytes, want %+v of %d, %v", b, h, size, want, len(b)-r.Len(), refErr)
		}
	})
}
