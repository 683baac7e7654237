// Package workers runs what may block on a few goroutines, off the event loops. Whose
// turn it is, and who may wait, is shared out fairly (package fair), by the kind of work,
// by address and by connection; so are the bytes that the answers may have in a second,
// which a task enters the pool's gate to make.
// The time of each task is bounded, its wait for a worker included: where a store hangs,
// those who waited too long are told at once, instead of each waiting for a timeout of
// its own.
package workers

import (
	"context"
	"sync"
	"time"

	"barrage/internal/bounds"
	"barrage/internal/fair"
)

// TaskCost is what any task costs, in bytes of an answer.
const TaskCost = 4 << 10

// Task does some work and returns how many bytes its answer has, about, which it has had
// made (Make). Its context ends with its time.
type Task func(context.Context) (bytes int)

// Pool runs tasks. Its methods may be called from any goroutine.
type Pool struct {
	gate *gate
	wg   sync.WaitGroup

	mu     sync.Mutex // guards what follows
	more   sync.Cond  // a task was added, or the pool closed
	tasks  *fair.Queue[func() int]
	closed bool
}

// New returns a running pool of n goroutines, which end with Close. While tasks of
// several classes wait, each gets turns in proportion to its weight; answers have rate
// bytes a second, 0 being no bound.
func New(n int, rate int64, weights ...int) *Pool {
	p := &Pool{gate: newGate(rate, weights), tasks: fair.New[func() int](bounds.Waiting, weights...)}
	p.more.L = &p.mu
	for range n {
		p.wg.Go(p.work)
	}
	return p
}

// Try has a task run for a payer, or returns false if too much is waiting already.
func (p *Pool) Try(c fair.Class, who fair.Payer, f Task) bool {
	return p.TryFor(bounds.Patience, c, who, f)
}

// TryFor is Try for a task that has another time than bounds.Patience.
func (p *Pool) TryFor(timeout time.Duration, c fair.Class, who fair.Payer, f Task) bool {
	until := time.Now().Add(timeout)
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.tasks.Add(c, who, TaskCost, func() int {
		ctx, cancel := context.WithDeadline(context.Background(), until)
		defer cancel()
		return f(ctx)
	}) {
		return false
	}
	p.more.Signal()
	return true
}

// Make has the answer of a task, of about so many bytes, made when it is its turn at the
// gate: f is called on a goroutine of the pool's and returns how many bytes the answer
// has to the payer, and to all who share it. It returns false if too much waits for that.
func (p *Pool) Make(c fair.Class, who fair.Payer, size int, f func() (own, all int)) bool {
	return p.gate.enter(c, who, &entrant{size, f})
}

// Reserve keeps a place for so many bytes of an answer that is about to be read, or returns
// false if too much waits. Who has it gives it back before Make.
func (p *Pool) Reserve(bytes int) bool { return p.gate.reserve(bytes) }

// Return gives back what was reserved.
func (p *Pool) Return(bytes int) { p.gate.giveBack(bytes) }

func (p *Pool) work() {
	for {
		task, ticket, ok := p.next()
		if !ok {
			return
		}
		bytes := task()
		p.mu.Lock()
		p.tasks.Settle(ticket, int64(bytes))
		p.mu.Unlock()
	}
}

// next waits for a task. False: the pool is closed.
func (p *Pool) next() (task func() int, ticket fair.Ticket[func() int], ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.closed && p.tasks.Len() == 0 {
		p.more.Wait()
	}
	if p.closed {
		return nil, ticket, false
	}
	return p.tasks.Next()
}

// Waiting is how many tasks of a class wait.
func (p *Pool) Waiting(c fair.Class) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tasks.Waiting(c)
}

// Close waits for the tasks under way; those that wait are forgotten.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	p.more.Broadcast()
	p.mu.Unlock()
	p.wg.Wait()
	p.gate.close()
}
