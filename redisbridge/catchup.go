package redisbridge

// The catch-up goroutine: reads the histories of rooms that were just
// subscribed, and of those with a hole, in pipelined batches.

import (
	"context"
	"sync"
	"time"
)

const (
	// One step reads so many rooms, and so much of each, at most.
	roomsPerRead    = 64
	messagesPerRead = 256
	bytesPerRead    = 256 << 10
	// retryReading is how long a room whose history cannot be read waits for the
	// next try.
	retryReading = 500 * time.Millisecond
)

// A catchup is the queue of rooms to read. Rooms are added by any goroutine and
// taken by the catch-up goroutine.
type catchup struct {
	mu    sync.Mutex
	queue []*room
	later []*room // after the next tick
	wake  chan struct{}
}

func (c *catchup) add(r *room) {
	c.mu.Lock()
	if !r.queued {
		r.queued = true
		c.queue = append(c.queue, r)
	}
	c.mu.Unlock()
	signal(c.wake)
}

// postpone keeps rooms, which take has given, for the next tick.
func (c *catchup) postpone(rooms ...*room) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range rooms {
		if !r.queued {
			r.queued = true
			c.later = append(c.later, r)
		}
	}
}

func (c *catchup) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, c.later...)
	c.later = nil
}

func (c *catchup) take(dst []*room) []*room {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) > 0 && len(dst) < roomsPerRead {
		r := c.queue[0]
		c.queue = c.queue[1:]
		r.queued = false
		if !r.gone.Load() {
			dst = append(dst, r)
		}
	}
	if len(c.queue) == 0 {
		c.queue = nil
	}
	return dst
}

func (c *catchup) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue) + len(c.later)
}

// catchUp is the catch-up goroutine.
func (b *Bridge) catchUp() {
	tick := time.NewTicker(retryReading)
	defer tick.Stop()
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-b.catch.wake:
		case <-tick.C:
			b.catch.tick()
		}
		// Until Redis cannot be reached: the rest can wait for the tick too.
		for b.ctx.Err() == nil && b.readSome() {
		}
	}
}

// A reading is one room's part in a batch: where it stood when it was asked
// about, and what the answer was.
type reading struct {
	room  *room
	known bool
	epoch string
	stamp stamp
	held  int // what was held then is older than the answer
	links int
	page  page
	err   error
}

// readSome reads the histories of some rooms. False: there are none, or Redis
// does not answer.
func (b *Bridge) readSome() bool {
	rooms := b.catch.take(make([]*room, 0, roomsPerRead))
	if len(rooms) == 0 {
		return false
	}
	batch := make([]reading, len(rooms))
	for i, r := range rooms {
		batch[i] = beginReading(r)
	}
	ctx, cancel := context.WithTimeout(b.ctx, b.cfg.Timeout)
	defer cancel()
	b.client.readAll(ctx, batch)
	answered := false
	for i := range batch {
		r := &batch[i]
		answered = answered || !isNetworkError(r.err)
		if r.err != nil {
			b.unreadable(r)
			continue
		}
		b.wasRead(ctx, r)
	}
	return answered
}

// beginReading has all that comes held until the answer is there: the
// server that answers may be another than the one that we hear.
func beginReading(r *room) reading {
	r.stripe.mu.Lock()
	defer r.stripe.mu.Unlock()
	t := r.track.Load()
	t.live = false
	return reading{room: r, known: t.known, epoch: t.epoch, stamp: t.stamp, held: len(t.held), links: t.links}
}

// unreadable: who waits for the room need not; its members get nothing more
// until its history can be read.
func (b *Bridge) unreadable(r *reading) {
	b.count.readErrors.Add(1)
	b.catch.postpone(r.room)
	if b.ctx.Err() == nil {
		b.health.blame(r.err)
		b.log.Debug("a room's history cannot be read", "error", r.err)
	}
	if b.rooms.giveUp(r.room) {
		b.ready(r.room.name)
	}
}

// wasRead deals with one room's answer.
func (b *Bridge) wasRead(ctx context.Context, r *reading) {
	if b.outdated(r) {
		b.catch.add(r.room)
		return
	}
	if r.diverged() {
		// A master that had not got the newest messages took over, or Redis came
		// back without them. Offsets were given twice; the epoch ends here.
		b.count.diverged.Add(1)
		if _, err := b.client.clear(ctx, r.room.name, r.epoch, ""); err != nil {
			b.catch.postpone(r.room)
			return
		}
		b.catch.add(r.room)
		return
	}
	if b.apply(r) {
		b.catch.add(r.room)
		return
	}
	if b.rooms.caughtUp(r.room) {
		b.ready(r.room.name)
	}
}

