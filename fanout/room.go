// Rooms, their members, and the links from a subscriber to its memberships.

package fanout

import (
	"strings"
	"time"
)

// room is a room's part in one shard. Owner: the shard's goroutine.
type room struct {
	name    string
	num     uint32 // its place in Shard.tab
	members []member
	log     log
	last    time.Time // when a message was last appended

	// The pass under way, while hot.
	hot      bool
	pos      int       // the next member to visit
	passHead uint64    // log.head when the pass began
	passMin  uint64    // the smallest cursor seen, after sending
	passFrom time.Time // when it began
	passSent bool      // it has sent something
	again    bool      // another pass must follow

	prevHolding, nextHolding *room // in Shard.holding, while the log is not empty
}

// begin starts a pass.
func (r *room) begin() {
	r.pos, r.passHead, r.passMin, r.passSent, r.again, r.passFrom = 0, r.log.head, r.log.head, false, false, time.Now()
}

// member is one subscriber's place in a room. Of its cursor, the number of the
// next frame it needs, only the low half is kept: no log holds 1<<32 frames, so
// the room's head gives the rest.
type member struct {
	low  uint32
	link uint32
}

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

// Join makes the subscriber a member of the room from the next message on. It
// returns false if it is one already.
func (s *Shard) Join(sub uint32, name string) bool {
	for l := s.links.first(sub); l != 0; l = s.links.at(l).next {
		if s.tab[s.links.at(l).room].name == name {
			return false
		}
	}
	r := s.rooms.get(name)
	if r == nil {
		r = s.newRoom(name)
	}
	l := s.links.alloc()
	*s.links.at(l) = link{sub: sub, room: r.num, pos: uint32(len(r.members)), next: s.links.first(sub)}
	s.links.setFirst(sub, l)
	r.members = append(r.members, member{low: uint32(r.log.head), link: l})
	s.members++
	s.hub.join(r.name, s.idx, len(r.members) == 1)
	return true
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

func (s *Shard) newRoom(name string) *room {
	r := &room{name: strings.Clone(name)} // the caller's may be part of a read buffer
	if n := len(s.freeRooms); n > 0 {
		r.num = s.freeRooms[n-1]
		s.freeRooms = s.freeRooms[:n-1]
		s.tab[r.num] = r
	} else {
		r.num = uint32(len(s.tab))
		s.tab = append(s.tab, r)
	}
	s.rooms.put(r.name, r)
	return r
}

// remove takes the membership of link l out of its room, and the room out of
// the shard with its last member. A pass under way misses nobody: the members
// before pos stay before it.
func (s *Shard) remove(l uint32) {
	r, i := s.tab[s.links.at(l).room], int(s.links.at(l).pos)
	seq := r.members[i].at(r)
	s.stats.Skipped[SkipLeft] += r.log.head - seq
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
	s.hub.leave(r.name, s.idx, end == 0)
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
		s.links.at(r.members[to].link).pos = uint32(to)
	}
}

func (s *Shard) freeRoom(r *room) {
	s.trim(r, r.log.head)
	s.rooms.del(r.name)
	s.tab[r.num] = nil
	s.freeRooms = append(s.freeRooms, r.num)
}
