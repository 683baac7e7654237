// Epochs that joins begin. Who joins a room in which nothing has been said is given a
// position to resume from, and the broker keeps that for longer than a history: so it is
// the one thing that merely looking at rooms leaves behind.

package v1

import (
	"maps"
	"sync"
	"time"

	"barrage/edge/conn"
	"barrage/internal/bounds"
)

// epochs is what payers have begun of late: users, or for clients without one the
// network that they come from. Who has used it up joins such a room without a position.
// Any goroutine.
type epochs struct {
	rate conn.Rate

	mu    sync.Mutex               // guards what follows
	tats  map[string]time.Duration // of rate, by payer
	swept time.Duration            // when those who owed nothing were forgotten last
}

func newEpochs() *epochs {
	return &epochs{rate: conn.NewRate(bounds.EpochsPerHour/time.Hour.Seconds(), bounds.EpochsAtOnce), tats: make(map[string]time.Duration)}
}

// take lets a payer begin one, or not.
func (e *epochs) take(payer string, now time.Duration) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now-e.swept >= time.Minute {
		e.swept = now
		maps.DeleteFunc(e.tats, func(_ string, tat time.Duration) bool { return tat <= now })
	}
	tat, known := e.tats[payer]
	if !known && len(e.tats) >= bounds.EpochPayers || !e.rate.Take(&tat, now, 1) {
		return false
	}
	e.tats[payer] = tat
	return true
}

// giveBack undoes a take: there was an epoch already.
func (e *epochs) giveBack(payer string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if tat, ok := e.tats[payer]; ok { // else it owes nothing any more
		e.rate.Return(&tat, 1)
		e.tats[payer] = tat
	}
}

// payer is who pays for what a client begins.
func (p *protocol) payer(c *client) string {
	if user := c.User(); user != "" {
		return "user " + user
	}
	return p.loop.Network(c.ID).String()
}
