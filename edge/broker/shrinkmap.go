// A map that gives memory back: Go's keeps the size of its fullest day, and
// rooms come and go by the hundred thousand.

package broker

// shrinkMap is a map that is rebuilt when it has become much smaller than it was.
type shrinkMap[K comparable, V any] struct {
	m    map[K]V
	peak int
}

func (s *shrinkMap[K, V]) len() int  { return len(s.m) }
func (s *shrinkMap[K, V]) get(k K) V { return s.m[k] }

func (s *shrinkMap[K, V]) put(k K, v V) {
	if s.m == nil {
		s.m = make(map[K]V)
	}
	s.m[k] = v
	s.peak = max(s.peak, len(s.m))
}

func (s *shrinkMap[K, V]) del(k K) {
	delete(s.m, k)
	if s.peak < 64 || len(s.m) > s.peak/8 {
		return
	}
	m := make(map[K]V, len(s.m))
	for k, v := range s.m {
		m[k] = v
	}
	s.m, s.peak = m, len(m)
}
