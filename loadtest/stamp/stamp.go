// Package stamp is the mark that a load test puts at the beginning of each
// message it publishes, and finds again in what viewers receive, wherever the
// server has put it: in JSON, behind a header of its own, or several times in
// one frame. It is printable text without characters that need escaping.
//
//	~bl RRRR TTTTTTTTTTTTTTTT SSSSSSSS LLLLLL MMMMMM   (without the spaces)
//
// R is the run, so that messages of an earlier run are not taken for this one's;
// T the time at which the message was due, in nanoseconds of the controller's
// clock; S its number in its lane, from 1; L the lane; M the room. All are
// hexadecimal with lower-case letters.
package stamp

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
)

// Len is the length of a stamp in bytes, and so the smallest message.
const Len = tokenLen + 16 + 8 + 6 + 6

const tokenLen = 3 + 4

// Stamp is what a message carries.
type Stamp struct {
	Due        int64
	Seq        uint32
	Lane, Room uint32 // below 1<<24
}

// Run marks the messages of one load test.
type Run uint16

func (r Run) appendToken(dst []byte) []byte { return fmt.Appendf(dst, "~bl%04x", uint16(r)) }

// AppendMessage appends a message of size bytes, and no less than Len, that
// begins with s. The rest is made-up words, of each message others.
func AppendMessage(dst []byte, r Run, s Stamp, size int) []byte {
	n := len(dst)
	dst = r.appendToken(dst)
	dst = fmt.Appendf(dst, "%016x%08x%06x%06x", uint64(s.Due), s.Seq, s.Lane, s.Room)
	words, from := filler(), int(s.Seq*strides[0]+s.Lane*strides[1]+s.Room*strides[2])%fillerLen
	for left := size - (len(dst) - n); left > 0; left = size - (len(dst) - n) {
		dst = append(dst, words[from:min(from+left, fillerLen)]...)
		from = 0
	}
	return dst
}

// strides spread the messages over the filler; odd ones leave nothing out.
var strides = [...]uint32{40_503, 28_657, 17_389}

// fillerLen is more than what a compressor looks back (RFC 1951: 32 KiB).
const fillerLen = 64 << 10

// filler is what messages are filled up with. Words have letters, and come again,
// about as often as in English: with a single letter, compression would look too
// good, and without words too bad.
var filler = sync.OnceValue(func() []byte {
	const letters = "eeeeeettttaaaaooooiiinnnnssshhhrrrddlluucmmwwfgypbvk"
	rnd := rand.New(rand.NewPCG(1, 2))
	var words [1000][]byte
	for i := range words {
		words[i] = []byte{' '}
		for range 2 + rnd.IntN(7) {
			words[i] = append(words[i], letters[rnd.IntN(len(letters))])
		}
	}
	var text []byte
	for len(text) < fillerLen {
		often := rnd.Float64() // the first words more than the last
		text = append(text, words[int(often*often*float64(len(words)))]...)
	}
	return text[:fillerLen]
})

// Finder finds the stamps of one run. It never changes, so any goroutine may use
// it.
type Finder struct {
	token []byte
	skip  int // bytes before the stamp, -1 to search
}

// NewFinder returns a Finder of the stamps of r. skip is the number of bytes
// before the one stamp of a message; with -1 a message is searched, and may have
// several.
func NewFinder(r Run, skip int) *Finder {
	return &Finder{token: r.appendToken(nil), skip: skip}
}

// Next returns the first stamp in p and what follows it. ok is false if there is
// none.
func (f *Finder) Next(p []byte) (s Stamp, rest []byte, ok bool) {
	if f.skip >= 0 {
		if len(p)-f.skip < Len || !bytes.HasPrefix(p[f.skip:], f.token) {
			return Stamp{}, nil, false
		}
		s, ok = parse(p[f.skip+tokenLen:])
		return s, nil, ok
	}
	for {
		i := bytes.Index(p, f.token)
		if i < 0 || len(p)-i < Len {
			return Stamp{}, nil, false
		}
		p = p[i+tokenLen:]
		if s, ok = parse(p); ok {
			return s, p[Len-tokenLen:], true
		}
	}
}

// parse reads what follows the token, which is long enough.
func parse(p []byte) (s Stamp, ok bool) {
	var bad byte
	hex := func(n int) (v uint64) {
		for _, c := range p[:n] {
			d := values[c]
			bad |= d
			v = v<<4 | uint64(d&15)
		}
		p = p[n:]
		return v
	}
	s.Due = int64(hex(16))
	s.Seq = uint32(hex(8))
	s.Lane = uint32(hex(6))
	s.Room = uint32(hex(6))
	return s, bad < 16
}

// values gives hexadecimal digits their values, and all other bytes one of 16 or
// more. (encoding/hex takes capitals, and twice as long with a look for them.)
var values = func() (t [256]byte) {
	for c := range t {
		t[c] = 0x80
		if i := strings.IndexByte("0123456789abcdef", byte(c)); i >= 0 {
			t[c] = byte(i)
		}
	}
	return t
}()
