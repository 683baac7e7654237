// UTF-8 that arrives in pieces.

package frame

import "unicode/utf8"

// utf8Check validates a text cut anywhere, also inside a rune, and fails at the
// first byte that no continuation could make valid. The zero value is ready.
type utf8Check struct {
	tail [utf8.UTFMax - 1]byte // the incomplete rune at the end of the text so far
	n    uint8                 // bytes in tail
}

// feed reports whether the text so far, extended by p, can still become valid.
func (u *utf8Check) feed(p []byte) bool {
	if u.n > 0 {
		var r [utf8.UTFMax]byte
		have := copy(r[:], u.tail[:u.n])
		have += copy(r[have:], p)
		if !utf8.FullRune(r[:have]) { // then p was too short to complete it, and is all in r
			u.n = uint8(copy(u.tail[:], r[:have]))
			return true
		}
		c, size := utf8.DecodeRune(r[:have])
		if c == utf8.RuneError && size == 1 {
			return false
		}
		p = p[size-int(u.n):]
		u.n = 0
	}
	tail := incompleteTail(p)
	u.n = uint8(copy(u.tail[:], p[len(p)-tail:]))
	return utf8.Valid(p[:len(p)-tail])
}

// complete reports whether the text may end here.
func (u *utf8Check) complete() bool { return u.n == 0 }

// incompleteTail is the number of bytes at the end of p that begin a rune but
// do not finish it.
func incompleteTail(p []byte) int {
	for i := 1; i <= min(len(p), utf8.UTFMax-1); i++ {
		if start := len(p) - i; utf8.RuneStart(p[start]) {
			if utf8.FullRune(p[start:]) { // complete, or invalid: Valid will tell
				return 0
			}
			return i
		}
	}
	return 0
}
