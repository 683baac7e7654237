// Rooms, their members, and the links from a subscriber to its memberships.

package fanout

import (
	"iter"
	"strings"
	"time"
)

// room is a room's part in one shard and encoding. There are as many as users
// where each has one, so it is kept small. Owner: the shard's goroutine.
type room struct {
	name    string
	members []member
	log     log
	ahead   *ahead        // nil if no member was given more by Resume than the log has had
	last    time.Duration // when a message was last appended, by Hub.clock; 0 is never
	num     uint32        // its place in Shard.tab
	enc     Encoding

	// The pass under way, while hot.
	hot      bool
	passSent bool          // it has sent something
	again    bool          // another pass must follow
	pos      int           // the next member to visit
	passHead uint64        // log.head when the pass began
	passMin  uint64        // the smallest cursor seen, after sending
	passFrom time.Duration // when it began

	prevHolding, nextHolding *room // in Shard.holding, while the log is not empty
}

// begin starts a pass.
func (r *room) begin(now time.Duration) {
	r.pos, r.passHead, r.passMin, r.passSent, r.again, r.passFrom = 0, r.log.head, r.log.head, false, false, now
}

// member is one subscriber's place in a room. Of its cursor, the number of the
// next frame it needs, only the low half is kept: no log holds 1<<32 frames, so
// the room's head gives the rest.
type member struct {
	low  uint32
	link uint32 // and the bits below, which are thus found where one looks anyway
}

// Bits of member.link.
const (
	held    = 1 << 31 // nothing is sent to the member
	isAhead = 1 << 30 // see ahead
)

// id is the member's link.
func (m *member) id() uint32 { return m.link &^ (held | isAhead) }

// at is the member's cursor.
func (m *member) at(r *room) uint64 { return r.log.head - uint64(uint32(r.log.head)-m.low) }

// to moves the member's cursor.
func (m *member) to(seq uint64) { m.low = uint32(seq) }

// link ties a subscriber to one of its memberships.
type link struct {
	sub  uint32
	room uint32 // number of the room
	pos  uint32 // index in room.members
	next uint32 // the subscriber's next link, 0 at the end; next free one while unused
}

const linkPage = 512

// linkTable holds links in pointer-free pages, and the first link of each
// subscriber. Link 0 is never used.
type linkTable struct {
	pages  []*[linkPage]link
	n      uint32
	free   uint32
	firsts []*[linkPage]uint32 // by subscriber
}

func (t *linkTable) at(i uint32) *link { return &t.pages[i/linkPage][i%linkPage] }

func (t *linkTable) alloc() uint32 {
	if t.free != 0 {
		i := t.free
		t.free = t.at(i).next
		return i
	}
	t.n++
	if int(t.n/linkPage) >= len(t.pages) {
		t.pages = append(t.pages, new([linkPage]link))
	}
	return t.n
}

func (t *linkTable) release(i uint32) {
	*t.at(i) = link{next: t.free}
	t.free = i
}

func (t *linkTable) first(sub uint32) uint32 {
	if p := sub / linkPage; int(p) < len(t.firsts) {
		return t.firsts[p][sub%linkPage]
	}
	return 0
}

func (t *linkTable) setFirst(sub, l uint32) {
	for int(sub/linkPage) >= len(t.firsts) {
		t.firsts = append(t.firsts, new([linkPage]uint32))
	}
	t.firsts[sub/linkPage][sub%linkPage] = l
}

// Join makes the subscriber a member of the room, in one encoding, from the next
// message on. It returns false if it is one already, in whichever encoding. A
// held member is kept waiting until Resume.
func (s *Shard) Join(sub uint32, name string, enc Encoding, hold bool) bool {
	if s.find(sub, name) != 0 {
		return false
	}
	r := s.rooms[enc].Get(name)
	if r == nil {
		r = s.newRoom(name, enc)
	}
	l := s.links.alloc()
	*s.links.at(l) = link{sub: sub, room: r.num, pos: uint32(len(r.members)), next: s.links.first(sub)}
	s.links.setFirst(sub, l)
	m := member{low: uint32(r.log.head), link: l}
	if hold {
		m.link |= held
	}
	r.members = append(r.members, m)
	s.members++
	s.hub.join(r.name, enc, s.idx, len(r.members) == 1)
	return true
}

