// Methods: who serves which, here and elsewhere.

package requests

import (
	"cmp"
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
			i, _ := slices.BinarySearchFunc(x.patterns, pattern, byLength)
			x.patterns = slices.Insert(x.patterns, i, m)
		}
	}
	m.since = time.Time{}
	return m
}

// byLength is the order of patterns: the longest first.
func byLength(m *method, pattern string) int {
	return cmp.Or(len(pattern)-len(m.pattern), strings.Compare(m.pattern, pattern))
}

// idle is a method, and since when nobody serves it.
type idle struct {
	*method
	since time.Time
}

// emptyLocked notes that nobody serves a method any more, if so. Of so many that is known.
func (x *Exchange) emptyLocked(m *method) {
	if len(m.workers) > 0 || len(m.offers) > 0 {
		return
	}
	m.since = time.Now()
	x.idle = append(x.idle, idle{m, m.since})
	if len(x.idle) > bounds.MethodsKnown {
		x.forgetIdleLocked()
	}
}

// forgetIdleLocked forgets the method that nobody has served for longest.
func (x *Exchange) forgetIdleLocked() {
	first := x.idle[0]
	x.idle[0] = idle{}
	x.idle = x.idle[1:]
	if x.methods[first.pattern] != first.method || !first.method.since.Equal(first.since) {
		return // it was served again
	}
	delete(x.methods, first.pattern)
	if i, ok := slices.BinarySearchFunc(x.patterns, first.pattern, byLength); ok {
		x.patterns = slices.Delete(x.patterns, i, i+1)
	}
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
