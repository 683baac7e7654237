// A map that gives memory back: Go's keeps the size of its fullest day, and
// rooms come and go by the hundred thousand.

package fanout

// shrinkMap is a map by room name that is rebuilt when it has become much
// smaller than it was.
type shrinkMap[V any] struct {
	m    map[string]V
	peak int
}

func (s *shrinkMap[V]) get(k string) V { return s.m[k] }

func (s *shrinkMap[V]) put(k string, v V) {
	if s.m == nil {
		s.m = make(map[string]V)
	}
	s.m[k] = v
	s.peak = max(s.peak, len(s.m))
}

func (s *shrinkMap[V]) del(k string) {
	delete(s.m, k)
	if s.peak < 64 || len(s.m) > s.peak/8 {
		return
	}
	m := make(map[string]V, len(s.m))
	for k, v := range s.m {
		m[k] = v
	}
	s.m, s.peak = m, len(m)
}