// find returns the link of a membership, 0 if there is none.
func (s *Shard) find(sub uint32, name string) uint32 {
	l := s.links.first(sub)
	for l != 0 && s.tab[s.links.at(l).room].name != name {
		l = s.links.at(l).next
	}
	return l
}

// In reports whether the subscriber is a member of the room.
func (s *Shard) In(sub uint32, name string) bool { return s.find(sub, name) != 0 }

// Rooms returns the rooms that the subscriber is in, the last joined first. The
// loop over them may leave the room at hand, but join or leave no other.
func (s *Shard) Rooms(sub uint32) iter.Seq[string] {
	return func(yield func(string) bool) {
		for l := s.links.first(sub); l != 0; {
			next := s.links.at(l).next
			if !yield(s.tab[s.links.at(l).room].name) {
				return
			}
			l = next
		}
	}
}

// Leave ends one membership. It returns false if there was none.
func (s *Shard) Leave(sub uint32, name string) bool {
	prev := uint32(0)
	for l := s.links.first(sub); l != 0; prev, l = l, s.links.at(l).next {
		if s.tab[s.links.at(l).room].name != name {
			continue
		}
		if next := s.links.at(l).next; prev == 0 {
			s.links.setFirst(sub, next)
		} else {
			s.links.at(prev).next = next
		}
		s.remove(l)
		return true
	}
	return false
}

// LeaveAll ends all memberships of a subscriber.
func (s *Shard) LeaveAll(sub uint32) {
	l := s.links.first(sub)
	if l == 0 {
		return
	}
	s.links.setFirst(sub, 0)
	for l != 0 {
		next := s.links.at(l).next
		s.remove(l)
		l = next
	}
}

// LastJoined returns the room that the subscriber joined last, "" if it is in
// none.
func (s *Shard) LastJoined(sub uint32) string {
	if l := s.links.first(sub); l != 0 {
		return s.tab[s.links.at(l).room].name
	}
	return ""
}

func (s *Shard) newRoom(name string, enc Encoding) *room {
	r := &room{name: strings.Clone(name), enc: enc} // the caller's may be part of a read buffer
	if n := len(s.freeRooms); n > 0 {
		r.num = s.freeRooms[n-1]
		s.freeRooms = s.freeRooms[:n-1]
		s.tab[r.num] = r
	} else {
		r.num = uint32(len(s.tab))
		s.tab = append(s.tab, r)
	}
	s.rooms[enc].Put(r.name, r)
	return r
}

// remove takes the membership of link l out of its room, and the room out of
// the shard with its last member. A pass under way misses nobody: the members
// before pos stay before it.
func (s *Shard) remove(l uint32) {
	r, i := s.tab[s.links.at(l).room], int(s.links.at(l).pos)
	seq := r.members[i].at(r)
	s.stats.Skipped[SkipLeft] += r.log.head - seq
	r.forgetAhead(l)
	if r.hot && i < r.pos {
		r.pos--
		s.move(r, r.pos, i)
		i = r.pos
	}
	end := len(r.members) - 1
	s.move(r, end, i)
	r.members = r.members[:end]
	s.links.release(l)
	s.members--
	s.hub.leave(r.name, r.enc, s.idx, end == 0)
	if end == 0 {
		s.freeRoom(r)
		return
	}
	if cap(r.members) > 64 && end < cap(r.members)/4 {
		r.members = append(make([]member, 0, 2*end), r.members...)
	}
	s.moved(r, seq, r.log.head)
}

// move puts the member at index from into index to, whose own member is gone.
func (s *Shard) move(r *room, from, to int) {
	if from != to {
		r.members[to] = r.members[from]
		s.links.at(r.members[to].id()).pos = uint32(to)
	}
}

func (s *Shard) freeRoom(r *room) {
	s.trim(r, r.log.head)
	s.rooms[r.enc].Delete(r.name)
	s.tab[r.num] = nil
	s.freeRooms = append(s.freeRooms, r.num)
}
