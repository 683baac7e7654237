// One room's history: the newest messages of an epoch, and what History answers
// from them.

package memory

import (
	"container/list"
	"sort"
	"time"

	"barrage/internal/broker"
)

// A history belongs to its stripe's lock.
type history struct {
	room  string
	epoch string
	keep  broker.Retention

	kept    ring
	head    uint64        // offset of the newest message, which may be gone; 0: never spoke
	acked   uint64        // what was acknowledged last
	reads   uint32        // calls of History
	bytes   int64         // of kept
	main    share         // of one owner; those of others are the stripe's
	last    *share        // of the newest message; nil: unknown
	box     *box          // of a mailbox; else nil
	touched time.Duration // when the newest message came or, before there is one, it began

	number uint64        // of the newest message; 0: never spoke
	at     *list.Element // in the stripe's order
}

// messageOverhead is what a kept message takes beside its texts and payload: the
// Message and its slot in the ring.
const messageOverhead = 200

// size is what a kept message counts for. The room's name and the epoch are the
// history's own.
func size(m *broker.Message) int64 {
	s := &m.Sender
	return int64(messageOverhead + len(m.ID) + len(s.User) + len(s.Name) + len(s.Avatar) + len(s.Conn) + len(m.Kind) + len(m.Payload))
}

// position is where the history ends.
func (h *history) position() broker.Position { return broker.Position{Epoch: h.epoch, Offset: h.head} }

// page answers a query from messages that are not too old.
func (h *history) page(q broker.Query) broker.Page {
	page := broker.Page{Head: h.position()}
	from, known := 0, q.After != nil && (*q.After == broker.Position{} || q.After.Epoch == h.epoch && q.After.Offset <= h.head)
	if known {
		from = h.behind(q.After.Offset)
	}
	// After a position the oldest come first; if it is lost, the newest.
	first, to := h.cut(from, !known || q.Last, q)
	page.More = to < h.kept.n
	if first < to {
		page.Messages = make([]*broker.Message, to-first)
	}
	for i := range page.Messages {
		page.Messages[i] = h.kept.at(first + i).message
	}
	switch {
	case !known:
		page.Gap = unknown(q.After)
		return page
	case page.More:
		page.Gap = broker.Missing(h.epoch, q.After.Offset, page.Messages, 0)
	default:
		page.Gap = broker.Missing(h.epoch, q.After.Offset, page.Messages, h.head)
	}
	if page.Gap != nil && first > from {
		page.Gap.Reason = broker.GapLarge
	}
	return page
}

// behind is the index of the first message kept behind an offset.
func (h *history) behind(offset uint64) int {
	if h.box == nil { // it has no holes
		first := h.head - uint64(h.kept.n) + 1
		return int(max(first, offset+1) - first)
	}
	return sort.Search(h.kept.n, func(i int) bool { return h.kept.at(i).message.Offset > offset })
}

// cut is what a query's bounds leave of the messages from next on, the end not included:
// the newest of them or the oldest.
func (h *history) cut(next int, newest bool, q broker.Query) (from, to int) {
	from, to = next, h.kept.n
	if n := to - from; q.Limit > 0 && n > q.Limit {
		if newest {
			from = to - q.Limit
		} else {
			to = from + q.Limit
		}
	}
	if q.Bytes <= 0 || from == to {
		return from, to
	}
	left := int64(q.Bytes)
	if newest {
		i := to - 1
		for left -= h.sizeAt(i); i > from && left >= h.sizeAt(i-1); i-- {
			left -= h.sizeAt(i - 1)
		}
		return i, to
	}
	i := from + 1
	for left -= h.sizeAt(from); i < to && left >= h.sizeAt(i); i++ {
		left -= h.sizeAt(i)
	}
	return from, i
}

func (h *history) sizeAt(i int) int64 { return size(h.kept.at(i).message) }

// unknown is the gap behind a position in a history that is not there any more.
func unknown(after *broker.Position) *broker.Gap {
	if after == nil || *after == (broker.Position{}) {
		return nil
	}
	return &broker.Gap{Epoch: after.Epoch, From: after.Offset + 1, Reason: broker.GapEpoch}
}

type kept struct {
	message *broker.Message
	at      time.Duration // when it was accepted
	share   *share
}

// A ring is a queue that grows by doubling up to a bound.
type ring struct {
	slots []kept
	first int
	n     int
}

// push appends; there must be less than limit in it.
func (r *ring) push(k kept, limit int) {
	if r.n == len(r.slots) {
		slots := make([]kept, min(max(1, 2*r.n), limit))
		for i := range r.n {
			slots[i] = r.at(i)
		}
		r.slots, r.first = slots, 0
	}
	r.slots[(r.first+r.n)%len(r.slots)] = k
	r.n++
}

// pop removes the oldest. An empty ring holds no memory.
func (r *ring) pop() kept {
	k := r.slots[r.first]
	r.slots[r.first] = kept{}
	r.first = (r.first + 1) % len(r.slots)
	if r.n--; r.n == 0 {
		*r = ring{}
	}
	return k
}

// remove removes the i-th oldest.
func (r *ring) remove(i int) kept {
	k := r.at(i)
	for ; i > 0; i-- {
		r.slots[(r.first+i)%len(r.slots)] = r.at(i - 1)
	}
	r.pop()
	return k
}

// at returns the i-th oldest.
func (r *ring) at(i int) kept { return r.slots[(r.first+i)%len(r.slots)] }
