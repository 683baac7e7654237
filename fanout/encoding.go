// Encodings, sets of them, and the forms of one message.

package fanout

import "math/bits"

// MaxEncodings is the most encodings a hub can have.
const MaxEncodings = 32

// Encoding is one of the forms in which a room's messages are sent, from 0 to
// Config.Encodings-1. What each stands for is the caller's to say.
type Encoding uint8

// EncodingSet is a set of encodings: bit e stands for Encoding e.
type EncodingSet uint32

func (s EncodingSet) has(e Encoding) bool { return s>>e&1 != 0 }

// below tells whether all in the set are less than n.
func (s EncodingSet) below(n int) bool { return bits.Len32(uint32(s)) <= n }

// pop takes the least encoding out of a set that is not empty.
func (s *EncodingSet) pop() Encoding {
	e := bits.TrailingZeros32(uint32(*s))
	*s &= *s - 1
	return Encoding(e)
}

// forms holds a reference to a message in each encoding that it was made in so far.
type forms struct {
	set EncodingSet
	in  [MaxEncodings]Message
}

func (f *forms) add(p Publication, set EncodingSet) {
	f.set |= set
	for set != 0 {
		e := set.pop()
		f.in[e] = p.Encode(e)
	}
}

func (f *forms) release() {
	for set := f.set; set != 0; {
		f.in[set.pop()].Release()
	}
}
