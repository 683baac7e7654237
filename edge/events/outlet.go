// An outlet: a queue, and the goroutine that sends what is in it.

package events

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gammazero/deque"

	"barrage/internal/quietlog"
)

// A queued event waits in an outlet.
type queued struct {
	Event
	number   uint64 // for its id
	emitted  time.Time
	size     int
	reserved bool // newer ones do not push it out
}

type outlet struct {
	// Fixed by newOutlet.
	cfg      *Config
	ctx      context.Context
	instance string // begins the ids of this emitter's events
	numbers  *atomic.Uint64
	log      *quietlog.Log
	wake     chan struct{} // holds one: a batch began or became full
	memory   *memory       // shared by all outlets: what waits in them

	// The outlet's goroutine only.
	closing  <-chan struct{} // Close was called; nil once that is seen
	failures int             // in a row

	mu            sync.Mutex // guards what follows; nothing is called under it
	queue         deque.Deque[queued]
	bytes         int           // of those in queue
	reserved      int           // reservations
	reservedBytes int           // of all of them
	freed         chan struct{} // closed when less is waiting; nil: no reservation waits for that
	closed        bool
	ended         bool // the goroutine has had its last look at queue
	underWay      int  // events taken out of queue and not counted yet
	emitted       uint64
	delivered     uint64
	retried       uint64
	dropped       [NumDropReasons]uint64
}

func newOutlet(e *Emitter, instance string, log *quietlog.Log) *outlet {
	return &outlet{
		cfg: &e.cfg, ctx: e.ctx, instance: instance, numbers: &e.numbers, log: log,
		wake: make(chan struct{}, 1), closing: e.closing, memory: &e.memory,
	}
}

func (o *outlet) put(ev queued) {
	if o.enqueue(ev) {
		o.signal()
	}
}

// putReserved puts ev in by a reservation of so many bytes.
func (o *outlet) putReserved(ev queued, size int) {
	ev.reserved = true
	o.mu.Lock()
	o.reserved--
	o.reservedBytes -= size
	o.memory.add(-size)
	o.emitted++
	if o.ended {
		o.dropped[DropClosed]++
	} else {
		o.memory.add(ev.size)
		o.pushLocked(ev)
	}
	o.mu.Unlock()
	o.signal()
}

func (o *outlet) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// enqueue tells whether the outlet's goroutine must know.
func (o *outlet) enqueue(ev queued) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.emitted++
	switch {
	case o.closed:
		o.dropped[DropClosed]++
		return false
	case 2*ev.size > o.cfg.QueueBytes:
		o.dropped[DropTooBig]++
		return false
	}
	for !o.roomLocked(ev.size) {
		o.dropped[DropOverflow]++
		if o.queue.Len() == 0 || o.queue.Front().reserved {
			return false
		}
		o.popLocked()
	}
	o.pushLocked(ev)
	return o.queue.Len() == 1 || o.fullLocked()
}

// reserve makes a reservation of so many bytes. If there is no room for it, freed is
// closed when there may be.
func (o *outlet) reserve(size int) (freed <-chan struct{}, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, ErrClosed
	}
	if !o.roomLocked(size) {
		if o.queue.Len()+o.reserved > 0 {
			if o.freed == nil {
				o.freed = make(chan struct{})
			}
			return o.freed, nil
		}
		o.memory.add(size)
	}
	o.reserved++
	o.reservedBytes += size
	return nil, nil
}

// roomLocked takes the memory of one more event, if there is room for it.
func (o *outlet) roomLocked(size int) bool {
	return o.queue.Len()+o.reserved < o.cfg.QueueLen && o.memory.take(o.bytes+o.reservedBytes, size)
}

// pushLocked wants the memory to be taken.
func (o *outlet) pushLocked(ev queued) {
	ev.number = o.numbers.Add(1)
	o.queue.PushBack(ev)
	o.bytes += ev.size
}

func (o *outlet) popLocked() queued {
	ev := o.queue.PopFront()
	o.bytes -= ev.size
	o.memory.add(-ev.size)
	return ev
}

func (o *outlet) freedLocked() {
	if o.freed != nil {
		close(o.freed)
		o.freed = nil
	}
}

// fullLocked tells whether a batch is waiting that cannot grow.
func (o *outlet) fullLocked() bool {
	return o.queue.Len() >= o.cfg.BatchLen || o.bytes >= o.cfg.BatchBytes
}

// close refuses what comes later and has no reservation, so that the goroutine's last
// look at the queue is the last one needed.
func (o *outlet) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.freedLocked()
}

// end tells whether nothing comes any more, or it is too late for it.
func (o *outlet) end() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = o.reserved == 0 || o.ctx.Err() != nil
	return o.ended
}

func (o *outlet) run() {
	for {
		batch, wait := o.take()
		if len(batch) > 0 {
			o.deliverAll(o.encode(batch))
			continue
		}
		if o.closing == nil && o.end() {
			return
		}
		o.wait(wait)
	}
}

