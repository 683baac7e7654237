package redisbridge

// Which rooms this node wants to hear, and how far the subscription of each has
// got. Any goroutine may call; no method blocks on anything but the mutex, and
// no callback runs under it.

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"barrage/internal/shrinkmap"
)

// A roomState is how far a room has got. It starts over when a lane that carries
// one of its channels loses its link.
type roomState uint8

const (
	roomSubscribing roomState = iota // not all channels are confirmed
	roomReading                      // subscribed, its history is being caught up
	roomConfirmed                    // its messages are coming
)

// The channels of a room, as bits of room.has, written and got.
const (
	gotPlain      = 1
	gotInternal   = 2
	gotDecomposed = 4 // the plain one of a name that has another form
	gotOutside    = gotPlain | gotDecomposed
)

// shrinkFrom is the number of rooms under which lists are not worth rebuilding.
const shrinkFrom = 1024

type room struct {
	// Fixed when it is made.
	name   string
	part   int   // its partition
	has    uint8 // its channels
	stripe *stripe

	track atomic.Pointer[track] // nil: it has kept no history so far. What it points to: see track
	gone  atomic.Bool           // no longer in the table

	// Guarded by interest.mu.
	at      int           // index in interest.list
	alive   time.Duration // when it was last wanted or seen with members
	state   roomState
	written uint8 // channels whose SUBSCRIBE is written, or about to be
	got     uint8 // channels confirmed
	waiting bool  // Want returned false: somebody waits for Ready

	queued bool // guarded by catchup.mu: it is in the catch-up's queue
}

// A lane is what one subscription connection carries: the channels of all
// rooms; or, with sharded pub/sub, the plain channels of all rooms, or the
// internal ones of some partitions. Guarded by interest.mu, but for what is
// fixed.
type lane struct {
	carries uint8          // gotOutside, gotInternal or both; fixed
	addr    string         // of the node of a cluster, for internal channels only; fixed
	links   *atomic.Uint64 // counts its links that answered; fixed
	link    *link          // nil while there is none
	todo    []*room
}

type interest struct {
	mu        sync.Mutex
	rooms     shrinkmap.Map[string, *room]
	list      []*room // the same rooms, so that a sweep can go in small steps
	main      lane
	sharded   bool
	routes    [partitions]*lane         // sharded: who carries the internal channels; nil: nobody yet
	used      [partitions]int           // sharded: rooms in each
	orphan    [partitions]time.Duration // sharded: since when nobody carries it; 0: somebody does, or it is not in use
	patience  time.Duration             // sharded: how long that may last before waiting makes no sense
	up        bool                      // the bridge is healthy: waiting makes sense
	confirmed int                       // rooms in roomConfirmed
}

func newInterest(sharded bool, patience time.Duration) *interest {
	i := &interest{sharded: sharded, patience: patience}
	i.main.carries, i.main.links = gotOutside|gotInternal, new(atomic.Uint64)
	if sharded {
		i.main.carries = gotOutside
	}
	return i
}

// want notes that name is wanted as of now; fresh makes the room if there is
// none, and follow has one followed that keeps a history by now. Ready: nobody
// needs to wait. Queued: the subscriber has something to write, or a partition to
// find. Catchup: the room whose history must be read.
func (i *interest) want(name string, now time.Duration, fresh func(name string) *room, follow func(r *room) bool) (ready, queued bool, catchup *room) {
	i.mu.Lock()
	defer i.mu.Unlock()
	r := i.rooms.Get(name)
	switch {
	case r == nil:
		// A clone, since name may be a slice of a caller's whole request.
		r = fresh(strings.Clone(name))
		r.at = len(i.list)
		i.rooms.Put(r.name, r)
		i.list = append(i.list, r)
		queued = i.queueLocked(r, &i.main)
		if i.sharded {
			queued = i.useLocked(r, now) || queued
		}
	case r.track.Load() == nil && follow(r) && r.state == roomConfirmed:
		i.confirmed--
		r.state, catchup = roomReading, r
	}
	r.alive = now
	if !i.up || r.state == roomConfirmed || i.orphanedLocked(r.part, now) {
		return true, queued, catchup
	}
	r.waiting = true
	return false, queued, catchup
}

func (i *interest) queueLocked(r *room, l *lane) bool {
	if l.link == nil {
		return false
	}
	l.todo = append(l.todo, r)
	return true
}

func (i *interest) lookup(name string) *room {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.rooms.Get(name)
}

// carriedLocked tells whether l carries a channel of r.
func (i *interest) carriedLocked(r *room, l *lane) bool {
	return l == &i.main || i.routes[r.part] == l
}

// linked starts a lane over on a new connection: every room it carries must be
// subscribed on it.
func (i *interest) linked(ln *lane, l *link) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.unlinkLocked(ln)
	ln.link = l
	for _, r := range i.list {
		if i.carriedLocked(r, ln) {
			ln.todo = append(ln.todo, r)
		}
	}
	if ln != &i.main {
		slices.SortFunc(ln.todo, func(a, b *room) int { return a.part - b.part }) // see take
	}
}

// present is the link to write to, nil if there is none.
func (i *interest) present(ln *lane) *link {
	i.mu.Lock()
	defer i.mu.Unlock()
	return ln.link
}

// unlinked forgets a lane's connection.
func (i *interest) unlinked(ln *lane) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.unlinkLocked(ln)
}

func (i *interest) unlinkLocked(ln *lane) {
	ln.link, ln.todo = nil, nil
	for _, r := range i.list {
		if i.carriedLocked(r, ln) {
			i.resetLocked(r, ln.carries)
		}
	}
}

