// What users say of themselves in a room: a status, and small data beside it.

package presence

import (
	"encoding/json"
	"time"

	"barrage/internal/bounds"
)

// Status is what a user says of themselves in a room, which holds until they have left. It
// is never changed. One that says nothing takes back an earlier one.
type Status struct {
	Text string
	Data json.RawMessage // compact; nil: none
	At   int64           // when it was said, in milliseconds since the Unix epoch: of two the later holds
}

// Newer is the later of two, either of which may be nil.
func (s *Status) Newer(other *Status) *Status {
	if s == nil || other != nil && other.At > s.At {
		return other
	}
	return s
}

// stated is a member's status, and when the room was told of it.
type stated struct {
	*Status
	told  time.Duration
	again bool // it was told at least once
}

// SetStatus notes what a user says of themselves in a room, for the others to be told of in
// Due: of many things said in bounds.StatusInterval they are told the last. It returns false
// if the user is not there.
func (g *Registry) SetStatus(name, user string, text string, data json.RawMessage) bool {
	now := g.age()
	return g.state(name, user, func(s *stripe, r *room, m *member) {
		st := &Status{Text: text, Data: data, At: g.unixMilli(now)}
		if before := r.status(m); before != nil {
			st.At = max(st.At, before.At+1)
		}
		r.setStatus(m, st)
		m.set(isChanged)
		g.mark(s, r)
	})
}

// HeardStatus notes what a user of this node said on another one, whose room was told of it.
func (g *Registry) HeardStatus(name, user string, st *Status) {
	g.state(name, user, func(s *stripe, r *room, m *member) {
		if r.status(m).Newer(st) == st {
			r.setStatus(m, st)
			g.mark(s, r)
		}
	})
}

// state calls f under the lock if the user is there.
func (g *Registry) state(name, user string, f func(*stripe, *room, *member)) (there bool) {
	s := g.stripes.Of(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[name]
	if r == nil {
		return false
	}
	m := r.find(user)
	if m != nil {
		f(s, r, m)
	}
	return m != nil
}

// status is a member's, nil if nothing was said.
func (r *room) status(m *member) *Status {
	if r.work == nil || r.work.states[m] == nil {
		return nil
	}
	return r.work.states[m].Status
}

func (r *room) setStatus(m *member, st *Status) {
	w := r.todo()
	if w.states == nil {
		w.states = make(map[*member]*stated)
	}
	if w.states[m] == nil {
		w.states[m] = new(stated)
	}
	w.states[m].Status = st
	m.set(isOutdated)
}

// takeStatus forgets a member's, for a leaver to keep.
func (r *room) takeStatus(m *member) *Status {
	st := r.status(m)
	if st != nil {
		delete(r.work.states, m)
		if len(r.work.states) == 0 {
			r.work.states = nil
		}
	}
	return st
}

// tellStatus tells of a member's, if that is due. again asks for another look.
func (r *room) tellStatus(m *member, age time.Duration, out []Change) (_ []Change, again bool) {
	if !m.is(isChanged) {
		return out, false
	}
	st := r.work.states[m]
	if st.again && age-st.told < bounds.StatusInterval {
		return out, true
	}
	st.told, st.again = age, true
	m.clear(isChanged)
	c := r.change(Restate, m.user)
	c.Status = st.Status
	return append(out, c), false
}
