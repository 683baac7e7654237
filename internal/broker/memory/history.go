// One room's history: the newest messages of an epoch, and what History answers
// from them.

package memory

import (
	"container/list"
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
	first := h.head - uint64(h.kept.n) + 1 // the oldest kept, or the next one
	next := first
	switch {
	case q.After == nil:
	case *q.After == broker.Position{}: // before everything: this epoch from its beginning
		page.Gap = h.trimmed(0, first)
	case q.After.Epoch != h.epoch || q.After.Offset > h.head:
		page.Gap = unknown(q.After)
	default:
		page.Gap = h.trimmed(q.After.Offset, first)
		next = max(first, q.After.Offset+1)
	}
	// After a position the oldest come first; if it is lost, the newest.
	newest := q.After == nil || q.Last || page.Gap != nil && page.Gap.Reason == broker.GapEpoch
	from, to := h.cut(first, next, newest, q)
	page.More = to <= h.head
	if q.Last && q.After != nil && from > next && (page.Gap == nil || page.Gap.Reason == broker.GapTrimmed) {
		page.Gap = &broker.Gap{Epoch: h.epoch, From: q.After.Offset + 1, To: from - 1, Reason: broker.GapLarge}
	}
	if from < to {
		page.Messages = make([]*broker.Message, to-from)
	}
	for i := range page.Messages {
		page.Messages[i] = h.kept.at(int(from-first) + i).message
	}
	return page
}

// cut is what a query's bounds leave of the messages from next on, the end not included:
// the newest of them or the oldest. first is the oldest kept.
func (h *history) cut(first, next uint64, newest bool, q broker.Query) (from, to uint64) {
	from, to = next, h.head+1
	if n := to - from; q.Limit > 0 && n > uint64(q.Limit) {
		if newest {
			from = to - uint64(q.Limit)
		} else {
			to = from + uint64(q.Limit)
		}
	}
	if q.Bytes <= 0 || from == to {
		return from, to
	}
	sizeAt := func(offset uint64) int64 { return size(h.kept.at(int(offset - first)).message) }
	left := int64(q.Bytes)
	if newest {
		i := to - 1
		for left -= sizeAt(i); i > from && left >= sizeAt(i-1); i-- {
			left -= sizeAt(i - 1)
		}
		return i, to
	}
	i := from + 1
	for left -= sizeAt(from); i < to && left >= sizeAt(i); i++ {
		left -= sizeAt(i)
	}
	return from, i
}

// trimmed is the gap between what was seen last and the first message kept.
func (h *history) trimmed(after, first uint64) *broker.Gap {
	if after+1 >= first {
		return nil
	}
	return &broker.Gap{Epoch: h.epoch, From: after + 1, To: first - 1, Reason: broker.GapTrimmed}
}

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

// at returns the i-th oldest.
func (r *ring) at(i int) kept { return r.slots[(r.first+i)%len(r.slots)] }
