// The lists of rooms that a shard keeps.

package fanout

// hotQueue is a queue of rooms. The zero value is empty.
type hotQueue struct {
	q    []*room
	head int
}

func (h *hotQueue) len() int { return len(h.q) - h.head }

func (h *hotQueue) push(r *room) {
	if h.head > 64 && h.head > len(h.q)/2 {
		n := copy(h.q, h.q[h.head:])
		clear(h.q[n:])
		h.q, h.head = h.q[:n], 0
	}
	h.q = append(h.q, r)
}

// pop returns the first room, nil if there is none.
func (h *hotQueue) pop() *room {
	if h.head == len(h.q) {
		h.q, h.head = h.q[:0], 0
		return nil
	}
	r := h.q[h.head]
	h.q[h.head] = nil
	h.head++
	return r
}

// roomList is a list of rooms in the order of their joining it. The zero value is
// empty.
type roomList struct{ first, last *room }

func (l *roomList) push(r *room) {
	r.prevHolding, r.nextHolding = l.last, nil
	if l.last != nil {
		l.last.nextHolding = r
	} else {
		l.first = r
	}
	l.last = r
}

func (l *roomList) remove(r *room) {
	if r.prevHolding != nil {
		r.prevHolding.nextHolding = r.nextHolding
	} else {
		l.first = r.nextHolding
	}
	if r.nextHolding != nil {
		r.nextHolding.prevHolding = r.prevHolding
	} else {
		l.last = r.prevHolding
	}
	r.prevHolding, r.nextHolding = nil, nil
}
