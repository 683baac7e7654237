// The flush: passes over a stream's members, cut into slices.

package fanout

import "slices"

const (
	// visitsPerSend bounds the members looked at in a slice, most of whom may need
	// nothing, as a multiple of the sends.
	visitsPerSend = 32
	// sendBytes is how many bytes cost about as much as the call that takes them.
	sendBytes = 8 << 10
)

// price is what a send counts for in a slice, so that rooms take turns by bytes as well.
func price(sent int) int { return 1 + int(uint(sent)/sendBytes) }

// slice gives the hot streams turns of up to SliceSends sends, until as many were made.
// So a small room waits for one turn of a large one at most, and one that says little
// for one of one that says much. What a turn's last send costs beyond the turn is owed
// by the next ones (deficit round robin).
func (s *Shard) slice() {
	turn := s.hub.cfg.SliceSends
	visits := turn * visitsPerSend
	for sends := turn; sends > 0 && visits > 0; {
		st := s.hot.pop()
		if st == nil {
			return
		}
		if len(st.members) == 0 {
			continue // the last one left while it was hot
		}
		if st.debt >= turn {
			st.debt -= turn
			s.hot.push(st)
			continue
		}
		left := turn - st.debt
		sends -= left
		done := s.pass(st, &left, &visits)
		sends += left
		st.debt = max(0, -left)
		if done {
			st.hot, st.debt = false, 0
		} else {
			s.hot.push(st)
		}
	}
}

// pass goes on with the pass over a stream's members within the budgets and
// returns true when every member has got what its socket took.
func (s *Shard) pass(st *stream, sends, visits *int) (done bool) {
	for {
		for st.next < len(st.members) {
			if *sends <= 0 || *visits == 0 {
				return false
			}
			*visits--
			m := &st.members[st.next]
			st.next++
			num := m.at(st)
			if num != st.log.head && m.link&held == 0 {
				if sub := s.links.At(m.id()).sub; !s.sink.Blocked(sub) {
					var sent int
					num, sent = s.flush(st, m, sub, num)
					*sends -= price(sent)
					st.passSent = true
					st.again = st.again || num != st.log.head && !s.sink.Blocked(sub) // one send did not carry it all
				}
			}
			st.passMin = min(st.passMin, num)
		}
		if st.passSent {
			s.stats.Latency.observe(s.hub.clock() - st.passFrom)
		}
		s.trim(st, st.passMin)
		if st.passHead == st.log.head && !st.again {
			return true
		}
		// Messages came in during the pass: the members visited before need them.
		st.begin(s.hub.clock())
	}
}

// flush sends a member everything from its cursor, which is num, to the head, as
// far as one send takes it. It returns the new cursor, and how many bytes were sent.
func (s *Shard) flush(st *stream, m *member, sub uint32, num uint64) (to uint64, sent int) {
	if m.link&hasOwn != 0 {
		return s.flushAround(st, m, sub, num)
	}
	g := st.log.find(num)
	from := st.log.segs[g].start(num)
	n := 0
	if g == len(st.log.segs)-1 {
		p := st.log.segs[g].data[from:]
		n, sent = len(p), s.sink.Send(sub, p)
	} else {
		vec := s.vec[:0]
		for i := g; i < len(st.log.segs) && len(vec) < MaxVectors; i++ {
			p := st.log.segs[i].data[from:]
			vec, n, from = append(vec, p), n+len(p), 0
		}
		sent = s.sink.Sendv(sub, vec)
		clear(vec)
	}
	if sent == 0 {
		return num, 0
	}
	if sent == n {
		to = st.log.segs[min(g+MaxVectors, len(st.log.segs))-1].next()
	} else {
		to = s.finishPartial(st, sub, g, st.log.segs[g].start(num)+sent)
	}
	m.to(to)
	s.stats.Sends++
	s.stats.Delivered += to - num
	return to, sent
}

// finishPartial returns the cursor behind the frames that a partial send touched, up to
// off in segment g or behind it, and queues the rest of the last one.
func (s *Shard) finishPartial(st *stream, sub uint32, g, off int) uint64 {
	for off > len(st.log.segs[g].data) {
		off -= len(st.log.segs[g].data)
		g++
	}
	seg := st.log.segs[g]
	i, _ := slices.BinarySearch(seg.ends, uint32(off)) // the frame in which off lies or ends
	end := seg.ends[i]
	if int(end) > off {
		s.sink.Queue(sub, seg.data[off:end])
	}
	n, _ := slices.BinarySearch(seg.ends, end+1) // the messages of a batch end together
	return seg.first + uint64(n)
}
