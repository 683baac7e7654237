// Members that are held, until they have been given what they missed.

package fanout

// ahead is what a stream knows of members that were given messages of which some may
// still come: what they were given was read from a history that can be ahead of
// Publish. In a quiet room that may be all members, and all up to the same sequence.
type ahead struct {
	most uint64            // the sequence up to which the members with isAhead were given them,
	odd  map[uint32]uint64 // but for these, by link
}

// Resume lets a held member go on behind the message with the sequence after: up to
// there it was given the messages otherwise, and they count as SkipReplayed, whether
// they are in the log or come later. Messages without a sequence are passed over with
// those behind them, not by themselves. 0 means that it was given nothing. Resume does
// nothing for a member that is not held.
func (s *Shard) Resume(sub uint32, room string, after uint64) {
	l := s.find(sub, room)
	if l == 0 {
		return
	}
	st := s.streamOf(l)
	m := &st.members[s.links.At(l).member]
	if m.link&held == 0 {
		return
	}
	m.link &^= held
	from := m.at(st)
	s.skipReplayed(st, m, after)
	if after > st.log.last {
		st.noteAhead(m, after)
	}
	done := s.drain(st, m, sub)
	s.noteMoved(st, from, m.at(st))
	if !done {
		s.wake()
	}
}

// skipReplayed moves a member past what it was given otherwise, of what is in the log.
// If that ends within a batch, the batch is divided there.
func (s *Shard) skipReplayed(st *stream, m *member, after uint64) {
	to := st.log.behind(m.at(st), after)
	s.logBytes += st.log.divide(s, st.enc, to)
	s.stats.Skipped[SkipReplayed] += to - m.at(st) - s.passOwn(m, to)
	m.to(to)
}

// noteAhead notes that a member was given what comes up to the sequence after.
func (st *stream) noteAhead(m *member, after uint64) {
	m.link |= isAhead
	if st.ahead == nil {
		st.ahead = &ahead{most: after}
	}
	if a := st.ahead; a.most != after {
		if a.odd == nil {
			a.odd = make(map[uint32]uint64)
		}
		a.odd[m.id()] = after
	}
}

// passOver moves the members that were given the newest frame's messages, or some of
// them, before they were published past these.
func (s *Shard) passOver(st *stream) {
	if st.ahead == nil {
		return
	}
	left := false
	for i := range st.members {
		m := &st.members[i]
		if m.link&isAhead == 0 {
			continue
		}
		after, odd := st.ahead.odd[m.id()]
		if !odd {
			after = st.ahead.most
		}
		s.skipReplayed(st, m, after)
		if st.log.last < after {
			left = true
			continue
		}
		m.link &^= isAhead
		delete(st.ahead.odd, m.id())
	}
	if !left {
		st.ahead = nil
	}
}

// forgetAhead is for a link that is gone.
func (st *stream) forgetAhead(link uint32) {
	if st.ahead != nil {
		delete(st.ahead.odd, link)
	}
}
