// Members that are held, until they have been given what they missed.

package fanout

// ahead is what a room knows of members that were given messages of which some may
// still come: what they were given was read from a history that can be ahead of
// Publish. In a quiet room that may be all of them, to the same offset.
type ahead struct {
	most uint64            // the offset up to which those with isAhead were given them,
	odd  map[uint32]uint64 // but for these, by link
}

// Resume lets a held member go on behind the message that has the offset after:
// up to there it was given the messages otherwise, and they count as
// SkipReplayed, whether they are in the log or come later. Messages without an
// offset are passed over with those behind them, not by themselves. 0 is to have
// been given nothing. It does nothing for one who is not held.
func (s *Shard) Resume(sub uint32, name string, after uint64) {
	l := s.find(sub, name)
	if l == 0 {
		return
	}
	r := s.tab[s.links.at(l).room]
	m := &r.members[s.links.at(l).pos]
	if m.link&held == 0 {
		return
	}
	m.link &^= held
	from := m.at(r)
	s.replayed(r, m, after)
	if after > r.log.last {
		r.isAhead(m, after)
	}
	s.drain(r, m, sub)
	s.moved(r, from, m.at(r))
}

// replayed moves a member past what it was given otherwise, of what is in the log.
// If that ends within a batch, the batch is divided there.
func (s *Shard) replayed(r *room, m *member, after uint64) {
	to := r.log.behind(m.at(r), after)
	s.logBytes += r.log.divide(s, r.enc, to)
	s.stats.Skipped[SkipReplayed] += to - m.at(r)
	m.to(to)
}

// isAhead notes that a member was given what comes up to the offset after.
func (r *room) isAhead(m *member, after uint64) {
	m.link |= isAhead
	if r.ahead == nil {
		r.ahead = &ahead{most: after}
	}
	if a := r.ahead; a.most != after {
		if a.odd == nil {
			a.odd = make(map[uint32]uint64)
		}
		a.odd[m.id()] = after
	}
}

// passOver moves the members that were given the newest frame's messages, or some of
// them, before they were published past these.
func (s *Shard) passOver(r *room) {
	if r.ahead == nil {
		return
	}
	left := false
	for i := range r.members {
		m := &r.members[i]
		if m.link&isAhead == 0 {
			continue
		}
		after, odd := r.ahead.odd[m.id()]
		if !odd {
			after = r.ahead.most
		}
		s.replayed(r, m, after)
		if r.log.last < after {
			left = true
			continue
		}
		m.link &^= isAhead
		delete(r.ahead.odd, m.id())
	}
	if !left {
		r.ahead = nil
	}
}

// forgetAhead is for a link that is gone.
func (r *room) forgetAhead(link uint32) {
	if r.ahead != nil {
		delete(r.ahead.odd, link)
	}
}
