// What of joining and leaving is to be announced: events in small rooms,
// summaries in big ones.

package presence

import "time"

// connsPerUser connections make a room as big as one user does.
const connsPerUser = 8

// Kind is what a Change says.
type Kind uint8

// The kinds.
const (
	Join    Kind = 1 + iota // User is here
	Leave                   // User is not here any more
	Summary                 // only counts, and some of the newest users
	Restate                 // User has another Status
)

func (k Kind) String() string {
	switch k {
	case Join:
		return "join"
	case Leave:
		return "leave"
	case Summary:
		return "summary"
	case Restate:
		return "restate"
	}
	return "unknown"
}

// A Change is something to announce to a room. A Join, a Leave, a Restate and an Exact
// Summary are for the members on all nodes, another Summary is for those on this
// one, as each node makes its own.
type Change struct {
	Room        string
	Kind        Kind
	User        *User   // of Join, Leave and Restate
	Status      *Status // of Join and Restate; nil: none
	Joined      []*User // of Summary: some who joined since the last one, not all
	Exact       bool    // of Summary: clients that keep a list fetch it now
	Count       int     // users in the room
	Connections int
}

// Due returns what is to be announced now, leaves before joins in each room. One
// goroutine calls it, every 100 ms or so: it looks only at rooms in which
// something happened.
func (g *Registry) Due(now time.Time) []Change {
	age := now.Sub(g.started)
	var out []Change
	for s := range g.stripes.All() {
		s.mu.Lock()
		active := s.active
		s.active = active[:0]
		for _, r := range active {
			var again bool
			if out, again = g.due(r, age, out); again {
				s.active = append(s.active, r)
				continue
			}
			r.clear(isActive)
			r.tidy()
			s.reap(r)
		}
		clear(active[len(s.active):])
		s.active = reuse(s.active)
		s.mu.Unlock()
	}
	return out
}

// due appends what is to be told of one room. again asks for another look.
func (g *Registry) due(r *room, age time.Duration, out []Change) (_ []Change, again bool) {
	switch size := r.size(); {
	case size > g.cfg.EventLimit:
		g.grow(r)
	case r.is(isBig) && size <= g.cfg.EventLimit*3/4, // not back and forth at the limit
		!r.is(isBig) && r.work != nil && r.work.refetch:
		out = append(out, g.shrink(r))
	}
	if r.is(isBig) {
		return g.summarize(r, age, out)
	}
	before, down := len(out), g.clustered() && g.down.Load()
	out, again = g.tellLeaves(r, age, down, out)
	for m := range r.oldestFirst() {
		switch {
		case m.is(isTold):
			var later bool
			out, later = r.tellStatus(m, age, out)
			again = again || later
		case !g.clustered() || down || m.is(isSure):
			out = append(out, r.tellJoin(m, age))
		default:
			again = true
		}
	}
	if down && len(out) > before {
		r.set(isDoubtful)
	}
	return out, again
}

// tellJoin is a join, of a member that may have said something since.
func (r *room) tellJoin(m *member, age time.Duration) Change {
	m.set(isTold)
	m.clear(isChanged)
	c := r.change(Join, m.user)
	if c.Status = r.status(m); c.Status != nil {
		r.work.states[m].told, r.work.states[m].again = age, true
	}
	return c
}

// size is what decides about events or summaries.
func (r *room) size() int {
	users, conns := r.totals()
	return max(users, conns/connsPerUser)
}

func (r *room) change(k Kind, u *User) Change {
	users, conns := r.totals()
	return Change{Room: r.name, Kind: k, User: u, Count: users, Connections: conns}
}

