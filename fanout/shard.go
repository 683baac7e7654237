// A shard: the members and streams of one event loop.

package fanout

import (
	"sync"
	"sync/atomic"

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
	// Subscriber finds the one that a publication comes from: see Publication.Origin.
	Subscriber(origin uint64) (sub uint32, ok bool)
	// Skipped tells that n messages of the room are gone before the subscriber
	// got them (SkipSlow): it is too slow, or was held for too long. It is called
	// during Work only. from and to are the first and the last sequence among the
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
	spare       []item                           // the other buffer of the inbox
	byRoom      []shrinkmap.Map[string, *stream] // by encoding
	streams     []*stream                        // nil at the indexes in freeStreams
	freeStreams []uint32
	links       linkTable
	hot         hotQueue            // with a pass to make, in turn
	credit      int                 // sends to single subscribers until the next Work
	late        []uint32            // subscribers with more to be sent than there was credit for
	holding     streamList          // whose logs are not empty, the longest so first
	own         map[uint32][]uint64 // numbers of messages that members sent and are spared, by link
	logBytes    int
	spareSegs   []*segment
	vec         [MaxVectors][]byte
	members     int
	stats       Stats // its counters; Stats fills in the gauges
}

// item is one frame for one room, in one encoding.
type item struct {
	room string
	m    Message
	seq  uint64 // not of a batch, which has several
	from uint64 // likewise: Publication.Origin
	enc  Encoding
}

func newShard(h *Hub, idx int) *Shard {
	return &Shard{hub: h, idx: idx, byRoom: make([]shrinkmap.Map[string, *stream], h.cfg.Encodings)}
}

// Attach gives the shard what it sends through, and what makes the loop call
// Work (from any goroutine). Once, before use.
func (s *Shard) Attach(sink Sink, wake func()) { s.sink, s.wake = sink, wake }

// Redirect has the shard send through another sink to the same subscribers.
func (s *Shard) Redirect(sink Sink) { s.sink = sink }

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
	s.takeInbox()
	s.slice()
	s.catchUp()
	reclaimed := s.reclaim()
	return reclaimed || s.hot.len() > 0 || len(s.late) > 0
}

func (s *Shard) takeInbox() {
	s.inMu.Lock()
	s.in, s.spare = s.spare[:0], s.in
	s.inMu.Unlock()
	cost := int64(0)
	for i, it := range s.spare {
		s.spare[i] = item{}
		cost += inboxCost(it.m)
		if st := s.byRoom[it.enc].Get(it.room); st != nil {
			s.append(st, it.m, it.seq, it.from)
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

func (s *Shard) append(st *stream, m Message, seq, from uint64) {
	if len(st.log.segs) == 0 {
		s.holding.push(st)
	}
	head, last := st.log.head, st.log.last
	st.usage.Bytes += uint64(len(st.members)) * uint64(len(m.Bytes()))
	b, ok := m.(*batch)
	if ok {
		s.logBytes += st.log.appendBatch(s, b)
	} else {
		s.logBytes += st.log.append(s, m, seq)
	}
	s.stats.Offered += uint64(len(st.members)) * (st.log.head - head)
	if ok {
		for i := range b.parts {
			s.spareOwn(st, head+uint64(i), b.parts[i].p.Origin())
		}
	} else {
		s.spareOwn(st, head, from)
	}
	if st.log.last > last {
		s.passOver(st)
	}
	s.bound(st)
	s.heat(st)
}

// bound gives back the oldest segments of a log that has grown too large, and
// moves the members that needed them forward.
func (s *Shard) bound(st *stream) {
	limit := s.hub.cfg.RoomBytes
	if s.logBytes > s.hub.cfg.ShardBytes {
		limit = segmentSize
	}
	drop := 0
	for over := st.log.bytes - limit; over > 0 && drop < len(st.log.segs)-1; drop++ {
		over -= st.log.segs[drop].size()
	}
	if drop == 0 {
		return
	}
	tail := st.log.segs[drop].first
	for i := range st.members {
		if m := &st.members[i]; m.at(st) < tail {
			s.skip(st, m, tail)
		}
	}
	s.trim(st, tail)
}

// skip moves a member that is too slow, or held, forward.
func (s *Shard) skip(st *stream, m *member, num uint64) {
	n := num - m.at(st)
	from, to := st.log.span(m.at(st), num)
	m.to(num)
	if n -= s.passOwn(m, num); n == 0 {
		return
	}
	s.stats.Skipped[SkipSlow] += n
	st.usage.Skipped += n
	s.sink.Skipped(s.links.At(m.id()).sub, st.room, n, from, to)
}

// trim gives back what all members of a stream have got.
func (s *Shard) trim(st *stream, num uint64) {
	if len(st.log.segs) == 0 {
		return
	}
	s.logBytes -= st.log.trim(s, num)
	if len(st.log.segs) == 0 {
		s.holding.remove(st)
	}
}

// reclaimTries bounds the streams that one Work looks at.
const reclaimTries = 8

// reclaim takes back logs while all of them together are over their bound: in
// the streams that have held one longest, blocked and held members skip to the
// head. It reports whether that gave anything back.
func (s *Shard) reclaim() bool {
	before := s.logBytes
	for range reclaimTries {
		st := s.holding.first
		if st == nil || s.logBytes <= s.hub.cfg.ShardBytes {
			break
		}
		s.holding.remove(st)
		s.holding.push(st)
		least := st.log.head
		for i := range st.members {
			m := &st.members[i]
			if m.at(st) != st.log.head && (m.link&held != 0 || s.sink.Blocked(s.links.At(m.id()).sub)) {
				s.skip(st, m, st.log.head)
				st.again = true // a pass under way may have counted its old cursor
			}
			least = min(least, m.at(st))
		}
		s.trim(st, least)
	}
	return s.logBytes < before
}

// heat puts a stream among those with a pass to make.
func (s *Shard) heat(st *stream) {
	if !st.hot {
		st.hot = true
		st.begin(s.hub.clock())
		s.hot.push(st)
	}
}

// noteMoved notes that a member has gone on outside of a pass from one cursor to
// another, or is gone. If it was the last to need the oldest segment, only
// another pass finds that out and gives it back.
func (s *Shard) noteMoved(st *stream, from, to uint64) {
	switch {
	case from == to:
	case st.hot:
		st.again = true // the pass may have counted its old cursor
	case from < st.log.segs[0].next() && to >= st.log.segs[0].next():
		s.heat(st)
		s.wake()
	}
}
