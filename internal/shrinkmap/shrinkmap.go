// Package shrinkmap is a map that gives memory back: Go's keeps the size of its
// fullest day, and rooms come and go by the hundred thousand.
//
// A Map is rebuilt when no more than an eighth is left of what was in it at its
// fullest since the last time. That takes one walk over what is left, for at least
// seven times as many deletions. Maps that never had 64 entries are left alone.
//
// A Map is like Go's also in this: it is not for several goroutines at once, if one
// of them changes it.
package shrinkmap

import (
	"iter"
	"maps"
)

// Map is a map from K to V. The zero value is empty and ready.
type Map[K comparable, V any] struct {
	m    map[K]V
	peak int // entries at its fullest, since m was made
}

// The rule by which a map is rebuilt.
const (
	smallest = 64 // entries: the peak below which nothing is gained
	part     = 8  // of the peak
)

// Get returns the value of k, the zero value if there is none.
func (s *Map[K, V]) Get(k K) V { return s.m[k] }

// Put sets the value of k.
func (s *Map[K, V]) Put(k K, v V) {
	if s.m == nil {
		s.m = make(map[K]V)
	}
	s.m[k] = v
	s.peak = max(s.peak, len(s.m))
}

// Delete removes k, if it is there. Not during All.
func (s *Map[K, V]) Delete(k K) {
	delete(s.m, k)
	if s.peak < smallest || len(s.m) > s.peak/part {
		return
	}
	m := make(map[K]V, len(s.m))
	maps.Copy(m, s.m)
	s.m, s.peak = m, len(m)
}

// Len returns the number of entries.
func (s *Map[K, V]) Len() int { return len(s.m) }

// All yields the entries, in no order.
func (s *Map[K, V]) All() iter.Seq2[K, V] { return maps.All(s.m) }
