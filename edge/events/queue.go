// An outlet's queue: a ring that grows with what waits in it.

package events

import "time"

// A queued event waits in an outlet.
type queued struct {
	Event
	number   uint64 // for its id
	emitted  time.Time
	size     int
	reserved bool // newer ones do not push it out
}

// keepRing is the longest ring worth keeping when it is empty.
const keepRing = 256

type queue struct {
	ring  []queued
	head  int
	len   int
	bytes int
}

func (q *queue) push(ev queued) {
	if q.len == len(q.ring) {
		ring := make([]queued, max(16, 2*q.len))
		n := copy(ring, q.ring[q.head:])
		copy(ring[n:], q.ring[:q.head])
		q.ring, q.head = ring, 0
	}
	q.ring[(q.head+q.len)%len(q.ring)] = ev
	q.len++
	q.bytes += ev.size
}

// front is the oldest event; the queue is not empty.
func (q *queue) front() *queued { return &q.ring[q.head] }

// pop removes the oldest event; the queue is not empty.
func (q *queue) pop() queued {
	ev := q.ring[q.head]
	q.ring[q.head] = queued{}
	q.head = (q.head + 1) % len(q.ring)
	q.len--
	q.bytes -= ev.size
	if q.len == 0 && len(q.ring) > keepRing {
		q.ring, q.head = nil, 0 // an outage's; the next one can afford its own
	}
	return ev
}
