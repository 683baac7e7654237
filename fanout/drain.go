// What goes to one subscriber beside the passes: it had to wait, and need not any more.

package fanout

import "math"

// Drained continues with a subscriber whose socket takes bytes again. As many at once
// as there is a slice for; Work goes on with the others, so that a thousand of them do
// not keep the passes waiting.
func (s *Shard) Drained(sub uint32) {
	if !s.proceed(sub) {
		s.wake()
	}
}

// SendAll sends a subscriber all that its socket takes, however much: for one that is to
// be closed.
func (s *Shard) SendAll(sub uint32) {
	credit := s.credit
	s.credit = math.MaxInt
	s.proceed(sub)
	s.credit = credit
}

// catchUp goes on with those that are late, as far as a slice goes.
func (s *Shard) catchUp() {
	s.credit = s.hub.cfg.SliceSends
	n := 0
	for ; n < len(s.late) && s.credit > 0; n++ {
		s.proceed(s.late[n])
		s.credit-- // as it may need nothing any more, or be gone
	}
	if n > 0 {
		s.late = s.late[:copy(s.late, s.late[n:])]
		if len(s.late) == 0 && cap(s.late) > 4096 {
			s.late = nil // a burst must not be kept for ever
		}
	}
}

// proceed sends a subscriber what its socket takes, or returns false if the credit does
// not go so far: then it is late.
func (s *Shard) proceed(sub uint32) bool {
	for l := s.links.first(sub); l != 0; l = s.links.At(l).next {
		link := s.links.At(l)
		st := s.streamOf(l)
		m := &st.members[link.member]
		if m.at(st) == st.log.head || m.link&held != 0 {
			continue
		}
		from := m.at(st)
		done := s.drain(st, m, sub)
		s.noteMoved(st, from, m.at(st))
		if !done {
			return false
		}
		if s.sink.Blocked(sub) {
			break
		}
	}
	return true
}

// drain sends a member all that its socket takes and there is credit for. Without
// enough, the subscriber is late.
func (s *Shard) drain(st *stream, m *member, sub uint32) (done bool) {
	for num, sent := m.at(st), 0; num != st.log.head && !s.sink.Blocked(sub); {
		if s.credit <= 0 {
			s.late = append(s.late, sub)
			return false
		}
		num, sent = s.flush(st, m, sub, num)
		s.credit -= price(sent)
	}
	return true
}
