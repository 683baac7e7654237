// What waits in all outlets together.

package events

import "sync/atomic"

// memory is that of events that wait, or have a reservation. No outlet has more of it than
// it leaves free to the others: one room that is loud, and with it its outlet, cannot take
// all, and those that are loud have equal shares. Any goroutine.
type memory struct {
	max  int64
	used atomic.Int64
}

// take takes so many bytes for an outlet that has own already, unless that is too much.
func (m *memory) take(own, size int) bool {
	for {
		used := m.used.Load()
		if after := used + int64(size); int64(own+size) > m.max-after {
			return false
		} else if m.used.CompareAndSwap(used, after) {
			return true
		}
	}
}

// add takes so many bytes, or gives them back, whatever is there.
func (m *memory) add(size int) { m.used.Add(int64(size)) }
