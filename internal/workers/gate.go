// The gate: answers are made a few at a time, and no faster than their rate.

package workers

import (
	"runtime"
	"sync"
	"time"

	"barrage/internal/bounds"
	"barrage/internal/fair"
)

// SmallAnswer is how many bytes one may have that does not wait for the rate.
const SmallAnswer = 16 << 10

// gate is where answers wait that have all they need to be made: that takes processors, of
// which the event loops need some, and bytes of the rate. Turns are shared out here again:
// a join waits for no large history of others that was read before it.
type gate struct {
	rate int64 // bytes a second; 0: no bound
	wg   sync.WaitGroup

	mu    sync.Mutex // guards what follows
	queue *fair.Queue[*entrant]
	held  int       // bytes, about, of what is reserved, waits or is being made
	free  int       // of those that may be made at a time
	paid  time.Time // when the answers so far are paid for, at the rate
	timer bool      // one is set for that time
	open  bool      // to all, as the pool is closed
}

// entrant is an answer at the gate.
type entrant struct {
	size int // about
	make func() (own, all int)
}

func (e *entrant) cost() int64 { return int64(max(e.size, TaskCost)) }

func newGate(rate int64, weights []int) *gate {
	return &gate{rate: rate, queue: fair.New[*entrant](bounds.Waiting, weights...), free: max(1, runtime.GOMAXPROCS(0)/2)}
}

// enter has an answer made when it is its turn, or returns false if too much waits.
func (g *gate) enter(c fair.Class, who fair.Payer, e *entrant) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e.size > SmallAnswer && g.held+e.size > bounds.AnswersWaiting && !g.open || !g.queue.Add(c, who, e.cost(), e) {
		return false
	}
	g.held += e.size
	g.admit()
	return true
}

func (g *gate) reserve(bytes int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held+bytes > bounds.AnswersWaiting && !g.open {
		return false
	}
	g.held += bytes
	return true
}

func (g *gate) giveBack(bytes int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held -= bytes
}

// admit lets in whose turn it is. It has the lock.
func (g *gate) admit() {
	for g.queue.Len() > 0 && (g.free > 0 || g.open) {
		if wait := time.Until(g.paid); wait > 0 && !g.open && g.queue.First().size > SmallAnswer {
			if !g.timer {
				g.timer = true
				time.AfterFunc(wait, g.onPaid)
			}
			return
		}
		e, ticket, _ := g.queue.Next()
		g.free--
		g.wg.Go(func() {
			own, all := e.make()
			g.leave(e, ticket, own, all)
		})
	}
}

// leave is for an answer that was made.
func (g *gate) leave(e *entrant, ticket fair.Ticket[*entrant], own, all int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queue.Settle(ticket, int64(own)-e.cost())
	if now := time.Now(); g.paid.Before(now) {
		g.paid = now
	}
	if g.rate > 0 {
		g.paid = g.paid.Add(time.Duration(float64(all) / float64(g.rate) * float64(time.Second)))
	}
	g.held -= e.size
	g.free++
	g.admit()
}

func (g *gate) onPaid() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.timer = false
	g.admit()
}

// close lets in all that wait, and that come, and waits for them.
func (g *gate) close() {
	g.mu.Lock()
	g.open = true
	g.admit()
	g.mu.Unlock()
	g.wg.Wait()
}
