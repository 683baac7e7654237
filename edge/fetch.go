// Work that may block, off the event loops: reading histories and checking
// tokens.

package edge

import (
	"context"
	"slices"
	"sync"
	"time"

	"barrage/internal/broker"
)

const (
	workers      = 8
	maxTasks     = 16 << 10        // waiting for a worker
	fetchTimeout = 3 * time.Second // for one task, its wait for a worker included
)

// pool runs tasks on a few goroutines. Its methods may be called from any
// goroutine.
type pool struct {
	tasks chan func()
	done  chan struct{}
	wg    sync.WaitGroup
}

func newPool() *pool {
	p := &pool{tasks: make(chan func(), maxTasks), done: make(chan struct{})}
	for range workers {
		p.wg.Go(p.work)
	}
	return p
}

func (p *pool) work() {
	for {
		select {
		case f := <-p.tasks:
			f()
		case <-p.done:
			return
		}
	}
}

// try returns false if too much is waiting already. The time that f waits for its
// turn counts: where the broker hangs, those who waited too long are told at once,
// instead of having each wait for its own timeout.
func (p *pool) try(f func(context.Context)) bool {
	until := time.Now().Add(fetchTimeout)
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

// close waits for the tasks under way; those that wait are forgotten.
func (p *pool) close() {
	close(p.done)
	p.wg.Wait()
}

// fetcher reads histories from the broker. Those who ask for the same while it
// has not been begun get one answer: after a node went down thousands come back
// with the same position. Any goroutine.
type fetcher struct {
	broker broker.Broker
	pool   *pool

	mu      sync.Mutex // guards waiting
	waiting map[fetchKey]*fetch
}

type fetchKey struct {
	room  string
	after broker.Position
	new   bool // no position: the newest
	limit int
}

type fetch struct{ answers []func(broker.Page, error) }

func newFetcher(p *pool, b broker.Broker) *fetcher {
	return &fetcher{broker: b, pool: p, waiting: make(map[fetchKey]*fetch)}
}

// get calls answer, on another goroutine, with a part of the room's history read
// after the call of get. It returns false if too much is under way.
func (f *fetcher) get(room string, q broker.Query, answer func(broker.Page, error)) bool {
	key := fetchKey{room: room, new: q.After == nil, limit: q.Limit}
	if q.After != nil {
		key.after = *q.After
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if w := f.waiting[key]; w != nil {
		w.answers = append(w.answers, answer)
		return true
	}
	if !f.pool.try(func(ctx context.Context) { f.read(ctx, key, q) }) {
		return false
	}
	f.waiting[key] = &fetch{answers: []func(broker.Page, error){answer}}
	return true
}

func (f *fetcher) read(ctx context.Context, key fetchKey, q broker.Query) {
	f.mu.Lock()
	w := f.waiting[key]
	delete(f.waiting, key) // who asks from now on may want what is newer
	f.mu.Unlock()
	page, err := readHistory(ctx, f.broker, key.room, q)
	page.Messages = slices.Clone(page.Messages)
	for i, m := range page.Messages {
		page.Messages[i] = legible(m) // here, not on the loops
	}
	for _, answer := range w.answers {
		answer(page, err)
	}
}