// outdated: the room was subscribed anew meanwhile, perhaps to another server.
func (b *Bridge) outdated(r *reading) bool {
	s := r.room.stripe
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.links != r.room.track.Load().links
}

// diverged: the history no longer has the message that we delivered last where
// it was, and not because it was trimmed.
func (r *reading) diverged() bool {
	if !r.known || r.epoch == "" || r.page.epoch != r.epoch || r.stamp.offset == 0 {
		return false
	}
	if r.page.head < r.stamp.offset {
		return true
	}
	return r.stamp.time != 0 && len(r.page.entries) > 0 &&
		r.page.entries[0].offset == r.stamp.offset && r.page.entries[0].stamp != r.stamp
}

// apply delivers what the answer has and what was held meanwhile. It tells whether
// the room must be read again.
func (b *Bridge) apply(r *reading) (again bool) {
	s := r.room.stripe
	s.mu.Lock()
	defer b.unlock(s)
	t := r.room.track.Load()
	if r.room.gone.Load() {
		b.unholdLocked(t, len(t.held))
		return false
	}
	if r.links != t.links {
		return true
	}
	switch {
	case !t.known && t.joined && len(t.held) > 0:
		t.known = true
		t.moveTo(t.held[0].epoch, stamp{offset: t.held[0].offset - 1})
		return true
	case !t.known:
		t.known = true
		at := stamp{offset: r.page.head}
		if n := len(r.page.entries); n > 0 && r.page.entries[n-1].offset == at.offset {
			at = r.page.entries[n-1].stamp
		}
		t.moveTo(r.page.epoch, at)
		t.newest = at.time
	case r.page.epoch == t.epoch:
		b.applyPageLocked(r)
	case t.epoch != r.epoch:
		return true // it moved on to another epoch while the answer was on its way
	default:
		b.passEndedLocked(r)
		b.endEpochLocked(r.room, r.page.epoch)
		if r.page.epoch != "" {
			return true // the answer has none of the new epoch's messages
		}
	}
	if !b.replayLocked(r) || t.spilled || r.page.more {
		t.spilled = false
		return true
	}
	t.live = true
	return false
}

func (b *Bridge) applyPageLocked(r *reading) {
	t := r.room.track.Load()
	for _, e := range r.page.entries {
		if e.offset <= t.offset || e.offset > r.page.head {
			continue
		}
		if e.offset > t.offset+1 {
			b.loseLocked(r.room, e.offset-1)
		}
		if e.body == nil {
			b.count.foreign.Add(1)
			b.loseLocked(r.room, e.offset)
			continue
		}
		b.count.caughtUp.Add(1)
		b.passLocked(r.room, &envelope{epoch: r.page.epoch, stamp: e.stamp, body: *e.body})
	}
	if !r.page.more && r.page.head > t.offset {
		b.loseLocked(r.room, r.page.head)
	}
}

// passEndedLocked delivers what was held of epochs that have come and gone since
// the one we follow, as far as it is whole from the beginning.
func (b *Bridge) passEndedLocked(r *reading) {
	t := r.room.track.Load()
	n := 0
	for ; n < r.held && t.held[n].epoch != r.page.epoch; n++ {
		switch e := &t.held[n]; {
		case t.isNext(e):
			b.passLocked(r.room, e)
		case e.epoch != t.epoch && e.offset == 1 && e.time >= t.newest && !t.hasEnded(e.epoch):
			b.endEpochLocked(r.room, e.epoch)
			b.passLocked(r.room, e)
		default:
			b.count.foreign.Add(1)
		}
	}
	b.unholdLocked(t, n)
	r.held -= n
}

// replayLocked delivers what was held, as far as it goes on from where the room
// is. False: there is a hole. What was held before we asked, and is neither in
// the answer nor before it, is of an epoch that had ended, or somebody's forgery.
func (b *Bridge) replayLocked(r *reading) bool {
	t := r.room.track.Load()
	for i := range t.held {
		e := &t.held[i]
		switch {
		case e.epoch == t.epoch && e.offset <= t.offset:
			b.count.duplicates.Add(1)
		case t.isNext(e) && (i >= r.held || e.offset <= r.page.head),
			t.epoch == "" && e.offset == 1 && i >= r.held && !t.hasEnded(e.epoch):
			b.passLocked(r.room, e)
		case i < r.held && (e.epoch != t.epoch || e.offset > r.page.head):
			b.count.foreign.Add(1)
		default:
			b.unholdLocked(t, i)
			return false
		}
	}
	b.unholdLocked(t, len(t.held))
	return true
}
