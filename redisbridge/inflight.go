package redisbridge

// Own messages whose publish is under way or has failed: so that one which was
// delivered locally because its publish failed is not delivered again when Redis
// executed it after all.

import (
	"sync"
	"time"

	"barrage/internal/broker"
)

const (
	// failedAge is how long, at least, a failed message is remembered, counted
	// while Redis works: a freeze of any length does not make it forget.
	failedAge = time.Minute
	// failedLimit bounds each of the two generations.
	failedLimit = 1 << 15
	// numSlots is twice the publisher's batch, for those of Publish beside it.
	numSlots = 2 * batchLen
)

// inflight is used by publishers, the reader and the prober, under its mutex.
type inflight struct {
	mu sync.Mutex
	// Messages whose publish has not returned. Numbers are given in turn, so those
	// of the messages under way rarely share a slot. One that finds its slot taken
	// goes to overflow.
	slots    [numSlots]slot
	overflow map[uint64]*slot
	// young and old hold messages delivered locally after a failed publish. A
	// message is in old for as long as it takes young to fill or to age.
	young, old map[uint64]struct{}
	turned     time.Duration // when old was last dropped
}

// A slot tells whether the message itself has come back already, and at which
// position.
type slot struct {
	number uint64
	taken  bool
	back   bool
	pos    broker.Position
}

func newInflight() *inflight {
	return &inflight{overflow: make(map[uint64]*slot)}
}

// findLocked gives nil for a message that is not under way.
func (l *inflight) findLocked(number uint64) *slot {
	if f := &l.slots[number%numSlots]; f.taken && f.number == number {
		return f
	}
	return l.overflow[number]
}

func (l *inflight) forgetLocked(number uint64) {
	if f := &l.slots[number%numSlots]; f.taken && f.number == number {
		*f = slot{}
	} else {
		delete(l.overflow, number)
	}
}

// begin must come before the messages can reach Redis.
func (l *inflight) begin(batch []*outgoing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range batch {
		f := &l.slots[m.number%numSlots]
		if f.taken {
			f = new(slot)
			l.overflow[m.number] = f
		}
		f.number, f.taken = m.number, true
	}
}

// end forgets publishes that have returned. Their messages, but for those that
// have failed, are to be delivered when they come.
func (l *inflight) end(batch []*outgoing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range batch {
		l.forgetLocked(m.number)
	}
}

// failed ends a publish that failed. True: the message has come back all the
// same, at pos, and was delivered. False: the caller delivers it, now or never.
func (l *inflight) failed(number uint64) (pos broker.Position, back bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.findLocked(number); f != nil && f.back {
		return f.pos, true
	}
	l.forgetLocked(number)
	if len(l.young) >= failedLimit {
		l.turnLocked()
	}
	if l.young == nil {
		l.young = make(map[uint64]struct{})
	}
	l.young[number] = struct{}{}
	return broker.Position{}, false
}

// returned is called when an own message comes back; false: it has been
// delivered already.
func (l *inflight) returned(number uint64, pos broker.Position) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.findLocked(number); f != nil {
		f.back, f.pos = true, pos
		return true
	}
	for _, m := range []map[uint64]struct{}{l.young, l.old} {
		if _, ok := m[number]; ok {
			delete(m, number)
			return false
		}
	}
	return true
}

// age is called once in a while, working telling whether Redis works.
func (l *inflight) age(now time.Duration, working bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !working {
		l.turned = now
		return
	}
	if now-l.turned >= failedAge {
		l.turned = now
		l.turnLocked()
	}
}

func (l *inflight) turnLocked() {
	l.old, l.young = l.young, nil
}
