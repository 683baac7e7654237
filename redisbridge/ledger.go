package redisbridge

// Own messages whose publish is not settled: so that one which was delivered
// locally because its publish failed is not delivered again when Redis executed
// it after all.

import (
	"sync"
	"time"

	"barrage/edge/broker"
)

const (
	// ledgerAge is how long, at least, a failed message is remembered, counted
	// while Redis works: a freeze of any length does not make it forget.
	ledgerAge = time.Minute
	// ledgerLimit bounds each of the two generations.
	ledgerLimit = 1 << 15
)

// A ledger is used by publishers, the reader and the prober, under its mutex.
type ledger struct {
	mu sync.Mutex
	// flying holds messages whose publish has not returned.
	flying map[uint64]flight
	// young and old hold messages delivered locally after a failed publish. A
	// message is in old for as long as it takes young to fill or to age.
	young, old map[uint64]struct{}
	turned     time.Duration // when old was last dropped
}

// A flight tells whether the message itself has come back already, and where it
// had its place.
type flight struct {
	back bool
	pos  broker.Position
}

func newLedger() *ledger {
	return &ledger{flying: make(map[uint64]flight)}
}

// begin must come before the message can reach Redis.
func (l *ledger) begin(number uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flying[number] = flight{}
}

// settled ends a publish whose message, if it comes, is to be delivered.
func (l *ledger) settled(number uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.flying, number)
}

// failed ends a publish that failed. True: the message has come back all the
// same, at pos, and was delivered. False: the caller delivers it, now or never.
func (l *ledger) failed(number uint64) (pos broker.Position, back bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.flying[number]
	delete(l.flying, number)
	if f.back {
		return f.pos, true
	}
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
	if _, ok := l.flying[number]; ok {
		l.flying[number] = flight{true, pos}
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
