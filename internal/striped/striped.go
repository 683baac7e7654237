// Package striped spreads keys over a fixed number of stripes, so that goroutines
// with different keys seldom wait for each other. What a stripe holds, its lock
// included, is the user's; a key is always in the same stripe.
package striped

import (
	"hash/maphash"
	"iter"
)

// N is the number of stripes.
const N = 64

// Set is N stripes of T, whose zero value must be ready for use. A Set is not to be
// copied, and made by New. Its methods may be called from any goroutine.
type Set[T any] struct {
	seed    maphash.Seed
	stripes [N]T
}

// New returns a Set of zero stripes.
func New[T any]() *Set[T] { return &Set[T]{seed: maphash.MakeSeed()} }

// Of returns the stripe of a key.
func (s *Set[T]) Of(key string) *T {
	stripe, _ := s.Hash(key)
	return stripe
}

// Hash returns the stripe of a key, and a hash of the key that is independent of
// which stripe it is: for a table in the stripe.
func (s *Set[T]) Hash(key string) (stripe *T, hash uint64) {
	h := maphash.String(s.seed, key)
	return &s.stripes[h%N], h / N
}

// All yields the stripes, always in the same order.
func (s *Set[T]) All() iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for i := range s.stripes {
			if !yield(&s.stripes[i]) {
				return
			}
		}
	}
}
