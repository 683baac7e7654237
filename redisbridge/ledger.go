package redisbridge

// Own messages whose publish is not settled: so that one which was delivered
// locally because its publish failed is not delivered again when Redis executed
// it after all.

import (
	"sync"
	"time"

	"barrage/internal/broker"
)

const (
	// ledgerAge is how long, at least, a failed message is remembered, counted
	// while Redis works: a freeze of any length does not make it forget.
	ledgerAge = time.Minute
	// ledgerLimit bounds each of the two generations.
	ledgerLimit = 1 << 15
	// flights is twice the publisher's batch, for those of Publish beside it.
	flights = 2 * batchLen
)

// A ledger is used by publishers, the reader and the prober, under its mutex.
type ledger struct {
	mu sync.Mutex
	// Messages whose publish has not returned. Numbers are given in turn, so those
	// of the messages under way rarely meet in flying: it is a table with one place
	// for each number. One that finds its place taken goes to crowd.
	flying [flights]flight
	crowd  map[uint64]*flight
	// young and old hold messages delivered locally after a failed publish. A
	// message is in old for as long as it takes young to fill or to age.
	young, old map[uint64]struct{}
	turned     time.Duration // when old was last dropped
}

// A flight tells whether the message itself has come back already, and where it
// had its place.
type flight struct {
	number uint64
	taken  bool
	back   bool
	pos    broker.Position
}

func newLedger() *ledger {
	return &ledger{crowd: make(map[uint64]*flight)}
}

// findLocked gives nil for a message that is not under way.
func (l *ledger) findLocked(number uint64) *flight {
	if f := &l.flying[number%flights]; f.taken && f.number == number {
		return f
	}
	return l.crowd[number]
}

func (l *ledger) forgetLocked(number uint64) {
	if f := &l.flying[number%flights]; f.taken && f.number == number {
		*f = flight{}
	} else {
		delete(l.crowd, number)
	}
}

// begin must come before the messages can reach Redis.
func (l *ledger) begin(batch []*outgoing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range batch {
		f := &l.flying[m.number%flights]
		if f.taken {
			f = new(flight)
			l.crowd[m.number] = f
		}
		f.number, f.taken = m.number, true
	}
}

// end forgets publishes that have returned. Their messages, but for those that
// have failed, are to be delivered when they come.
func (l *ledger) end(batch []*outgoing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range batch {
		l.forgetLocked(m.number)
	}
}

// failed ends a publish that failed. True: the message has come back all the
// same, at pos, and was delivered. False: the caller delivers it, now or never.
func (l *ledger) failed(number uint64) (pos broker.Position, back bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.findLocked(number); f != nil && f.back {
		return f.pos, true
	}
	l.forgetLocked(number)
	if len(l.young) >= ledgerLimit {
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
func (l *ledger) returned(number uint64, pos broker.Position) bool {
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
func (l *ledger) age(now time.Duration, working bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !working {
		l.turned = now
		return
	}
	if now-l.turned >= ledgerAge {
		l.turned = now
		l.turnLocked()
	}
}

func (l *ledger) turnLocked() {
	l.old, l.young = l.young, nil
}
