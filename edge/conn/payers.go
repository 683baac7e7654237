// Rates of payers: what a user, or an address without one, may do whatever connections it
// has, or with none.

package conn

import (
	"maps"
	"sync"
	"time"

	"barrage/internal/bounds"
)

// Payers is a rate that each payer has for itself. Any goroutine.
type Payers struct {
	rate Rate

	mu    sync.Mutex               // guards what follows
	tats  map[string]time.Duration // of rate, by payer
	swept time.Duration            // when those who owed nothing were forgotten last
}

// NewPayers returns a rate for payers, none of whom owes anything.
func NewPayers(rate Rate) *Payers {
	return &Payers{rate: rate, tats: make(map[string]time.Duration)}
}

// Take lets a payer have one that costs so much time of the rate, one's at least, or tells
// after how long it may.
func (p *Payers) Take(payer string, now, cost time.Duration) (ok bool, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now-p.swept >= time.Minute {
		p.swept = now
		maps.DeleteFunc(p.tats, func(_ string, tat time.Duration) bool { return tat <= now })
	}
	tat, known := p.tats[payer]
	switch {
	case !known && len(p.tats) >= bounds.RatePayers:
		return false, time.Minute
	case !p.rate.Spend(&tat, now, cost):
		return false, p.rate.Wait(tat, now, 1)
	}
	p.tats[payer] = tat
	return true, 0
}

// Return undoes a Take of one.
func (p *Payers) Return(payer string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if tat, ok := p.tats[payer]; ok { // else it owes nothing any more
		p.rate.Return(&tat, 1)
		p.tats[payer] = tat
	}
}

// PayerName names who pays for what a connection does, so that further connections get it
// no more: its user, or else the network that it comes from.
func (l *Loop) PayerName(id ID, user string) string {
	if user != "" {
		return "user " + user
	}
	return l.Network(id).String()
}
