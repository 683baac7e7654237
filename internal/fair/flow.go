// Flows: classes, addresses and connections, each with what of it waits.

package fair

import "container/heap"

// flow is a node of the tree. One that has nothing waiting is kept while it has been
// served beyond its share, so that going away and coming back gains nothing.
type flow[T any] struct {
	parent *flow[T] // nil: the root
	key    any      // in parent.flows; nil: a class, which is never forgotten
	weight int64

	start     int64 // virtual time of the parent at which the flow is next
	first     int64 // cost of its next item; 0: nothing waits
	waiting   int   // items in it and below
	inService int   // items that have not been settled
	index     int   // in the parent's ready or, with nothing waiting, ahead; -1: in neither

	items []queued[T] // of a connection
	now   int64       // virtual time of its flows' service
	flows map[any]*flow[T]
	ready flowHeap[T] // flows with something waiting
	ahead flowHeap[T] // those without that are remembered
}

type queued[T any] struct {
	item T
	cost int64
}

func (f *flow[T]) find(key any) *flow[T] { return f.flows[key] }

func (f *flow[T]) add(key any) *flow[T] {
	if f.flows == nil {
		f.flows = make(map[any]*flow[T])
	}
	child := &flow[T]{parent: f, key: key, weight: 1, start: f.now, index: -1}
	f.flows[key] = child
	return child
}

// costUnit is what virtual time is counted in, so that weights divide it.
const costUnit = 1 << 10

// finish is the virtual time at which its next item would have been served.
func (f *flow[T]) finish() int64 { return f.start + f.first*costUnit/f.weight }

// arrive is for a flow of which one item more waits, at the virtual time at the earliest:
// a silence earns nothing.
func (f *flow[T]) arrive() {
	f.waiting++
	if f.parent == nil {
		return
	}
	if f.waiting == 1 {
		if f.index >= 0 {
			heap.Remove(&f.parent.ahead, f.index)
		}
		f.start = max(f.start, f.parent.now)
		f.look()
		heap.Push(&f.parent.ready, f)
		return
	}
	f.look()
	heap.Fix(&f.parent.ready, f.index)
}

// look finds what its next item costs. What is below the flow is up to date.
func (f *flow[T]) look() {
	switch {
	case f.waiting == 0:
		f.first = 0
	case f.items != nil:
		f.first = f.items[0].cost
	default:
		f.first = f.ready[0].first
	}
}

// serve is for a flow of which an item's turn has come.
func (f *flow[T]) serve(cost int64) {
	f.waiting--
	f.inService++
	if f.parent == nil {
		return
	}
	heap.Remove(&f.parent.ready, f.index)
	f.start += cost * costUnit / f.weight
	f.parent.now = max(f.parent.now, f.start)
	f.look()
	if f.waiting > 0 {
		heap.Push(&f.parent.ready, f)
	} else {
		heap.Push(&f.parent.ahead, f)
	}
}

// settle is for a flow of which an item was served, and cost more than was said.
func (f *flow[T]) settle(more int64) {
	f.inService--
	f.tidy()
	if f.parent == nil {
		return
	}
	f.start += more * costUnit / f.weight
	switch {
	case f.waiting > 0:
		heap.Fix(&f.parent.ready, f.index)
	case f.index >= 0:
		heap.Fix(&f.parent.ahead, f.index)
	case f.start > f.parent.now:
		heap.Push(&f.parent.ahead, f) // remembered until the others have come as far
	default:
		f.forget()
	}
}

// tidy forgets flows below that virtual time has passed, or all of them once nothing
// waits or is in service: there is nobody then whom they could be ahead of.
func (f *flow[T]) tidy() {
	idle := f.waiting == 0 && f.inService == 0
	for len(f.ahead) > 0 && (idle || f.ahead[0].start <= f.now) {
		child := heap.Pop(&f.ahead).(*flow[T])
		f.now = max(f.now, child.start)
		child.forget()
	}
}

// forget is for a flow with nothing waiting that is not remembered.
func (f *flow[T]) forget() {
	if f.key != nil && f.inService == 0 {
		delete(f.parent.flows, f.key)
	}
}

// flowHeap has the flow first whose next item would have been served first.
type flowHeap[T any] []*flow[T]

func (h flowHeap[T]) Len() int           { return len(h) }
func (h flowHeap[T]) Less(i, j int) bool { return h[i].finish() < h[j].finish() }

func (h flowHeap[T]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *flowHeap[T]) Push(x any) {
	f := x.(*flow[T])
	f.index = len(*h)
	*h = append(*h, f)
}

func (h *flowHeap[T]) Pop() any {
	last := len(*h) - 1
	f := (*h)[last]
	(*h)[last] = nil
	*h, f.index = (*h)[:last], -1
	return f
}