// idle is take's answer for an empty queue.
const idle time.Duration = -1

// take returns the next batch, or how long until there is one.
func (o *outlet) take() ([]queued, time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.queue.Len() == 0 {
		return nil, idle
	}
	// Its age and not the time since the last look counts, so that a backlog
	// does not linger.
	if wait := o.cfg.Linger - time.Since(o.queue.Front().emitted); wait > 0 && !o.fullLocked() && o.closing != nil {
		return nil, wait
	}
	var batch []queued
	for bytes := 0; o.queue.Len() > 0 && len(batch) < o.cfg.BatchLen; {
		bytes += o.queue.Front().size
		if len(batch) > 0 && bytes > o.cfg.BatchBytes {
			break
		}
		batch = append(batch, o.popLocked())
	}
	o.underWay = len(batch)
	o.freedLocked()
	return batch, 0
}

// wait returns when a batch may be due, or Close was called or has waited enough.
func (o *outlet) wait(d time.Duration) {
	var due <-chan time.Time
	if d != idle {
		timer := time.NewTimer(d)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-o.wake:
	case <-due:
	case <-o.closing:
		o.closing = nil
	case <-o.ctx.Done():
	}
}

func (o *outlet) encode(batch []queued) []Record {
	records := make([]Record, 0, len(batch))
	for i := range batch {
		ev := &batch[i]
		if ev.ID == "" {
			ev.ID = o.instance + "-" + strconv.FormatUint(ev.number, 10)
		}
		text, err := ev.MarshalJSON()
		if err != nil {
			o.log.Warn("an event has no JSON form; dropped", "id", ev.ID, "type", ev.Type, "err", err)
			o.count(&o.dropped[DropInvalid], 1)
			continue
		}
		records = append(records, Record{ev.ID, ev.Type, ev.Room, text, ev.emitted})
	}
	return records
}

// deliverAll splits what was taken by its length as JSON, which was not known
// before.
func (o *outlet) deliverAll(records []Record) {
	for len(records) > 0 {
		n, bytes := 0, 0
		for n < len(records) {
			bytes += len(records[n].JSON)
			if n > 0 && bytes > o.cfg.BatchBytes {
				break
			}
			n++
		}
		o.deliver(records[:n])
		records = records[n:]
	}
}

// deliver returns when every event of batch is delivered or dropped.
func (o *outlet) deliver(batch []Record) {
	for again := false; ; again = true {
		batch = o.expire(batch)
		if len(batch) == 0 {
			return
		}
		if o.ctx.Err() != nil {
			o.count(&o.dropped[DropClosed], len(batch))
			return
		}
		if again {
			o.mu.Lock()
			o.retried++
			o.mu.Unlock()
		}
		err := o.cfg.Sink.Send(o.ctx, batch)
		if err == nil {
			o.failures = 0
			o.count(&o.delivered, len(batch))
			return
		}
		if o.ctx.Err() != nil {
			continue // dropped above
		}
		var failure *Failure
		errors.As(err, &failure)
		if failure != nil && failure.Permanent {
			o.failures = 0
			o.log.Warn("events were refused; dropped", "events", len(batch), "first", batch[0].ID, "err", err)
			o.count(&o.dropped[DropRefused], len(batch))
			return
		}
		o.log.Warn("events cannot be delivered; trying again", "events", len(batch), "waiting", o.waiting(), "err", err)
		o.backOff(failure)
	}
}

func (o *outlet) waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.queue.Len()
}

// expire drops the events that are too old and returns the others. Within an outlet
// events are in the order of their age, but for those of two goroutines that emit
// at the same moment.
func (o *outlet) expire(batch []Record) []Record {
	n := 0
	for n < len(batch) && time.Since(batch[n].emitted) >= o.cfg.MaxAge {
		n++
	}
	o.count(&o.dropped[DropExpired], n)
	return batch[n:]
}

// count counts n of the events under way under one of the outlet's counters.
func (o *outlet) count(counter *uint64, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	*counter += uint64(n)
	o.underWay -= n
}

// backOff waits until the next attempt, and not longer than until Close is called.
func (o *outlet) backOff(failure *Failure) {
	d := rand.N(backoffCeiling(o.failures, o.cfg.BackoffMin, o.cfg.BackoffMax) + 1)
	if failure != nil {
		d = max(d, min(failure.After, o.cfg.MaxRetryAfter))
	}
	o.failures++
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-o.closing:
		o.closing = nil
		o.failures = 0
	case <-o.ctx.Done():
	}
}

// backoffCeiling is the longest wait after so many failures before this one: full
// jitter picks any time up to it, so that nodes which failed together do not
// return together. cenkalti/backoff has that only as a jitter of 100 % around half of
// each interval, and its set-up and reset would be longer than this.
func backoffCeiling(failures int, lo, hi time.Duration) time.Duration {
	for ; failures > 0 && lo < hi; failures-- {
		lo *= 2
	}
	return min(lo, hi)
}
