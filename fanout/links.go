// Links: from a subscriber to its memberships.

package fanout

// link ties a subscriber to one of its memberships.
type link struct {
	sub    uint32
	stream uint32 // index in Shard.streams
	member uint32 // index in stream.members
	next   uint32 // the subscriber's next link, 0 at the end; next free one while unused
}

const linkPage = 512

// linkTable holds links in pointer-free pages, and the first link of each
// subscriber. Link 0 is never used.
type linkTable struct {
	pages  []*[linkPage]link
	n      uint32
	free   uint32
	firsts []*[linkPage]uint32 // by subscriber
}

func (t *linkTable) at(i uint32) *link { return &t.pages[i/linkPage][i%linkPage] }

func (t *linkTable) alloc() uint32 {
	if t.free != 0 {
		i := t.free
		t.free = t.at(i).next
		return i
	}
	t.n++
	if int(t.n/linkPage) >= len(t.pages) {
		t.pages = append(t.pages, new([linkPage]link))
	}
	return t.n
}

func (t *linkTable) release(i uint32) {
	*t.at(i) = link{next: t.free}
	t.free = i
}

func (t *linkTable) first(sub uint32) uint32 {
	if p := sub / linkPage; int(p) < len(t.firsts) {
		return t.firsts[p][sub%linkPage]
	}
	return 0
}

func (t *linkTable) setFirst(sub, l uint32) {
	for int(sub/linkPage) >= len(t.firsts) {
		t.firsts = append(t.firsts, new([linkPage]uint32))
	}
	t.firsts[sub/linkPage][sub%linkPage] = l
}
