// How far a compressed message refers back, read by the letter of RFC 1951: none of the
// inflaters at hand tells.

package frame

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// bitReader reads DEFLATE's bits, the least significant of a byte first.
type bitReader struct {
	b   string
	pos int // in bits
}

func (r *bitReader) bits(n int) int {
	v := 0
	for i := range n {
		if r.pos>>3 >= len(r.b) {
			panic(errors.New("ends too early"))
		}
		v |= int(r.b[r.pos>>3]>>(r.pos&7)&1) << i
		r.pos++
	}
	return v
}

// huffman is a canonical code (RFC 1951 section 3.2.2): symbols by length and value.
type huffman map[[2]int]int

func newHuffman(lengths []int) huffman {
	h, code := huffman{}, 0
	for length := 1; length <= 15; length++ {
		for symbol, l := range lengths {
			if l == length {
				h[[2]int{length, code}] = symbol
				code++
			}
		}
		code <<= 1
	}
	return h
}

func (h huffman) next(r *bitReader) int {
	for length, code := 1, 0; length <= 15; length++ {
		code = code<<1 | r.bits(1)
		if symbol, ok := h[[2]int{length, code}]; ok {
			return symbol
		}
	}
	panic(errors.New("no such code"))
}

// farthest returns the largest distance in a compressed message, how many bytes there
// are, and the most by which a distance leads before the message's first byte.
func farthest(packed string) (distance, size, before int, err error) {
	defer func() {
		if e, ok := recover().(error); ok {
			err = e
		}
	}()
	r := &bitReader{b: packed + inflateTail}
	for final := 0; final == 0; {
		final = r.bits(1)
		switch kind := r.bits(2); kind {
		case 0:
			r.pos = (r.pos + 7) &^ 7
			n := r.bits(16)
			if n^0xffff != r.bits(16) {
				return 0, 0, 0, errors.New("lengths differ")
			}
			r.pos += 8 * n
			size += n
		case 1, 2:
			literals, distances := fixedCodes()
			if kind == 2 {
				literals, distances = r.codes()
			}
			for symbol := literals.next(r); symbol != 256; symbol = literals.next(r) {
				if symbol < 256 {
					size++
					continue
				}
				length := r.length(symbol - 257)
				d := r.distance(distances.next(r))
				distance, before = max(distance, d), max(before, d-size)
				size += length
			}
		default:
			return 0, 0, 0, fmt.Errorf("block of type %d", kind)
		}
	}
	return distance, size, before, nil
}

func fixedCodes() (literals, distances huffman) {
	lengths := make([]int, 288)
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	five := make([]int, 30)
	for i := range five {
		five[i] = 5
	}
	return newHuffman(lengths), newHuffman(five)
}

// codes reads those of a block that brings its own (RFC 1951 section 3.2.7).
func (r *bitReader) codes() (literals, distances huffman) {
	nl, nd, nc := r.bits(5)+257, r.bits(5)+1, r.bits(4)+4
	lengths := make([]int, 19)
	for _, i := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[:nc] {
		lengths[i] = r.bits(3)
	}
	code, all := newHuffman(lengths), []int(nil)
	for len(all) < nl+nd {
		switch symbol := code.next(r); symbol {
		case 16:
			last := all[len(all)-1]
			for range 3 + r.bits(2) {
				all = append(all, last)
			}
		case 17:
			all = append(all, make([]int, 3+r.bits(3))...)
		case 18:
			all = append(all, make([]int, 11+r.bits(7))...)
		default:
			all = append(all, symbol)
		}
	}
	return newHuffman(all[:nl]), newHuffman(all[nl:])
}

func (r *bitReader) length(i int) int {
	switch {
	case i < 8:
		return 3 + i
	case i == 28:
		return 258
	}
	extra := i/4 - 1
	return 3 + (4+i%4)<<extra + r.bits(extra)
}

func (r *bitReader) distance(i int) int {
	if i < 4 {
		return 1 + i
	}
	extra := i/2 - 1
	return 1 + (2+i%2)<<extra + r.bits(extra)
}

// wantWithin checks that a compressed message can be inflated with a window.
func wantWithin(t testing.TB, packed string, window, size int) {
	t.Helper()
	distance, n, before, err := farthest(packed)
	if err != nil || n != size || distance > window || before > 0 {
		t.Fatalf("%d bytes back, and %d before the beginning, of %d bytes, want at most %d of %d: %v", distance, before, n, window, size, err)
	}
}

// TestFarthest: it would see a window that is kept to badly.
func TestFarthest(t *testing.T) {
	for _, tc := range []struct {
		name, packed           string
		distance, size, before int
	}{
		{"fixed codes", rfcHello, 0, 5, 0},
		{"RFC 7692 7.2.3.2, behind Hello", "\xf2\x00\x11\x00\x00", 5, 5, 4}, // H, then what is five bytes back
		{"stored", "\x00\x05\x00\xfa\xffHello\x00", 0, 5, 0},
		{"twice the same, far apart", packed("ABCDEFGH" + strings.Repeat(".", 9000) + "ABCDEFGH"), 9008, 9016, 0},
		{"further apart", packed("ABCDEFGH" + strings.Repeat(".", 31_000) + "ABCDEFGH"), 31_008, 31_016, 0},
	} {
		if d, n, b, err := farthest(tc.packed); d != tc.distance || n != tc.size || b != tc.before || err != nil {
			t.Errorf("%s: %d back, %d bytes, %d before: %v", tc.name, d, n, b, err)
		}
	}
	if d, _, _, err := farthest(string(deflatedPayload(chat(20_000)))); d <= smallWindow || err != nil {
		t.Errorf("for the whole window: %d back, %v: the tests of small ones prove little", d, err)
	}
}
