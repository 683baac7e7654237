// The flush: passes over a room's members, cut into slices.

package fanout

import "slices"

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
			if seq != r.log.head && m.link&held == 0 {
				if sub := s.links.at(m.id()).sub; !s.sink.Blocked(sub) {
					seq = s.flush(r, m, sub, seq)
					*sends--
					r.passSent = true
					r.again = r.again || seq != r.log.head && !s.sink.Blocked(sub) // one send did not carry it all
				}
			}
			r.passMin = min(r.passMin, seq)
		}
		s.stats.Passes++
		if r.passSent {
			s.stats.Latency.observe(s.hub.clock() - r.passFrom)
		}
		s.trim(r, r.passMin)
		if r.passHead == r.log.head && !r.again {
			return true
		}
		// Messages came in during the pass: those visited before them are owed.
		r.begin(s.hub.clock())
	}
}

// flush sends a member everything from its cursor, which is seq, to the head, as
// far as one send takes it. It returns the new cursor.
func (s *Shard) flush(r *room, m *member, sub uint32, seq uint64) uint64 {
	g := r.log.find(seq)
	from := r.log.segs[g].start(seq)
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
		return seq
	}
	to := uint64(0)
	if sent == n {
		to = r.log.segs[min(g+MaxVectors, len(r.log.segs))-1].next()
	} else {
		to = s.settle(r, sub, g, r.log.segs[g].start(seq)+sent)
	}
	m.to(to)
	s.stats.Sends++
	s.stats.Delivered += to - seq
	return to
}

// settle returns the cursor behind the frames that a partial send touched, up to
// off in segment g or behind it, and queues the rest of the last one.
func (s *Shard) settle(r *room, sub uint32, g, off int) uint64 {
	for off > len(r.log.segs[g].data) {
		off -= len(r.log.segs[g].data)
		g++
	}
	seg := r.log.segs[g]
	i, _ := slices.BinarySearch(seg.ends, uint32(off)) // the frame in which off lies or ends
	end := seg.ends[i]
	if int(end) > off {
		s.sink.Queue(sub, seg.data[off:end])
	}
	n, _ := slices.BinarySearch(seg.ends, end+1) // the messages of a batch end together
	return seg.first + uint64(n)
}
