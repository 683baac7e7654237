// UTF-8 that arrives in pieces, against the standard library.

package frame

import (
	"testing"
	"unicode/utf8"
)

// utf8Prefix is the oracle: can p be continued to valid UTF-8, and is it
// complete?
func utf8Prefix(p []byte) (ok, complete bool) {
	for len(p) > 0 {
		if !utf8.FullRune(p) {
			return true, false
		}
		r, size := utf8.DecodeRune(p)
		if r == utf8.RuneError && size == 1 {
			return false, false
		}
		p = p[size:]
	}
	return true, true
}

// checkUTF8 feeds p in all splits into three and byte by byte.
func checkUTF8(t *testing.T, p []byte) {
	t.Helper()
	wantOK, wantComplete := utf8Prefix(p)
	for i := range len(p) + 1 {
		for j := i; j <= len(p); j++ {
			var u utf8Check
			ok := u.feed(p[:i]) && u.feed(p[i:j]) && u.feed(p[j:])
			if ok != wantOK || ok && u.complete() != wantComplete {
				t.Fatalf("%x cut at %d and %d: ok %v complete %v, want %v %v", p, i, j, ok, u.complete(), wantOK, wantComplete)
			}
		}
	}
	var u utf8Check
	for i := range p {
		ok := u.feed(p[i : i+1])
		if want, _ := utf8Prefix(p[:i+1]); ok != want {
			t.Fatalf("%x byte by byte: at %d ok %v, want %v", p, i, ok, want)
		} else if !ok {
			return // failed at the first byte that cannot be right
		}
	}
}

// TestUTF8Exhaustive takes every string of up to four bytes from the values on
// either side of every boundary in the definition (RFC 3629 section 4).
func TestUTF8Exhaustive(t *testing.T) {
	edges := []byte{0x00, 'a', 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf,
		0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff}
	var extend func(p []byte)
	extend = func(p []byte) {
		checkUTF8(t, p)
		if len(p) == 3 || testing.Short() && len(p) == 2 {
			return
		}
		for _, b := range edges {
			extend(append(p, b))
		}
	}
	extend(nil)
	for _, b := range edges { // four bytes: only behind the starts of long runes
		for _, c := range edges {
			for _, d := range edges {
				checkUTF8(t, []byte{0xf0, b, c, d})
				checkUTF8(t, []byte{0xf4, b, c, d})
			}
		}
	}
}

func FuzzUTF8(f *testing.F) {
	for _, s := range []string{"", "hello", "\u03ba\u1f79\u03c3\u03bc\u03b5", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\U0010ffff", "\xf0\x90\x80"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if len(p) > 40 {
			p = p[:40]
		}
		checkUTF8(t, p)
	})
}
