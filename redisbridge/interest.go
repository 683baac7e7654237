package redisbridge

// Which rooms this node wants to hear, and how far the subscription of each has
// got on the present connection. Any goroutine may call; no method blocks on
// anything but the mutex, and no callback runs under it.

import (
	"strings"
	"sync"
	"time"
)

// A roomState is how far a room has got on the present link. Without a link
// the states are meaningless; linked starts them all over.
type roomState uint8

const (
	roomIdle      roomState = iota // no link yet since the room was wanted
	roomQueued                     // in interest.todo
	roomWritten                    // SUBSCRIBE written, or about to be
	roomConfirmed                  // both channels confirmed
)

// The two channels of a room, as bits of room.got.
const (
	gotPlain    = 1
	gotInternal = 2
	gotBoth     = gotPlain | gotInternal
)

// shrinkFrom is the number of rooms under which tables are not worth rebuilding.
const shrinkFrom = 1024

type room struct {
	name    string
	at      int           // index in interest.list
	alive   time.Duration // when it was last wanted or seen with members
	state   roomState
	got     uint8 // channels confirmed
	waiting bool  // Want returned false: somebody waits for Ready
}

type interest struct {
	mu        sync.Mutex
	rooms     map[string]*room
	list      []*room // the same rooms, so that a sweep can go in small steps
	peak      int     // most rooms since the tables were last rebuilt
	todo      []*room // SUBSCRIBE still to be written; empty without a link
	link      *link   // nil while there is none
	up        bool    // the bridge is healthy: waiting makes sense
	confirmed int     // rooms in roomConfirmed on link
}

func newInterest() *interest {
	return &interest{rooms: make(map[string]*room)}
}

// want notes that name is wanted as of now. Ready: nobody needs to wait.
// Queued: the subscriber has something to write.
func (i *interest) want(name string, now time.Duration) (ready, queued bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	r := i.rooms[name]
	if r == nil {
		// A clone, since name may be a slice of a caller's whole request.
		r = &room{name: strings.Clone(name), at: len(i.list)}
		i.rooms[r.name] = r
		i.list = append(i.list, r)
		i.peak = max(i.peak, len(i.list))
		if i.link != nil {
			r.state = roomQueued
			i.todo = append(i.todo, r)
			queued = true
		}
	}
	r.alive = now
	if !i.up || (i.link != nil && r.state == roomConfirmed) {
		return true, queued
	}
	r.waiting = true
	return false, queued
}

// linked starts over on a new connection: every room must be subscribed on it.
func (i *interest) linked(l *link) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.link, i.confirmed = l, 0
	i.todo = make([]*room, len(i.list))
	copy(i.todo, i.list)
	for _, r := range i.list {
		r.state, r.got = roomQueued, 0
	}
}

// present is the link to write to, nil if there is none.
func (i *interest) present() *link {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.link
}

// unlinked forgets the connection.
func (i *interest) unlinked() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.link, i.confirmed, i.todo = nil, 0, nil
}

// take moves up to n queued rooms to roomWritten and appends their names to
// dst. It gives none if l is no longer the present link: what is written to an
// old connection must not be taken for written.
func (i *interest) take(l *link, n int, dst []string) []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.link != l {
		return dst
	}
	for ; n > 0 && len(i.todo) > 0; n-- {
		last := len(i.todo) - 1
		r := i.todo[last]
		i.todo[last] = nil
		i.todo = i.todo[:last]
		r.state = roomWritten
		dst = append(dst, r.name)
	}
	if len(i.todo) == 0 && cap(i.todo) > shrinkFrom {
		i.todo = nil
	}
	return dst
}

// confirm notes one confirmed channel of name and tells whether Ready is due.
func (i *interest) confirm(name string, channel uint8) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	r := i.rooms[name]
	if r == nil || r.state != roomWritten {
		return false
	}
	if r.got |= channel; r.got != gotBoth {
		return false
	}
	r.state = roomConfirmed
	i.confirmed++
	waiting := r.waiting
	r.waiting = false
	return waiting
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
	for _, r := range i.list {
		if r.waiting {
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
	if r := i.rooms[name]; r != nil {
		r.alive = now
	}
}

// remove drops those of names that nobody has wanted since cutoff. The ones it
// appends to dst must be unsubscribed on l. A room whose SUBSCRIBE is not
// confirmed yet stays until a later sweep, so that a late confirmation cannot
// be taken for that of a newer SUBSCRIBE.
func (i *interest) remove(names []string, cutoff time.Duration, dst []string) (_ []string, l *link) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, name := range names {
		r := i.rooms[name]
		if r == nil || r.waiting || r.alive > cutoff || (i.link != nil && r.state != roomConfirmed) {
			continue
		}
		if i.link != nil {
			dst = append(dst, r.name)
			i.confirmed--
		}
		last := len(i.list) - 1
		i.list[r.at] = i.list[last]
		i.list[r.at].at = r.at
		i.list[last] = nil
		i.list = i.list[:last]
		delete(i.rooms, r.name)
	}
	i.shrinkLocked()
	return dst, i.link
}

// shrinkLocked rebuilds the tables once they are mostly empty: neither a map
// nor a slice gives memory back by itself.
func (i *interest) shrinkLocked() {
	if i.peak < shrinkFrom || len(i.list) > i.peak/4 {
		return
	}
	rooms := make(map[string]*room, len(i.list))
	for _, r := range i.list {
		rooms[r.name] = r
	}
	i.rooms = rooms
	i.list = append(make([]*room, 0, len(i.list)), i.list...)
	i.peak = len(i.list)
}

func (i *interest) subscriptions() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.confirmed
}
