// Members that are held, until they have been given what they missed.

package fanout

// wait says that a member was given the messages up to an offset, of which some
// may still come: what it was given was read from a history that can be ahead of
// Publish.
type wait struct {
	next  *wait // in room.waits
	after uint64
	link  uint32
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
		r.waits = &wait{next: r.waits, after: after, link: l}
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

// passOver moves the members that were given the newest frame's messages, or some of
// them, before they were published past these.
func (s *Shard) passOver(r *room) {
	for p := &r.waits; *p != nil; {
		w := *p
		s.replayed(r, &r.members[s.links.at(w.link).pos], w.after)
		if r.log.last >= w.after {
			*p = w.next
		} else {
			p = &w.next
		}
	}
}

// unwait forgets what a member that is gone was waiting for.
func (r *room) unwait(link uint32) {
	for p := &r.waits; *p != nil; p = &(*p).next {
		if (*p).link == link {
			*p = (*p).next
			return
		}
	}
}
