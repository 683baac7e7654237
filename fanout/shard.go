// A shard: the rooms and members of one event loop.

package fanout

import (
	"sync"
	"sync/atomic"
	"time"

	"barrage/internal/shrinkmap"
)

// Sink is what a shard sends through: the connections of one event loop. It is
// called on the shard's goroutine, during Work, Drained and Resume, and must not
// call back into the shard.
type Sink interface {
	// Send offers p to the subscriber's socket and returns how many bytes it
	// took. Less than len(p) means that it is blocked; Drained must be called
	// when it is not any more. It keeps no reference to p.
	Send(sub uint32, p []byte) int
	// Sendv is Send for the concatenation of at most MaxVectors slices.
	Sendv(sub uint32, bufs [][]byte) int
	// Queue hands over the rest of a frame that was sent in part. It must go out
	// before anything else; p is copied.
	Queue(sub uint32, p []byte)
	// Blocked reports whether Send would take nothing.
	Blocked(sub uint32) bool
	// Skipped tells that n messages of the room are gone before the subscriber
	// got them (SkipSlow): it is too slow, or was held for too long. It is called
	// during Work only. from and to are the first and the last offset among the
	// n, 0 and 0 if none has one. A held subscriber may still be given them
	// otherwise, before Resume.
	Skipped(sub uint32, room string, n, from, to uint64)
}

// MaxVectors is the most slices that Sink.Sendv is given.
const MaxVectors = 16

// Shard is one event loop's part of a Hub. Its methods must be called on that
// loop's goroutine. See the package comment for the ownership of state.
type Shard struct {
	hub  *Hub
	idx  int
	sink Sink
	wake func()

	inMu       sync.Mutex // guards in
	in         []item
	inboxBytes atomic.Int64

	// The shard's goroutine only.
	spare     []item                         // the other buffer of the inbox
	rooms     []shrinkmap.Map[string, *room] // by encoding
	tab       []*room                        // rooms by number; numbers are in freeRooms when unused
	freeRooms []uint32
	links     linkTable
	hot       hotQueue // rooms with a pass to make, in turn
	holding   roomList // rooms whose logs are not empty, the longest so first
	logBytes  int
	spareSegs []*segment
	vec       [MaxVectors][]byte
	now       time.Duration // of the current Work, by Hub.clock
	members   int
	stats     Stats // its counters; Stats fills in the gauges
}

// item is one frame for one room, in one encoding.
type item struct {
	room   string
	m      Message
	offset uint64 // not of a batch, which has several
	enc    Encoding
}

func newShard(h *Hub, idx int) *Shard {
	return &Shard{hub: h, idx: idx, rooms: make([]shrinkmap.Map[string, *room], h.cfg.Encodings)}
}

// Attach gives the shard what it sends through, and what makes the loop call
// Work (from any goroutine). Once, before use.
func (s *Shard) Attach(sink Sink, wake func()) { s.sink, s.wake = sink, wake }

// push puts a message into the inbox; the reference goes with it. Any goroutine.
func (s *Shard) push(it item) {
	s.inboxBytes.Add(inboxCost(it.m))
	s.inMu.Lock()
	s.in = append(s.in, it)
	s.inMu.Unlock()
}

// inboxCost is what a message counts for in the inbox: its bytes, about what a
// pooled buffer and the item take at least, and what a batch keeps.
func inboxCost(m Message) int64 {
	n := int64(len(m.Bytes())) + 512
	if b, ok := m.(*batch); ok {
		n += int64(b.size)
	}
	return n
}

// Work takes the inbox into the logs and makes one slice of the passes. It
// returns true when more is to be done.
func (s *Shard) Work() (more bool) {
	s.now = s.hub.clock()
	s.takeInbox()
	s.slice()
	reclaimed := s.reclaim()
	return reclaimed || s.hot.len() > 0
}

func (s *Shard) takeInbox() {
	s.inMu.Lock()
	s.in, s.spare = s.spare[:0], s.in
	s.inMu.Unlock()
	cost := int64(0)
	for i, it := range s.spare {
		s.spare[i] = item{}
		cost += inboxCost(it.m)
		if r := s.rooms[it.enc].Get(it.room); r != nil {
			s.append(r, it.m, it.offset)
		} else {
			it.m.Release() // the last member left meanwhile
		}
	}
	if cost > 0 {
		s.inboxBytes.Add(-cost)
	}
	if cap(s.spare) > 4096 {
		s.spare = nil // a burst must not be kept for ever
	}
}

