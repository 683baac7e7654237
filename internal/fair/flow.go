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
	waiting   int   // items in it and below
	inService int   // items that have not been settled
	index     int   // in parent.heap; -1: in none

	items []queued[T] // of a connection
	now   int64       // virtual time of its flows' service
	flows map[any]*flow[T]
	heap  flowHeap[T] // flows with something waiting, and those that are ahead of now
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

// activate puts the flow into its parent's heap, at the virtual time at the earliest: a
// silence earns nothing.
func (f *flow[T]) activate() {
	if f.parent == nil || f.waiting != 1 {
		return // else it is there
	}
	f.start = max(f.start, f.parent.now)
	if f.index >= 0 {
		heap.Fix(&f.parent.heap, f.index)
		return
	}
	heap.Push(&f.parent.heap, f)
}

// next is the flow below whose turn it is; something waits in one.
func (f *flow[T]) next() *flow[T] {
	for f.heap[0].waiting == 0 {
		heap.Pop(&f.heap).(*flow[T]).forget()
	}
	return f.heap[0]
}

// costUnit is what virtual time is counted in, so that weights divide it.
const costUnit = 1 << 10

// serve is for a flow of which an item's turn has come.
func (f *flow[T]) serve(cost int64) {
	if f.parent != nil {
		f.parent.now = f.start
	}
	f.charge(cost)
}

func (f *flow[T]) charge(cost int64) {
	if f.parent == nil {
		return
	}
	f.start += cost * costUnit / f.weight
	if f.index >= 0 {
		heap.Fix(&f.parent.heap, f.index)
	}
}

func (f *flow[T]) idle() bool { return f.waiting == 0 && f.inService == 0 }

// rest is for a flow of which an item was settled.
func (f *flow[T]) rest() {
	f.tidy()
	if f.parent == nil || !f.idle() || f.index >= 0 {
		return
	}
	if f.start > f.parent.now {
		heap.Push(&f.parent.heap, f) // it is ahead: remembered until the others are, too
		return
	}
	f.forget()
}

// tidy forgets flows below that virtual time has passed, or all of them once nothing
// waits or is in service: there is nobody then whom they could be ahead of.
func (f *flow[T]) tidy() {
	for len(f.heap) > 0 && f.heap[0].waiting == 0 && (f.idle() || f.heap[0].start <= f.now) {
		child := heap.Pop(&f.heap).(*flow[T])
		f.now = max(f.now, child.start)
		child.forget()
	}
}

// forget is for a flow with nothing waiting that is not in the heap.
func (f *flow[T]) forget() {
	if f.key != nil && f.inService == 0 {
		delete(f.parent.flows, f.key)
	}
}

type flowHeap[T any] []*flow[T]

func (h flowHeap[T]) Len() int           { return len(h) }
func (h flowHeap[T]) Less(i, j int) bool { return h[i].start < h[j].start }

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
