// A lane: a queue, and the goroutine that sends what is in it.

package events

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

type lane struct {
	// Fixed by newLane.
	cfg      *Config
	ctx      context.Context
	instance string // begins the ids of this emitter's events
	numbers  *atomic.Uint64
	log      *limitedLog
	wake     chan struct{} // holds one: a batch began or became full

	// The lane's goroutine only.
	closing  <-chan struct{} // Close was called; nil once that is seen
	failures int             // in a row

	mu         sync.Mutex // guards what follows; nothing is called under it
	queue      queue
	places     int           // that are reserved
	placeBytes int           // of all of them
	freed      chan struct{} // closed when less is waiting; nil: nobody needs to know
	closed     bool
	ended      bool      // the goroutine has had its last look at queue
	under      int       // events taken out of queue and not settled
	underSince time.Time // when the oldest of them was emitted
	emitted    uint64
	delivered  uint64
	retried    uint64
	dropped    [NumDropReasons]uint64
}

func newLane(e *Emitter, instance string, log *limitedLog) *lane {
	return &lane{
		cfg: &e.cfg, ctx: e.ctx, instance: instance, numbers: &e.numbers, log: log,
		wake: make(chan struct{}, 1), closing: e.closing,
	}
}

func (l *lane) put(ev queued) {
	if l.enqueue(ev) {
		l.signal()
	}
}

// occupy puts ev into a place that reserve has kept.
func (l *lane) occupy(ev queued, size int) {
	ev.kept = true
	l.mu.Lock()
	l.places--
	l.placeBytes -= size
	l.emitted++
	if l.ended {
		l.dropped[DropClosed]++
	} else {
		l.pushLocked(ev)
	}
	l.mu.Unlock()
	l.signal()
}

func (l *lane) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// enqueue tells whether the lane's goroutine must know.
func (l *lane) enqueue(ev queued) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.emitted++
	switch {
	case l.closed:
		l.dropped[DropClosed]++
		return false
	case ev.size > l.cfg.QueueBytes:
		l.dropped[DropTooBig]++
		return false
	}
	for l.overLocked(ev.size) {
		l.dropped[DropOverflow]++
		if l.queue.len == 0 || l.queue.front().kept {
			return false
		}
		l.queue.pop()
	}
	l.pushLocked(ev)
	return l.queue.len == 1 || l.fullLocked()
}

// reserve keeps a place of so many bytes. If there is none, freed is closed when
// there may be one.
func (l *lane) reserve(size int) (freed <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return nil, ErrClosed
	case l.queue.len+l.places > 0 && l.overLocked(size):
		if l.freed == nil {
			l.freed = make(chan struct{})
		}
		return l.freed, nil
	}
	l.places++
	l.placeBytes += size
	return nil, nil
}

// overLocked tells whether one more event is too many.
func (l *lane) overLocked(size int) bool {
	return l.queue.len+l.places >= l.cfg.QueueLen || l.queue.bytes+l.placeBytes+size > l.cfg.QueueBytes
}

func (l *lane) pushLocked(ev queued) {
	ev.number = l.numbers.Add(1)
	l.queue.push(ev)
}

func (l *lane) freedLocked() {
	if l.freed != nil {
		close(l.freed)
		l.freed = nil
	}
}

// fullLocked tells whether a batch is waiting that cannot grow.
func (l *lane) fullLocked() bool {
	return l.queue.len >= l.cfg.BatchLen || l.queue.bytes >= l.cfg.BatchBytes
}

// close refuses what comes later and has no place, so that the goroutine's last look
// at the queue is the last one needed.
func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.freedLocked()
}

// end tells whether nothing comes any more, or it is too late for it.
func (l *lane) end() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = l.places == 0 || l.ctx.Err() != nil
	return l.ended
}

func (l *lane) run() {
	for {
		batch, wait := l.take()
		if len(batch) > 0 {
			l.deliverAll(l.encode(batch))
			continue
		}
		if l.closing == nil && l.end() {
			return
		}
		l.wait(wait)
	}
}

// idle is take's answer for an empty queue.
const idle time.Duration = -1

// take returns the next batch, or how long until there is one.
func (l *lane) take() ([]queued, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.queue.len == 0 {
		return nil, idle
	}
	// Its age and not the time since the last look counts, so that a backlog
	// does not linger.
	since := l.queue.front().emitted
	if wait := l.cfg.Linger - time.Since(since); wait > 0 && !l.fullLocked() && l.closing != nil {
		return nil, wait
	}
	var batch []queued
	for bytes := 0; l.queue.len > 0 && len(batch) < l.cfg.BatchLen; {
		bytes += l.queue.front().size
		if len(batch) > 0 && bytes > l.cfg.BatchBytes {
			break
		}
		batch = append(batch, l.queue.pop())
	}
	l.under, l.underSince = len(batch), since
	l.freedLocked()
	return batch, 0
}

