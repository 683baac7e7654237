// Links: from a subscriber to its memberships.

package fanout

import "barrage/internal/paged"

// link ties a subscriber to one of its memberships.
type link struct {
	sub    uint32
	stream uint32 // index in Shard.streams
	member uint32 // index in stream.members
	next   uint32 // the subscriber's next link, 0 at the end; next free one while unused
}

// linkTable holds links in pointer-free pages, and the first link of each
// subscriber. Link 0 is never used.
type linkTable struct {
	paged.Table[uint32, link]
	n      uint32
	free   uint32
	firsts paged.Table[uint32, uint32] // by subscriber
}

func (t *linkTable) alloc() uint32 {
	if t.free != 0 {
		i := t.free
		t.free = t.At(i).next
		return i
	}
	t.n++
	t.Make(t.n)
	return t.n
}

func (t *linkTable) release(i uint32) {
	*t.At(i) = link{next: t.free}
	t.free = i
}

func (t *linkTable) first(sub uint32) uint32 { return t.firsts.Get(sub) }

func (t *linkTable) setFirst(sub, l uint32) { *t.firsts.Make(sub) = l }
