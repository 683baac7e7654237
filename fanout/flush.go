// The flush: passes over a room's members, cut into slices.

package fanout

import (
	"slices"
	"time"
)

// visitsPerSend bounds the members looked at in a slice, most of whom may need
// nothing, as a multiple of the sends.
const visitsPerSend = 32

// slice makes up to SliceSends sends, taking the hot rooms in turn: a small room
// waits for one slice of a large one at most.
func (s *Shard) slice() {
	sends := s.hub.cfg.SliceSends
	visits := sends * visitsPerSend
	for sends > 0 && visits > 0 {
		r := s.hot.pop()
		if r == nil {
			return
		}
		if len(r.members) == 0 {
			continue // the last one left while it was hot
		}
		if s.pass(r, &sends, &visits) {
			r.hot = false
		} else {
			s.hot.push(r)
		}
	}
}

// pass goes on with the pass over a room's members within the budgets and
// returns true when every member has got what its socket took.
func (s *Shard) pass(r *room, sends, visits *int) (done bool) {
	for {
		for r.pos < len(r.members) {
			if *sends == 0 || *visits == 0 {
				return false
			}
			*visits--
			m := &r.members[r.pos]
			r.pos++
			seq := m.at(r)
			if seq != r.log.head {
				if sub := s.links.at(m.link).sub; !s.sink.Blocked(sub) {
					s.flush(r, m, sub)
					*sends--
					r.passSent = true
					seq = m.at(r)
					r.again = r.again || seq != r.log.head && !s.sink.Blocked(sub) // one send did not carry it all
				}
			}
			r.passMin = min(r.passMin, seq)
		}
		s.stats.Passes++
		if r.passSent {
			s.stats.Latency.observe(time.Since(r.passFrom))
		}
		s.trim(r, r.passMin)
		if r.passHead == r.log.head && !r.again {
			return true
		}
		// Messages came in during the pass: those visited before them are owed.
		r.begin()
	}
}

// flush sends a member everything from its cursor to the head, as far as one
// send takes it.
func (s *Shard) flush(r *room, m *member, sub uint32) {
	before := m.at(r)
	g := r.log.find(before)
	from := r.log.segs[g].start(before)
	sent, n := 0, 0
	if g == len(r.log.segs)-1 {
		p := r.log.segs[g].data[from:]
		n, sent = len(p), s.sink.Send(sub, p)
	} else {
		vec := s.vec[:0]
		for i := g; i < len(r.log.segs) && len(vec) < MaxVectors; i++ {
			p := r.log.segs[i].data[from:]
			vec, n, from = append(vec, p), n+len(p), 0
		}
		sent = s.sink.Sendv(sub, vec)
		clear(vec)
	}
	if sent == 0 {
		return
	}
	s.stats.Sends++
	if sent == n {
		m.to(r.log.segs[min(g+MaxVectors, len(r.log.segs))-1].next())
	} else {
		s.settle(r, m, sub, g, sent)
	}
	s.stats.Delivered += m.at(r) - before
}

// settle moves the cursor past the frames that a partial send touched and
// queues the rest of the last one.
func (s *Shard) settle(r *room, m *member, sub uint32, g, sent int) {
	off := r.log.segs[g].start(m.at(r)) + sent
	for off > len(r.log.segs[g].data) {
		off -= len(r.log.segs[g].data)
		g++
	}
	seg := r.log.segs[g]
	i, _ := slices.BinarySearch(seg.ends, uint32(off)) // the frame in which off lies or ends
	m.to(seg.first + uint64(i) + 1)
	if end := int(seg.ends[i]); end > off {
		s.sink.Queue(sub, seg.data[off:end])
	}
}
