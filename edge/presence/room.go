// A room's members in the order in which they joined. No locks here: a room
// belongs to its stripe's lock.

package presence

import (
	"iter"
	"time"

	"barrage/internal/broker"
)

// indexFrom is the number of users from which on a room has an index. Below, a
// walk costs less than a map's memory.
const indexFrom = 9

// User is shared and never changed.
type User = broker.User

// What is known of a member, or still to be done with it.
const (
	isTold     memberFlags = 1 << iota // the room's members know of it
	isSent                             // the store has been sent it
	isSure                             // the store says that no other node had told of it
	isOutdated                         // the store has been sent it, but not as it is now
	isChanged                          // its status is still to be told
)

type memberFlags uint32

const (
	flagBits  = 5
	maxJoined = 1<<(32-flagBits) - 1
)

// A member is a user in a room, with all its connections there. There are many
// of them: 32 bytes.
type member struct {
	user       *User
	prev, next *member // the ring; next joined later, the newest's next is the oldest
	conns      uint32
	packed     memberFlags // flags, and above them the second in which it joined
}

func newMember(u *User, joined time.Duration) *member {
	return &member{user: u, conns: 1, packed: memberFlags(min(int64(joined/time.Second), maxJoined)) << flagBits}
}

func (m *member) is(f memberFlags) bool { return m.packed&f != 0 }
func (m *member) set(f memberFlags)     { m.packed |= f }
func (m *member) clear(f memberFlags)   { m.packed &^= f }

// joined is when, since the registry's start, to the second.
func (m *member) joined() time.Duration { return time.Duration(m.packed>>flagBits) * time.Second }

// What a room is, and which queues it is in.
const (
	isQuiet    roomFlags = 1 << iota // nothing is announced
	isBig                            // summaries instead of events
	isActive                         // in its stripe's active, for Due
	isDirty                          // in its stripe's dirty, for Run
	isStale                          // the store must be sent everything
	isPartial                        // the store was sent the newest users only
	isDoubtful                       // something was told that the store did not confirm
	isKept                           // the store keeps its viewers of the bucket
)

type roomFlags uint8

// A room is 64 bytes, as there are many of one or two members.
type room struct {
	name                   string
	newest                 *member
	index                  map[string]*member // by user ID; nil while there are few
	work                   *work              // nil while nothing waits
	users, conns           uint32             // here
	otherUsers, otherConns uint32             // in the cluster but not here, when last heard
	version                uint32             // of what the store has; 0: nothing
	bucket                 uint16             // of time, which the viewers before work.unseen are in
	flags                  roomFlags
}

// work is what waits to be told or sent, and for a big room its last summary.
type work struct {
	leaving  []leaver            // by the end of their grace
	departed []*User             // with their node
	states   map[*member]*stated // of those that have one; nil: none
	refetch  bool                // the list is to be fetched again, as something wrong may have been told
	unseen   *member             // the oldest one of which the store's viewers do not know, as of all after it
	sample   []*User             // some who joined since the last summary
	joined   int                 // number of those
	summary  summary
}

// summary is the last one told.
type summary struct {
	at           time.Duration
	users, conns int
	told         bool // there was one
}

// A leaver has no connection left.
type leaver struct {
	user   *User
	since  time.Duration // when it had joined
	until  time.Duration // the end of its grace
	told   bool          // the members believe it to be here
	status *Status       // nil: none
	stage  stage
}

// stage is how far a leaver has come.
type stage uint8

const (
	waiting stage = iota // for the end of its grace; the store has it
	asked                // the store is being told, and asked whether it is elsewhere
	gone                 // it is nowhere
)

func (r *room) is(f roomFlags) bool { return r.flags&f != 0 }
func (r *room) set(f roomFlags)     { r.flags |= f }
func (r *room) clear(f roomFlags)   { r.flags &^= f }

func (r *room) totals() (users, conns int) {
	return int(r.users) + int(r.otherUsers), int(r.conns) + int(r.otherConns)
}

// todo is where waiting things are noted.
func (r *room) todo() *work {
	if r.work == nil {
		r.work = new(work)
	}
	return r.work
}

// tidy forgets the work once there is none.
func (r *room) tidy() {
	w := r.work
	if w != nil && !r.is(isBig) && len(w.leaving) == 0 && len(w.departed) == 0 && w.states == nil && w.unseen == nil && !w.refetch {
		r.work = nil
	}
}

// idle tells that nothing is lost with the room.
func (r *room) idle() bool {
	return r.conns == 0 && r.version == 0 && !r.is(isActive|isDirty) &&
		(r.work == nil || len(r.work.leaving) == 0 && len(r.work.departed) == 0)
}

func (r *room) find(user string) *member {
	if r.index != nil {
		return r.index[user]
	}
	for m := range r.oldestFirst() {
		if m.user.ID == user {
			return m
		}
	}
	return nil
}

func (r *room) add(m *member) {
	if r.newest == nil {
		m.prev, m.next = m, m
	} else {
		m.prev, m.next = r.newest, r.newest.next
		m.prev.next, m.next.prev = m, m
	}
	r.newest = m
	r.users++
	switch {
	case r.index != nil:
		r.index[m.user.ID] = m
	case r.users == indexFrom:
		r.index = make(map[string]*member, 2*indexFrom)
		for m := range r.oldestFirst() {
			r.index[m.user.ID] = m
		}
	}
}

func (r *room) remove(m *member) {
	if r.work != nil && r.work.unseen == m {
		r.work.unseen = r.after(m)
	}
	switch {
	case m.next == m:
		r.newest = nil
	case m == r.newest:
		r.newest = m.prev
	}
	m.prev.next, m.next.prev = m.next, m.prev
	r.users--
	if r.users < indexFrom/2 {
		r.index = nil // and its memory, which a map never gives back by itself
	} else if r.index != nil {
		delete(r.index, m.user.ID)
	}
}

// after returns the next newer member, or nil.
func (r *room) after(m *member) *member {
	if m == r.newest {
		return nil
	}
	return m.next
}

func (r *room) oldest() *member {
	if r.newest == nil {
		return nil
	}
	return r.newest.next
}

func (r *room) oldestFirst() iter.Seq[*member] {
	return func(yield func(*member) bool) {
		for m := r.oldest(); m != nil && yield(m); m = r.after(m) {
		}
	}
}

func (r *room) newestFirst() iter.Seq[*member] {
	return func(yield func(*member) bool) {
		for m := r.newest; m != nil && yield(m); m = m.prev {
			if m.prev == r.newest {
				return
			}
		}
	}
}

// takeLeaver takes a user out of those leaving. ok: it was among them.
func (r *room) takeLeaver(user string) (l leaver, ok bool) {
	if r.work == nil {
		return leaver{}, false
	}
	for i, l := range r.work.leaving {
		if l.user.ID == user {
			r.work.leaving = append(r.work.leaving[:i], r.work.leaving[i+1:]...)
			return l, true
		}
	}
	return leaver{}, false
}
