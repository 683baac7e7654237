//go:build !race

// Allocations, where sync.Pool keeps what it is given: under the race detector it
// drops some at random.

package frame

import (
	"errors"
	"runtime/debug"
	"testing"
)

func TestEncodeNoAlloc(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties the pools
	for _, size := range []int{0, 64, 509, 510, 4000, 64 << 10, 128<<10 - 10} {
		payload := make([]byte, size)
		if n := testing.AllocsPerRun(1000, func() {
			f := Encode(Binary, payload)
			f.Retain()
			f.Release()
			f.Release()
		}); n != 0 {
			t.Errorf("%d bytes: %v allocations", size, n)
		}
	}
}

// TestClassPoolsCalibration: after 42,000 Puts bytebufferpool calibrates. It
// must not begin to drop the large buffers of rarer messages then.
func TestClassPoolsCalibration(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var pools classPools
	cycle := func(n int) {
		b := pools.get(n)
		if len(b.B) != 0 || cap(b.B) < n {
			t.Fatalf("get(%d): len %d, cap %d", n, len(b.B), cap(b.B))
		}
		b.B = b.B[:n]
		pools.put(b)
	}
	for i := range 300_000 {
		cycle(10)
		if i%50 == 0 { // rare enough to lie above the percentile
			cycle(1 + i%1024)
		}
		if i%100 == 0 {
			cycle(maxClassSize)
		}
	}
	for _, n := range []int{1, 512, 1024, 4000, maxClassSize} {
		cycle(n) // the classes not used above
		if allocs := testing.AllocsPerRun(100, func() { cycle(n) }); allocs != 0 {
			t.Errorf("%d bytes: %v allocations after calibration", n, allocs)
		}
	}
}

func TestAssembleFragmentsNoAlloc(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var a Assembler
	var h nopHandler
	in := join(fragment(more|text, "hello"), fragment(fin|ping, "p"), fragment(fin|cont, "world"))
	buf := make([]byte, len(in))
	if n := testing.AllocsPerRun(100, func() {
		copy(buf, in)
		for i := range buf {
			if err := a.Feed(buf[i:i+1], &ruleLimits, &h); err != nil {
				t.Fatal(err)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestAssembleReturnsBuffers: a message cut off by Reset, by an error or by a
// close frame leaves its buffer to the next.
func TestAssembleReturnsBuffers(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	boom := errors.New("boom")
	for _, tc := range []struct {
		name string
		in   []byte
		fail error // of the handler
	}{
		{"reset", fragment(more|text, "hello"), nil},
		{"handler's error on a control frame", join(fragment(more|text, "hello"), fragment(fin|ping, "")), boom},
		{"handler's error on the message", join(fragment(more|text, "hello"), fragment(fin|cont, "!")), boom},
		{"close", join(fragment(more|text, "hello"), closing(1000, "")), nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var a Assembler
			h := failingHandler{tc.fail}
			buf := make([]byte, len(tc.in))
			if n := testing.AllocsPerRun(100, func() {
				copy(buf, tc.in)
				if err := a.Feed(buf, &ruleLimits, &h); err != tc.fail {
					t.Fatal(err)
				}
				a.Reset()
			}); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

type failingHandler struct{ err error }

func (h *failingHandler) Message(Opcode, []byte) error { return h.err }
func (h *failingHandler) Control(Opcode, []byte) error { return h.err }

func TestEncodeDeflatedNoAlloc(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for _, payload := range [][]byte{[]byte(chat(100)), []byte(chat(600)), []byte(chat(16 << 10)), []byte(chat(127 << 10)), []byte(noise(2000))} {
		dst := make([]byte, 0, 256<<10)
		if n := testing.AllocsPerRun(100, func() {
			EncodeDeflated(Text, payload).Release()
			EncodeSmallWindow(Text, payload).Release()
			dst = AppendMaskedDeflated(dst[:0], Text, testMask, payload)
		}); n != 0 {
			t.Errorf("%d bytes: %v allocations", len(payload), n)
		}
	}
}

func TestInflateNoAlloc(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	lim := Limits{MaxMessage: 1 << 20}
	for _, message := range []string{"", "Hello", chat(600), chat(16 << 10), chat(128 << 10), noise(2000)} {
		in := fragment(fin|rsv1|bin, packed(message))
		buf := make([]byte, len(in))
		a := deflateOn
		var h nopHandler
		if n := testing.AllocsPerRun(100, func() {
			copy(buf, in)
			if err := a.Feed(buf, &lim, &h); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%d bytes: %v allocations", len(message), n)
		}
	}
}