// wait returns when a batch may be due, or Close was called or has waited enough.
func (l *lane) wait(d time.Duration) {
	var due <-chan time.Time
	if d != idle {
		timer := time.NewTimer(d)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-l.wake:
	case <-due:
	case <-l.closing:
		l.closing = nil
	case <-l.ctx.Done():
	}
}

func (l *lane) encode(batch []queued) []Record {
	records := make([]Record, 0, len(batch))
	for i := range batch {
		ev := &batch[i]
		if ev.ID == "" {
			ev.ID = l.instance + "-" + strconv.FormatUint(ev.number, 10)
		}
		text, err := ev.MarshalJSON()
		if err != nil {
			l.log.warn("an event has no JSON form; dropped", "id", ev.ID, "type", ev.Type, "err", err)
			l.mu.Lock()
			l.under--
			l.dropped[DropInvalid]++
			l.mu.Unlock()
			continue
		}
		records = append(records, Record{ev.ID, ev.Type, ev.Room, text, ev.emitted})
	}
	return records
}

// deliverAll splits what was taken by its length as JSON, which was not known
// before.
func (l *lane) deliverAll(records []Record) {
	for len(records) > 0 {
		n, bytes := 0, 0
		for n < len(records) {
			bytes += len(records[n].JSON)
			if n > 0 && bytes > l.cfg.BatchBytes {
				break
			}
			n++
		}
		l.deliver(records[:n], records[n:])
		records = records[n:]
	}
}

// deliver returns when every event of batch is delivered or dropped; rest is what
// follows.
func (l *lane) deliver(batch, rest []Record) {
	for again := false; ; again = true {
		batch = l.expire(batch, rest)
		if len(batch) == 0 {
			return
		}
		if l.ctx.Err() != nil {
			l.drop(DropClosed, batch, rest)
			return
		}
		if again {
			l.countRetry()
		}
		err := l.cfg.Sink.Send(l.ctx, batch)
		if err == nil {
			l.failures = 0
			l.settle(&l.delivered, batch, rest)
			return
		}
		if l.ctx.Err() != nil {
			continue // dropped above
		}
		var failure *Failure
		errors.As(err, &failure)
		if failure != nil && failure.Permanent {
			l.failures = 0
			l.log.warn("events were refused; dropped", "events", len(batch), "first", batch[0].ID, "err", err)
			l.drop(DropRefused, batch, rest)
			return
		}
		l.log.warn("events cannot be delivered; trying again", "events", len(batch), "waiting", l.waiting(), "err", err)
		l.backOff(failure)
	}
}

func (l *lane) countRetry() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retried++
}

func (l *lane) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queue.len
}

// expire drops the events that are too old and returns the others. Within a lane
// events are in the order of their age, but for those of two goroutines that emit
// at the same moment.
func (l *lane) expire(batch, rest []Record) []Record {
	n := 0
	for n < len(batch) && time.Since(batch[n].emitted) >= l.cfg.MaxAge {
		n++
	}
	if n > 0 {
		old := batch[:n]
		batch = batch[n:]
		next := batch
		if len(next) == 0 {
			next = rest
		}
		l.drop(DropExpired, old, next)
	}
	return batch
}

func (l *lane) drop(reason DropReason, batch, next []Record) {
	l.settle(&l.dropped[reason], batch, next)
}

// settle counts batch, which is under way, under one of the lane's counters; next
// is what is under way behind it.
func (l *lane) settle(counter *uint64, batch, next []Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*counter += uint64(len(batch))
	l.under -= len(batch)
	if len(next) > 0 {
		l.underSince = next[0].emitted
	}
}

// backOff waits until the next attempt, and not longer than until Close is called.
func (l *lane) backOff(failure *Failure) {
	d := rand.N(backoffCeiling(l.failures, l.cfg.BackoffMin, l.cfg.BackoffMax) + 1)
	if failure != nil {
		d = max(d, min(failure.After, l.cfg.MaxRetryAfter))
	}
	l.failures++
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.closing:
		l.closing = nil
		l.failures = 0
	case <-l.ctx.Done():
	}
}

// backoffCeiling is the longest wait after so many failures before this one: full
// jitter picks any time up to it, so that nodes which failed together do not
// return together.
func backoffCeiling(failures int, lo, hi time.Duration) time.Duration {
	for ; failures > 0 && lo < hi; failures-- {
		lo *= 2
	}
	return min(lo, hi)
}
