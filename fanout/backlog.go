// Backlogs: what waits in the hub for company, to go out as a batch.

package fanout

import (
	"context"
	"math"
	"math/bits"
	"sync"
	"time"
)

// backlog is what a room's members in batched encodings have still to get. It
// belongs to the room's entry for as long as that has such members; one that has
// lost its entry has no reader any more. Its stripe's mutex guards it.
type backlog struct {
	room    string
	waiting []part
	encodes bool          // Run is encoding what waited before
	last    time.Duration // when something was last sent, by Hub.clock
}

// postpones returns those of the encodings in set that get the next message as part
// of a batch. The first message after a silence is not kept waiting. The stripe's
// lock is held.
func (h *Hub) postpones(dir *directory, e *entry, set EncodingSet, now time.Duration) EncodingSet {
	b := e.backlog
	if b == nil || len(b.waiting) == 0 && !b.encodes && (!dir.batching || now-b.last >= h.cfg.BatchWait) {
		return 0
	}
	return set & h.cfg.Batched
}

// postpone adds a message to what waits. The stripe's lock is held.
func (h *Hub) postpone(b *backlog, p part) {
	b.waiting = append(b.waiting, p)
	h.waitingBytes.Add(int64(p.size))
	if len(b.waiting) == 1 && !b.encodes {
		h.due.add(b, h.clock()+h.cfg.BatchWait)
	}
}

// noteSent notes that a message went out at once. The stripe's lock is held.
func (h *Hub) noteSent(e *entry, room string, now time.Duration) {
	if e.backlog == nil {
		e.backlog = &backlog{room: room}
	}
	e.backlog.last = now
}

// Run has messages sent in batches until ctx ends. Then it gives the shards what
// waits; from then on, as before Run, every message goes at once. Once, on a
// goroutine of its own.
func (h *Hub) Run(ctx context.Context) {
	h.setBatching(true)
	for ctx.Err() == nil {
		b, wait := h.due.next(h.clock())
		if b != nil {
			h.flush(b)
			continue
		}
		var alarm <-chan time.Time
		if wait > 0 {
			alarm = time.After(max(wait, time.Millisecond)) // one alarm for many rooms
		}
		select {
		case <-ctx.Done():
		case <-alarm:
		case <-h.due.added:
		}
	}
	h.setBatching(false)
	for {
		b, _ := h.due.next(math.MaxInt64)
		if b == nil {
			return
		}
		h.flush(b)
	}
}

func (h *Hub) setBatching(on bool) {
	for dir := range h.stripes.All() {
		dir.mu.Lock()
		dir.batching = on
		dir.mu.Unlock()
	}
}

// flush sends what waits for a room. What is published while it encodes waits for
// the next flush. Run only.
func (h *Hub) flush(b *backlog) {
	dir := h.stripes.Of(b.room)
	dir.mu.Lock()
	waiting, set := b.waiting, EncodingSet(0)
	b.waiting, b.encodes = nil, true
	if e := dir.rooms.Get(b.room); e != nil && e.backlog == b {
		set = e.encodings() & h.cfg.Batched
	}
	dir.mu.Unlock()

	var frames [MaxEncodings][]*batch
	for set != 0 {
		e := set.pop()
		frames[e] = h.batches(e, waiting)
	}

	dir.mu.Lock()
	shards := uint64(0)
	if e := dir.rooms.Get(b.room); e != nil && e.backlog == b {
		shards = h.pushBatches(e, b.room, &frames)
	}
	b.encodes, b.last = false, h.clock()
	if len(b.waiting) > 0 {
		h.due.add(b, b.last+h.cfg.BatchWait)
	}
	dir.mu.Unlock()
	h.wake(shards)

	for i := range waiting {
		h.waitingBytes.Add(-int64(waiting[i].size))
	}
	for e := range frames {
		for _, m := range frames[e] {
			h.count(m)
			m.Release()
		}
	}
}

// pushBatches puts frames into the inboxes of the shards that have members in their
// encoding, and returns these. The stripe's lock is held.
func (h *Hub) pushBatches(e *entry, room string, frames *[MaxEncodings][]*batch) (shards uint64) {
	for _, u := range e.uses {
		for _, m := range frames[u.enc] {
			for b := u.shards; b != 0; b &= b - 1 {
				m.Retain()
				h.shards[bits.TrailingZeros64(b)].push(item{room: room, enc: u.enc, m: m})
			}
			shards |= u.shards
		}
	}
	return shards
}

func (h *Hub) count(m *batch) {
	if n := len(m.parts); n > 1 {
		h.madeBatches.Add(1)
		h.inBatches.Add(uint64(n))
	}
}

// Batches returns how many frames of several messages were made, each once for all
// its receivers, and how many messages were in them.
func (h *Hub) Batches() (frames, messages uint64) {
	return h.madeBatches.Load(), h.inBatches.Load()
}

// dueQueue holds the backlogs that wait, the next one due first. All wait equally
// long, so a slice will do. Its mutex is taken within a stripe's; Run is the only
// reader.
type dueQueue struct {
	mu    sync.Mutex // guards what follows
	q     []due
	added chan struct{} // told when the queue was empty
}

type due struct {
	b  *backlog
	at time.Duration // by Hub.clock
}

func (d *dueQueue) add(b *backlog, at time.Duration) {
	d.mu.Lock()
	d.q = append(d.q, due{b, at})
	first := len(d.q) == 1
	d.mu.Unlock()
	if first {
		select {
		case d.added <- struct{}{}:
		default: // told already
		}
	}
}

// next takes out the first backlog if it is due. Otherwise it returns how long that
// has to wait, 0 if there is none.
func (d *dueQueue) next(now time.Duration) (b *backlog, wait time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.q) == 0 {
		d.q = nil // what the busiest moment needed is not kept
		return nil, 0
	}
	if wait := d.q[0].at - now; wait > 0 {
		return nil, wait
	}
	b, d.q[0].b = d.q[0].b, nil
	d.q = d.q[1:]
	return b, 0
}
