// Methods: who serves which, here and elsewhere.

package requests

import (
	"slices"
	"strings"
	"time"

	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/fair"
)

// method is a pattern that somebody serves, or did until lately.
type method struct {
	pattern string
	workers []*Worker         // here
	queue   *fair.Queue[*job] // of what waits for one of them
	waiting int               // in it, but for those given up meanwhile
	offers  map[*peer]*offer  // elsewhere
	since   time.Time         // nobody has served it; zero: somebody does
}

// offer is what a node says of its workers.
type offer struct {
	busy, limit int // requests there, and how many its workers take at a time
	sent        int // from here since then
}

func (x *Exchange) methodLocked(pattern string) *method {
	m := x.methods[pattern]
	if m == nil {
		m = &method{pattern: pattern, queue: fair.New[*job](bounds.RequestsWaiting, 1), offers: make(map[*peer]*offer)}
		x.methods[pattern] = m
		if strings.Contains(pattern, "*") {
			x.patterns = append(x.patterns, m)
			slices.SortFunc(x.patterns, func(a, b *method) int {
				if len(a.pattern) != len(b.pattern) {
					return len(b.pattern) - len(a.pattern)
				}
				return strings.Compare(a.pattern, b.pattern)
			})
		}
	}
	m.since = time.Time{}
	return m
}

// emptyLocked notes that nobody serves a method any more, if so.
func (m *method) emptyLocked() {
	if len(m.workers) == 0 && len(m.offers) == 0 {
		m.since = time.Now()
	}
}

func (m *method) idleFor(now time.Time) time.Duration {
	if m.since.IsZero() {
		return 0
	}
	return now.Sub(m.since)
}

func (x *Exchange) dropLocked(m *method) {
	delete(x.methods, m.pattern)
	x.patterns = slices.DeleteFunc(x.patterns, func(other *method) bool { return other == m })
}

// findLocked is the method that a name means, nil if there is none: one that nobody serves any
// more only if no other fits.
func (x *Exchange) findLocked(name string) (found *method) {
	if m := x.methods[name]; m != nil {
		if m.since.IsZero() {
			return m
		}
		found = m
	}
	for _, m := range x.patterns {
		if !broker.Match(m.pattern, name) {
			continue
		}
		if m.since.IsZero() {
			return m
		}
		if found == nil {
			found = m
		}
	}
	return found
}

// load is what the workers of this node have, and how much they take.
func (m *method) load() (busy, limit int) {
	for _, w := range m.workers {
		busy, limit = busy+w.busy(), limit+w.limit
	}
	return busy + m.waiting, limit
}

// least is the node whose workers are least busy, in proportion to what they take: nil and
// true is this one, which goes first of equals.
func (m *method) least() (at *peer, ok bool) {
	busy, limit := m.load()
	ok = len(m.workers) > 0
	for p, o := range m.offers {
		if b := o.busy + o.sent; !ok || b*limit < busy*o.limit {
			at, busy, limit, ok = p, b, o.limit, true
		}
	}
	return at, ok
}

// free is the worker that is least busy, nil if none takes more: of equals the one that was
// given nothing for longest.
func (m *method) free() (best *Worker) {
	for _, w := range m.workers {
		switch {
		case w.busy() >= w.limit:
		case best == nil:
			best = w
		default:
			if a, b := w.busy()*best.limit, best.busy()*w.limit; a < b || a == b && w.last < best.last {
				best = w
			}
		}
	}
	return best
}
