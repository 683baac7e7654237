// What operators see of workers.

package requests

import (
	"cmp"
	"slices"
)

// Serving is a worker of this node, and what it has to do.
type Serving struct {
	Who
	Methods []string // patterns
	Limit   int
	Busy    int // requests that it has, given up ones included
}

// Offered is what another node's workers serve, as that has said lately.
type Offered struct {
	Node, Method string
	Busy, Limit  int // of all its workers that serve it
}

// List returns this node's workers, at most limit of them, the busiest first, how many there
// are, and what others' serve.
func (x *Exchange) List(limit int) (here []Serving, total int, elsewhere []Offered) {
	x.do(func() {
		total = len(x.workers)
		for w := range x.workers {
			s := Serving{Who: w.who, Limit: w.limit, Busy: w.busy()}
			for _, m := range w.methods {
				s.Methods = append(s.Methods, m.pattern)
			}
			here = append(here, s)
		}
		for _, m := range x.methods {
			for p, o := range m.offers {
				elsewhere = append(elsewhere, Offered{p.node, m.pattern, o.busy, o.limit})
			}
		}
	})
	slices.SortFunc(here, func(a, b Serving) int { return cmp.Or(b.Busy-a.Busy, cmp.Compare(a.Conn, b.Conn)) })
	slices.SortFunc(elsewhere, func(a, b Offered) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Method, b.Method))
	})
	return here[:min(limit, len(here))], total, elsewhere
}
