// What the store is sent of a room, and what its answer means. All under the
// stripe's lock.

package presence

import (
	"slices"
	"time"
)

// viewersPerUpdate bounds how many viewers one update adds.
const viewersPerUpdate = 512

// update makes the room's next update and notes that it is under way. renew says
// that it is the room's turn even if nothing has changed.
func (g *Registry) update(r *room, pass uint32, renew bool, age time.Duration) Update {
	r.clear(isDirty)
	u := Update{Room: r.name, Previous: r.version, Ask: !r.is(isQuiet | isBig), Connections: int(r.conns)}
	partial := int(r.users) > g.cfg.ExactLimit
	u.Full = r.version == 0 || r.is(isStale) || partial != r.is(isPartial) || partial && renew
	r.clear(isStale)
	if partial {
		g.partUpdate(r, &u)
	} else {
		r.clear(isPartial)
		g.wholeUpdate(r, &u, age)
	}
	u.Gone = r.conns == 0 && u.Users == 0
	u.Version = u.Previous
	if u.Full || len(u.Set) > 0 || len(u.Removed) > 0 {
		u.Version = pass
	}
	g.addViewers(r, &u, age)
	return u
}

// partUpdate sends a big room's counts, and now and then its newest users.
func (g *Registry) partUpdate(r *room, u *Update) {
	r.set(isPartial)
	if r.work != nil {
		r.work.leaving = nil
	}
	u.Users, u.Partial = int(r.users), true
	if !u.Full {
		return
	}
	for m := range r.newestFirst() {
		if len(u.Set) == g.cfg.NewestLimit {
			break
		}
		u.Set = append(u.Set, g.entry(m))
	}
}

// wholeUpdate sends who came and who has been away for long enough.
func (g *Registry) wholeUpdate(r *room, u *Update, age time.Duration) {
	u.Users = int(r.users)
	for m := range r.oldestFirst() {
		if u.Full || !m.is(isSent) {
			u.Set = append(u.Set, g.entry(m))
			m.set(isSent)
		}
	}
	if r.work == nil {
		return
	}
	for i := range r.work.leaving {
		l := &r.work.leaving[i]
		switch {
		case l.stage != waiting:
		case age >= l.until:
			l.stage = asked
			u.Removed = append(u.Removed, l.user.ID)
		default:
			u.Users++
			if u.Full {
				u.Set = append(u.Set, Entry{l.user, g.unixMilli(l.since)})
			}
		}
	}
}

// addViewers takes the next of those whom the store does not have among the
// bucket's viewers; in a new bucket that is everybody.
func (g *Registry) addViewers(r *room, u *Update, age time.Duration) {
	u.Bucket = g.bucket(age)
	if r.bucket != uint16(u.Bucket) {
		r.bucket = uint16(u.Bucket)
		if r.newest != nil {
			r.todo().unseen = r.oldest()
		}
	}
	if r.work == nil {
		return
	}
	m := r.work.unseen
	for ; m != nil && len(u.Viewers) < viewersPerUpdate; m = r.after(m) {
		u.Viewers = append(u.Viewers, m.user.ID)
	}
	r.work.unseen = m
}

func (g *Registry) bucket(age time.Duration) int64 {
	return g.started.Add(age).Unix() / int64(g.cfg.ViewerBucket/time.Second)
}

// applied takes in the store's answer.
func (g *Registry) applied(s *stripe, r *room, u *Update, f *Figure) {
	switch {
	case u.Gone:
		r.version = 0
		// Those who are left are told of the last one's leaving, and how many they are.
		r.otherUsers, r.otherConns = uint32(max(0, f.Users)), uint32(max(0, f.Connections))
		g.settle(r, f.Elsewhere)
	case f.Resync:
		g.refused(s, r)
		return
	default:
		r.version = u.Version
		r.otherUsers = uint32(max(0, f.Users-u.Users))
		r.otherConns = uint32(max(0, f.Connections-u.Connections))
		g.reassure(r, u, f)
		g.confirm(r, u, f.Elsewhere)
		g.settle(r, f.Elsewhere)
		g.depart(r, f.Departed)
	}
	if !r.is(isQuiet) {
		s.activate(r)
	}
	if r.work != nil && (r.work.unseen != nil || len(r.work.leaving) > 0) {
		s.soil(r) // the next part; or the end of a grace
	}
	r.tidy()
	s.reap(r)
}

// refused has everything sent again, the questions included.
func (g *Registry) refused(s *stripe, r *room) {
	r.set(isStale)
	s.soil(r)
	r.bucket = uint16(g.bucket(g.age())) - 1
	if r.work == nil {
		return
	}
	for i := range r.work.leaving {
		if l := &r.work.leaving[i]; l.stage == asked {
			l.stage = waiting
		}
	}
}

// reassure has the list fetched again if this node told something that was only
// its own word, or if others may have told that its users left.
func (g *Registry) reassure(r *room, u *Update, f *Figure) {
	again := r.is(isDoubtful)
	r.clear(isDoubtful)
	if f.Fresh && u.Ask {
		for m := range r.oldestFirst() {
			again = again || m.is(isTold)
		}
	}
	if again && !r.is(isQuiet|isBig) {
		r.todo().refetch = true
	}
}

// confirm lets those be told of whom no other node has told.
func (g *Registry) confirm(r *room, u *Update, elsewhere []string) {
	if !u.Ask {
		return
	}
	for _, e := range u.Set {
		m := r.find(e.User.ID)
		switch {
		case m == nil || m.is(isTold):
		case slices.Contains(elsewhere, e.User.ID):
			m.set(isTold)
		default:
			m.set(isSure)
		}
	}
}

// settle ends the wait of those about whom the store was asked.
func (g *Registry) settle(r *room, elsewhere []string) {
	if r.work == nil {
		return
	}
	r.work.leaving = slices.DeleteFunc(r.work.leaving, func(l leaver) bool {
		return l.stage == asked && (!l.told || slices.Contains(elsewhere, l.user.ID) || r.is(isQuiet|isBig))
	})
	for i := range r.work.leaving {
		if l := &r.work.leaving[i]; l.stage == asked {
			l.stage = gone
		}
	}
}

// depart notes who was lost with a dead node.
func (g *Registry) depart(r *room, users []*User) {
	if r.is(isQuiet | isBig) {
		return
	}
	for _, u := range users {
		if r.find(u.ID) == nil && len(r.todo().departed) < g.cfg.ExactLimit {
			r.work.departed = append(r.work.departed, u)
		}
	}
}

// failed takes in that there was no answer: this node's word must do for those
// whose grace is over, and whatever the store has now is to be replaced.
func (g *Registry) failed(s *stripe, r *room) {
	g.refused(s, r)
	r.alone()
}

// alone frees what only the store's answer would, and forgets a room that is
// empty: the lease does.
func (r *room) alone() {
	if r.work != nil && r.is(isQuiet|isBig) && len(r.work.leaving) > 0 {
		r.work.leaving = nil
		r.set(isStale)
	}
	if r.conns == 0 {
		r.version = 0
		if r.work == nil || len(r.work.leaving) == 0 {
			r.otherUsers, r.otherConns = 0, 0
		}
	}
}