// resetLocked takes channels of a room for not subscribed.
func (i *interest) resetLocked(r *room, channels uint8) {
	if r.state == roomConfirmed {
		i.confirmed--
	}
	r.state = roomSubscribing
	r.written &^= channels
	r.got &^= channels
}

// take marks up to n queued rooms of a lane as written and appends them to dst.
// It gives none if l is no longer the present link: what is written to an old
// connection must not be taken for written. With sharded pub/sub they are all of
// one partition, since a command may name channels of one slot only.
func (i *interest) take(ln *lane, l *link, n int, dst []*room) []*room {
	i.mu.Lock()
	defer i.mu.Unlock()
	if ln.link != l {
		return dst
	}
	for ; n > 0 && len(ln.todo) > 0; n-- {
		last := len(ln.todo) - 1
		r := ln.todo[last]
		if ln != &i.main && len(dst) > 0 && dst[0].part != r.part {
			break
		}
		ln.todo[last] = nil
		ln.todo = ln.todo[:last]
		if !i.carriedLocked(r, ln) {
			continue // moved to another lane while it was queued
		}
		r.written |= ln.carries
		dst = append(dst, r)
	}
	if len(ln.todo) == 0 && cap(ln.todo) > shrinkFrom {
		ln.todo = nil
	}
	return dst
}

// confirm notes one channel of name that is confirmed on a lane. It gives the room if all are now,
// and tells whether Ready is due; that of a room with history must be read first.
func (i *interest) confirm(ln *lane, name string, channel uint8) (r *room, ready bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	r = i.rooms.Get(name)
	if r == nil || r.state != roomSubscribing || r.written&channel == 0 || !i.carriedLocked(r, ln) {
		return nil, false
	}
	if r.got |= channel; r.got != r.has {
		return nil, false
	}
	if r.track.Load() != nil {
		r.state = roomReading
		return r, false
	}
	return r, i.confirmLocked(r)
}

func (i *interest) confirmLocked(r *room) (ready bool) {
	r.state = roomConfirmed
	i.confirmed++
	ready = r.waiting
	r.waiting = false
	return ready
}

// caughtUp notes that a room's history has been read since it was subscribed.
func (i *interest) caughtUp(r *room) (ready bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return r.state == roomReading && i.confirmLocked(r)
}

// giveUp tells whether somebody waits for r, who need not any more: reading its
// history fails.
func (i *interest) giveUp(r *room) (ready bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	ready = r.waiting
	r.waiting = false
	return ready
}

// setUp notes the health. Going down, it gives the rooms for which Ready is due
// because there is no point in waiting any more.
func (i *interest) setUp(up bool) (release []string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.up = up
	if up {
		return nil
	}
	return i.releaseLocked(func(int) bool { return true })
}

// releaseLocked gives the rooms of some partitions that somebody waits for, who need
// not any more.
func (i *interest) releaseLocked(partition func(p int) bool) (release []string) {
	for _, r := range i.list {
		if r.waiting && partition(r.part) {
			r.waiting = false
			release = append(release, r.name)
		}
	}
	return release
}

// step gives the names of up to n rooms that lie before position end of the
// list (negative: its end), and the position for the next step, 0 when done.
// Walking backwards is what makes removals between two steps harmless: they
// fill a gap with a room from behind, which has had its turn.
func (i *interest) step(end, n int, dst []string) ([]string, int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if end < 0 || end > len(i.list) {
		end = len(i.list)
	}
	from := max(0, end-n)
	for _, r := range i.list[from:end] {
		dst = append(dst, r.name)
	}
	return dst, from
}

// touch notes that name has members.
func (i *interest) touch(name string, now time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if r := i.rooms.Get(name); r != nil {
		r.alive = now
	}
}

// A parting is a room whose channels must be unsubscribed.
type parting struct {
	room  *room
	shard *link // that carried its internal channel, if it was not the main one
}

// remove drops those of names that nobody has wanted since cutoff. The ones it
// appends to dst must be unsubscribed, on l. A room whose SUBSCRIBE is not
// confirmed yet stays until a later sweep, so that a late confirmation cannot
// be taken for that of a newer SUBSCRIBE.
func (i *interest) remove(names []string, cutoff time.Duration, dst []parting) (_ []parting, l *link) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, name := range names {
		r := i.rooms.Get(name)
		if r == nil || r.waiting || r.alive > cutoff {
			continue
		}
		gone := parting{room: r}
		if shard := i.routes[r.part]; shard != nil {
			gone.shard = shard.link
		}
		if (i.main.link != nil && r.got&i.main.carries != r.has&i.main.carries) ||
			(gone.shard != nil && r.got&gotInternal == 0) {
			continue
		}
		if r.got != 0 {
			dst = append(dst, gone)
		}
		i.dropLocked(r)
	}
	if cap(i.list) >= shrinkFrom && len(i.list) <= cap(i.list)/4 {
		i.list = append(make([]*room, 0, len(i.list)), i.list...)
	}
	return dst, i.main.link
}

func (i *interest) dropLocked(r *room) {
	if r.state == roomConfirmed {
		i.confirmed--
	}
	if i.sharded {
		i.unuseLocked(r.part)
	}
	last := len(i.list) - 1
	i.list[r.at] = i.list[last]
	i.list[r.at].at = r.at
	i.list[last] = nil
	i.list = i.list[:last]
	i.rooms.Delete(r.name)
	r.gone.Store(true)
}

func (i *interest) subscriptions() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.confirmed
}