// tellLeaves tells of users whose grace is over and that are in the room nowhere else.
func (g *Registry) tellLeaves(r *room, age time.Duration, down bool, out []Change) (_ []Change, again bool) {
	w := r.work
	if w == nil {
		return out, false
	}
	alone := down || !g.clustered()
	kept := w.leaving[:0]
	for _, l := range w.leaving {
		if l.stage == asked || l.stage == waiting && (age < l.until || !alone) {
			kept = append(kept, l)
			continue
		}
		if l.stage == waiting && g.clustered() {
			r.set(isStale) // the store has not been told, and nothing here remembers to
		}
		if l.told {
			out = append(out, r.change(Leave, l.user))
		}
	}
	clear(w.leaving[len(kept):])
	w.leaving = kept
	for _, u := range w.departed {
		out = append(out, r.change(Leave, u))
	}
	w.departed = nil
	return out, len(kept) > 0
}

// grow ends the events of a room.
func (g *Registry) grow(r *room) {
	if r.is(isBig) {
		return
	}
	r.set(isBig)
	w := r.todo()
	w.departed = nil
	if !g.clustered() {
		w.leaving = nil
	}
	for m := range r.newestFirst() {
		if m.is(isTold) || len(w.sample) == g.cfg.SampleSize {
			break
		}
		w.sample = append(w.sample, m.user)
	}
}

// shrink begins them again, or anew. A client that asks for the list now gets all users
// here that the cluster knows of, so only the others are still to be told.
func (g *Registry) shrink(r *room) Change {
	r.clear(isBig)
	for m := range r.oldestFirst() {
		if !g.clustered() || m.is(isSent) {
			m.set(isTold)
			if !g.clustered() || !m.is(isOutdated) {
				m.clear(isChanged)
			}
		} else {
			m.clear(isTold)
		}
	}
	w := r.todo()
	for i := range w.leaving {
		w.leaving[i].told = true
	}
	w.joined, w.sample, w.summary, w.refetch = 0, nil, summary{}, false
	c := r.change(Summary, nil)
	c.Exact = true
	return c
}

// summarize tells of a big room if it is time and there is something to tell.
func (g *Registry) summarize(r *room, age time.Duration, out []Change) (_ []Change, again bool) {
	w := r.todo()
	users, conns := r.totals()
	if w.joined == 0 && w.summary.told && w.summary.users == users && w.summary.conns == conns {
		return out, false
	}
	if w.summary.told && age-w.summary.at < g.summaryInterval(r.size()) {
		return out, true
	}
	c := r.change(Summary, nil)
	if users <= g.cfg.SampleLimit {
		c.Joined = w.sample
	}
	w.joined, w.sample = 0, nil
	w.summary = summary{at: age, users: users, conns: conns, told: true}
	return append(out, c), false
}

// summaryInterval grows with the size, so that the number of copies sent per
// second does not.
func (g *Registry) summaryInterval(size int) time.Duration {
	grown := time.Duration(float64(g.cfg.SummaryInterval) * float64(size) / float64(g.cfg.EventLimit))
	return min(max(grown, g.cfg.SummaryInterval), g.cfg.SummaryMax)
}

// noteJoin keeps a new member for the next summary. In a small room its flags
// say all.
func (g *Registry) noteJoin(r *room, m *member) {
	if r.is(isQuiet) || !r.is(isBig) || m.is(isTold) {
		return
	}
	w := r.todo()
	w.joined++
	if len(w.sample) < g.cfg.SampleSize {
		w.sample = append(w.sample, m.user)
	}
}

// noteLeave keeps a member that left until the others are told, the store among
// them.
func (g *Registry) noteLeave(r *room, m *member, now time.Duration) {
	status := r.takeStatus(m)
	announce := m.is(isTold) && !r.is(isQuiet) && !r.is(isBig)
	store := m.is(isSent) && !r.is(isPartial)
	if !announce && !store {
		return
	}
	w := r.todo()
	if len(w.leaving) >= g.cfg.ExactLimit {
		// Too much coming and going to tell one by one.
		w.leaving = nil
		if !r.is(isQuiet) {
			r.set(isBig)
		}
		if g.clustered() {
			r.set(isStale)
		}
		return
	}
	w.leaving = append(w.leaving, leaver{user: m.user, since: m.joined(), until: now + g.cfg.Grace, told: announce, status: status})
}
