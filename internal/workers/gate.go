// The gate: answers are made a few at a time, and no faster than their rate.

package workers

import (
	"runtime"
	"sync"
	"time"

	"barrage/internal/bounds"
	"barrage/internal/fair"
)

// gate is where tasks that have read what they need wait until their answers may be made:
// that takes processors, of which the event loops need some, and bytes of the rate. Turns
// are shared out here again: a join waits for one large history, not for all that were
// read before it.
type gate struct {
	rate int64 // bytes a second; 0: no bound

	mu    sync.Mutex // guards what follows
	queue *fair.Queue[*entrant]
	free  int       // of those who may be inside
	paid  time.Time // when the answers so far are paid for, at the rate
	timer bool      // one is set for that time
	open  bool      // to all, as the pool is closed
}

// entrant is a task at the gate.
type entrant struct {
	ticket fair.Ticket[*entrant]
	in     chan struct{} // closed when it may enter
}

func newGate(rate int64, weights []int) *gate {
	return &gate{rate: rate, queue: fair.New[*entrant](bounds.Waiting, weights...), free: max(1, runtime.GOMAXPROCS(0)/2)}
}

// enter waits for a turn.
func (g *gate) enter(c fair.Class, who fair.Payer) *entrant {
	e := &entrant{in: make(chan struct{})}
	g.mu.Lock()
	g.queue.Add(c, who, TaskCost, e) // there are fewer workers than places
	g.admit()
	g.mu.Unlock()
	<-e.in
	return e
}

// leave ends a turn in which answers of so many bytes were made, own of them for the
// payer.
func (g *gate) leave(e *entrant, own, all int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queue.Settle(e.ticket, int64(own))
	if now := time.Now(); g.paid.Before(now) {
		g.paid = now
	}
	if g.rate > 0 {
		g.paid = g.paid.Add(time.Duration(float64(all) / float64(g.rate) * float64(time.Second)))
	}
	g.free++
	g.admit()
}

// admit lets in whose turn it is. It has the lock.
func (g *gate) admit() {
	for g.queue.Len() > 0 && (g.free > 0 || g.open) {
		if wait := time.Until(g.paid); wait > 0 && !g.open {
			if !g.timer {
				g.timer = true
				time.AfterFunc(wait, g.onPaid)
			}
			return
		}
		e, ticket, _ := g.queue.Next()
		e.ticket = ticket
		g.free--
		close(e.in)
	}
}

func (g *gate) onPaid() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.timer = false
	g.admit()
}

// close lets in all who wait, and who come.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = true
	g.admit()
}
