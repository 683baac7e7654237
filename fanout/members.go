// Memberships: joining and leaving rooms.

package fanout

import (
	"iter"
	"strings"
)

// Join makes the subscriber a member of the room, in one encoding, from the next
// message on. It returns false if it is one already, in whichever encoding. A
// held member is kept waiting until Resume.
func (s *Shard) Join(sub uint32, room string, enc Encoding, hold bool) bool {
	if s.find(sub, room) != 0 {
		return false
	}
	st := s.byRoom[enc].Get(room)
	if st == nil {
		st = s.newStream(room, enc)
	}
	l := s.links.alloc()
	*s.links.At(l) = link{sub: sub, stream: st.index, member: uint32(len(st.members)), next: s.links.first(sub)}
	s.links.setFirst(sub, l)
	m := member{low: uint32(st.log.head), link: l}
	if hold {
		m.link |= held
	}
	st.members = append(st.members, m)
	s.members++
	s.hub.join(st.room, enc, s.idx, len(st.members) == 1)
	return true
}

// find returns the link of a membership, 0 if there is none.
func (s *Shard) find(sub uint32, room string) uint32 {
	l := s.links.first(sub)
	for l != 0 && s.streamOf(l).room != room {
		l = s.links.At(l).next
	}
	return l
}

// In reports whether the subscriber is a member of the room.
func (s *Shard) In(sub uint32, room string) bool { return s.find(sub, room) != 0 }

// Rooms returns the rooms that the subscriber is in, the last joined first. The
// loop over them may leave the room at hand, but join or leave no other.
func (s *Shard) Rooms(sub uint32) iter.Seq[string] {
	return func(yield func(string) bool) {
		for l := s.links.first(sub); l != 0; {
			next := s.links.At(l).next
			if !yield(s.streamOf(l).room) {
				return
			}
			l = next
		}
	}
}

// Leave ends one membership. It returns false if there was none.
func (s *Shard) Leave(sub uint32, room string) bool {
	prev := uint32(0)
	for l := s.links.first(sub); l != 0; prev, l = l, s.links.At(l).next {
		if s.streamOf(l).room != room {
			continue
		}
		if next := s.links.At(l).next; prev == 0 {
			s.links.setFirst(sub, next)
		} else {
			s.links.At(prev).next = next
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
		next := s.links.At(l).next
		s.remove(l)
		l = next
	}
}

// LastJoined returns the room that the subscriber joined last, "" if it is in
// none.
func (s *Shard) LastJoined(sub uint32) string {
	if l := s.links.first(sub); l != 0 {
		return s.streamOf(l).room
	}
	return ""
}

// streamOf returns the stream of a membership.
func (s *Shard) streamOf(link uint32) *stream { return s.streams[s.links.At(link).stream] }

func (s *Shard) newStream(room string, enc Encoding) *stream {
	st := &stream{room: strings.Clone(room), enc: enc} // the caller's may be part of a read buffer
	if n := len(s.freeStreams); n > 0 {
		st.index = s.freeStreams[n-1]
		s.freeStreams = s.freeStreams[:n-1]
		s.streams[st.index] = st
	} else {
		st.index = uint32(len(s.streams))
		s.streams = append(s.streams, st)
	}
	s.byRoom[enc].Put(st.room, st)
	return st
}

// remove takes the membership of link l out of its stream, and the stream out of
// the shard with its last member. A pass under way misses nobody: the members
// before stream.next stay before it.
func (s *Shard) remove(l uint32) {
	st, i := s.streamOf(l), int(s.links.At(l).member)
	num := st.members[i].at(st)
	s.stats.Skipped[SkipLeft] += st.log.head - num - s.passOwn(&st.members[i], st.log.head)
	st.forgetAhead(l)
	if st.hot && i < st.next {
		st.next--
		s.move(st, st.next, i)
		i = st.next
	}
	end := len(st.members) - 1
	s.move(st, end, i)
	st.members = st.members[:end]
	s.links.release(l)
	s.members--
	s.hub.leave(st.room, st.enc, s.idx, end == 0)
	if end == 0 {
		s.freeStream(st)
		return
	}
	if cap(st.members) > 64 && end < cap(st.members)/4 {
		st.members = append(make([]member, 0, 2*end), st.members...)
	}
	s.noteMoved(st, num, st.log.head)
}

// move puts the member at index from into index to, whose own member is gone.
func (s *Shard) move(st *stream, from, to int) {
	if from != to {
		st.members[to] = st.members[from]
		s.links.At(st.members[to].id()).member = uint32(to)
	}
}

func (s *Shard) freeStream(st *stream) {
	s.trim(st, st.log.head)
	s.byRoom[st.enc].Delete(st.room)
	s.streams[st.index] = nil
	s.freeStreams = append(s.freeStreams, st.index)
}