func (s *Shard) append(r *room, m Message, offset uint64) {
	if len(r.log.segs) == 0 {
		s.holding.push(r)
	}
	head, last := r.log.head, r.log.last
	if b, ok := m.(*batch); ok {
		s.logBytes += r.log.appendBatch(s, b)
	} else {
		s.logBytes += r.log.append(s, m, offset)
	}
	s.stats.Offered += uint64(len(r.members)) * (r.log.head - head)
	if r.log.last > last {
		s.passOver(r)
	}
	r.last = s.now
	s.bound(r)
	s.heat(r)
}

// bound gives back the oldest segments of a log that has grown too large, and
// moves the members that needed them forward.
func (s *Shard) bound(r *room) {
	limit := s.hub.cfg.RoomBytes
	if s.logBytes > s.hub.cfg.ShardBytes {
		limit = segmentSize
	}
	drop := 0
	for over := r.log.bytes - limit; over > 0 && drop < len(r.log.segs)-1; drop++ {
		over -= r.log.segs[drop].size()
	}
	if drop == 0 {
		return
	}
	tail := r.log.segs[drop].first
	for i := range r.members {
		if m := &r.members[i]; m.at(r) < tail {
			s.skip(r, m, tail)
		}
	}
	s.trim(r, tail)
}

// skip moves a member that is too slow, or held, forward.
func (s *Shard) skip(r *room, m *member, seq uint64) {
	n := seq - m.at(r)
	from, to := r.log.span(m.at(r), seq)
	m.to(seq)
	s.stats.Skipped[SkipSlow] += n
	s.sink.Skipped(s.links.at(m.id()).sub, r.name, n, from, to)
}

// trim gives back what all members of the room have got.
func (s *Shard) trim(r *room, seq uint64) {
	if len(r.log.segs) == 0 {
		return
	}
	s.logBytes -= r.log.trim(s, seq)
	if len(r.log.segs) == 0 {
		s.holding.remove(r)
	}
}

// reclaimTries bounds the rooms that one Work looks at.
const reclaimTries = 8

// reclaim takes back logs while all of them together are over their bound: in
// the rooms that have held one longest, blocked and held members skip to the
// head. It reports whether that gave anything back.
func (s *Shard) reclaim() bool {
	before := s.logBytes
	for range reclaimTries {
		r := s.holding.first
		if r == nil || s.logBytes <= s.hub.cfg.ShardBytes {
			break
		}
		s.holding.remove(r)
		s.holding.push(r)
		least := r.log.head
		for i := range r.members {
			m := &r.members[i]
			if m.at(r) != r.log.head && (m.link&held != 0 || s.sink.Blocked(s.links.at(m.id()).sub)) {
				s.skip(r, m, r.log.head)
				r.again = true // a pass under way may have counted its old cursor
			}
			least = min(least, m.at(r))
		}
		s.trim(r, least)
	}
	return s.logBytes < before
}

// heat puts the room among those with a pass to make.
func (s *Shard) heat(r *room) {
	if !r.hot {
		r.hot = true
		r.begin(s.hub.clock())
		s.hot.push(r)
	}
}

// moved notes that a member has gone on outside of a pass from one cursor to
// another, or is gone. If it was the last to need the oldest segment, only
// another pass finds that out and gives it back.
func (s *Shard) moved(r *room, from, to uint64) {
	switch {
	case from == to:
	case r.hot:
		r.again = true // the pass may have counted its old cursor
	case from < r.log.segs[0].next() && to >= r.log.segs[0].next():
		s.heat(r)
		s.wake()
	}
}

// Drained continues with a subscriber whose socket takes bytes again.
func (s *Shard) Drained(sub uint32) {
	for l := s.links.first(sub); l != 0; l = s.links.at(l).next {
		link := s.links.at(l)
		r := s.tab[link.room]
		m := &r.members[link.pos]
		if m.at(r) == r.log.head || m.link&held != 0 {
			continue
		}
		from := m.at(r)
		s.drain(r, m, sub)
		s.moved(r, from, m.at(r))
		if s.sink.Blocked(sub) {
			break
		}
	}
}

// drain sends a member all that its socket takes.
func (s *Shard) drain(r *room, m *member, sub uint32) {
	for seq := m.at(r); seq != r.log.head && !s.sink.Blocked(sub); {
		seq = s.flush(r, m, sub, seq)
	}
}

// LastMessage returns when a message was last appended to a room the subscriber
// is in; the zero time if never.
func (s *Shard) LastMessage(sub uint32) time.Time {
	var last time.Duration
	for l := s.links.first(sub); l != 0; l = s.links.at(l).next {
		last = max(last, s.tab[s.links.at(l).room].last)
	}
	if last == 0 {
		return time.Time{}
	}
	return s.hub.start.Add(last)
}
