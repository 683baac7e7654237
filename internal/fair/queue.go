// The queue: who comes next.

package fair

import "net/netip"

// Payer is whom something is charged to. The zero Payer is the server itself.
type Payer struct {
	Address netip.Addr // of an IPv6 host its network
	Conn    uint64     // its name on this node; 0: none
}

// Class is a kind of work: an index of the weights.
type Class int

// Queue holds items of type T until it is their turn. It has no lock: its owner calls it
// from one goroutine at a time.
type Queue[T any] struct {
	classes []*flow[T]
	root    *flow[T]
	places  int
}

// New returns a queue with so many places, and as many again for those who
// have nothing waiting. While several classes have something
// waiting, each gets turns in proportion to its weight.
func New[T any](places int, weights ...int) *Queue[T] {
	q := &Queue[T]{places: places, root: new(flow[T])}
	for _, w := range weights {
		q.classes = append(q.classes, &flow[T]{parent: q.root, weight: int64(w), index: -1})
	}
	return q
}

// Ticket is a payer's account in a class, for what an item cost beyond what was said
// when it was added.
type Ticket[T any] struct{ conn *flow[T] }

// Add has an item wait, which costs at least 1. It returns false if the payer has as
// much waiting as it may.
func (q *Queue[T]) Add(c Class, p Payer, cost int64, item T) bool {
	class := q.classes[c]
	address, conn := class.find(p.Address), (*flow[T])(nil)
	free := q.places - q.root.waiting
	if address != nil {
		conn = address.find(p.Conn)
		free -= address.waiting
	}
	if conn != nil {
		free -= conn.waiting
	}
	if address == nil || address.waiting == 0 {
		free += q.places // see the package comment
	}
	if free <= 0 {
		return false
	}
	if address == nil {
		address = class.add(p.Address)
	}
	if conn == nil {
		conn = address.add(p.Conn)
	}
	conn.items = append(conn.items, queued[T]{item, cost})
	for f := conn; f != nil; f = f.parent {
		f.arrive()
	}
	return true
}

// First is the item whose turn it is; something waits.
func (q *Queue[T]) First() T {
	return q.head().items[0].item
}

// head is the connection whose turn it is; something waits.
func (q *Queue[T]) head() *flow[T] {
	f := q.root
	for f.items == nil {
		f = f.ready[0]
	}
	return f
}

// Next takes the item whose turn it is. Settle must be called with its ticket.
func (q *Queue[T]) Next() (item T, t Ticket[T], ok bool) {
	if q.root.waiting == 0 {
		return item, t, false
	}
	f := q.head()
	first := f.items[0]
	f.items[0] = queued[T]{}
	if f.items = f.items[1:]; len(f.items) == 0 {
		f.items = nil
	}
	for g := f; g != nil; g = g.parent {
		g.serve(first.cost)
	}
	return first.item, Ticket[T]{f}, true
}

// Settle charges what an item cost beyond what was said, and ends its ticket.
func (q *Queue[T]) Settle(t Ticket[T], more int64) {
	for f := t.conn; f != nil; f = f.parent {
		f.settle(more)
	}
}

// Waiting is the number of items of a class, and Len that of all.
func (q *Queue[T]) Waiting(c Class) int { return q.classes[c].waiting }

// Len is the number of items.
func (q *Queue[T]) Len() int { return q.root.waiting }
