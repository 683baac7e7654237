// Package workers runs what may block on a few goroutines, off the event loops. Its
// queue is bounded, and so is the time of each task, its wait for a worker included:
// where a store hangs, those who waited too long are told at once, instead of each
// waiting for a timeout of its own.
package workers

import (
	"context"
	"sync"
	"time"
)

const (
	// N is how many tasks run at a time.
	N        = 8
	maxTasks = 16 << 10 // waiting for a worker
	// Timeout is the time of one task.
	Timeout = 3 * time.Second
)

// Pool runs tasks. Its methods may be called from any goroutine.
type Pool struct {
	tasks chan func()
	done  chan struct{}
	wg    sync.WaitGroup
}

// New returns a running pool; its goroutines end with Close.
func New() *Pool {
	p := &Pool{tasks: make(chan func(), maxTasks), done: make(chan struct{})}
	for range N {
		p.wg.Go(p.work)
	}
	return p
}

func (p *Pool) work() {
	for {
		select {
		case f := <-p.tasks:
			f()
		case <-p.done:
			return
		}
	}
}

// Try has f run, or returns false if too much is waiting already.
func (p *Pool) Try(f func(context.Context)) bool {
	until := time.Now().Add(Timeout)
	select {
	case p.tasks <- func() {
		ctx, cancel := context.WithDeadline(context.Background(), until)
		defer cancel()
		f(ctx)
	}:
		return true
	default:
		return false
	}
}

// Close waits for the tasks under way; those that wait are forgotten.
func (p *Pool) Close() {
	close(p.done)
	p.wg.Wait()
}
