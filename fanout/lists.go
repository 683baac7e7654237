// The lists of streams that a shard keeps.

package fanout

// hotQueue is a queue of streams. The zero value is empty. It is not gammazero/deque,
// which takes twice to ten times as long and, as it shrinks with the queue, allocates
// in each burst of many rooms.
type hotQueue struct {
	q    []*stream
	head int
}

func (h *hotQueue) len() int { return len(h.q) - h.head }

func (h *hotQueue) push(st *stream) {
	if h.head > 64 && h.head > len(h.q)/2 {
		n := copy(h.q, h.q[h.head:])
		clear(h.q[n:])
		h.q, h.head = h.q[:n], 0
	}
	h.q = append(h.q, st)
}

// pop returns the first stream, nil if there is none.
func (h *hotQueue) pop() *stream {
	if h.head == len(h.q) {
		h.q, h.head = h.q[:0], 0
		return nil
	}
	st := h.q[h.head]
	h.q[h.head] = nil
	h.head++
	return st
}

// streamList is a list of streams in the order of their joining it. The zero value is
// empty.
type streamList struct{ first, last *stream }

func (l *streamList) push(st *stream) {
	st.prevHolding, st.nextHolding = l.last, nil
	if l.last != nil {
		l.last.nextHolding = st
	} else {
		l.first = st
	}
	l.last = st
}

func (l *streamList) remove(st *stream) {
	if st.prevHolding != nil {
		st.prevHolding.nextHolding = st.nextHolding
	} else {
		l.first = st.nextHolding
	}
	if st.nextHolding != nil {
		st.nextHolding.prevHolding = st.prevHolding
	} else {
		l.last = st.prevHolding
	}
	st.prevHolding, st.nextHolding = nil, nil
}
