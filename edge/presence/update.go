// What the store is sent of a room, and what its answer means. All under the
// stripe's lock.

package presence

import (
	"slices"
	"time"

	"barrage/internal/broker"
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
		g.partialUpdate(r, &u)
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

// partialUpdate sends a big room's counts, and now and then its newest users.
func (g *Registry) partialUpdate(r *room, u *Update) {
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
		u.Set = append(u.Set, g.entry(r, m))
	}
}

// wholeUpdate sends the users that came, and those that have been gone for long enough.
func (g *Registry) wholeUpdate(r *room, u *Update, age time.Duration) {
	u.Users = int(r.users)
	for m := range r.oldestFirst() {
		if u.Full || !m.is(isSent) || m.is(isOutdated) {
			u.Set = append(u.Set, g.entry(r, m))
			m.set(isSent)
			m.clear(isOutdated)
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
				u.Set = append(u.Set, Entry{l.user, g.unixMilli(l.since), l.status})
			}
		}
	}
}

// addViewers takes the next users that the store does not have among the bucket's
// viewers; in a new bucket that is all of them.
func (g *Registry) addViewers(r *room, u *Update, age time.Duration) {
	u.Bucket = g.bucket(age)
	if _, ofUser := broker.UserOf(r.name); ofUser {
		if r.work != nil {
			r.work.unseen = nil // nobody asks for its viewers
		}
		return
	}
	if r.bucket != uint16(u.Bucket) {
		r.bucket = uint16(u.Bucket)
		r.clear(isKept)
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
	if len(u.Viewers) > 0 && !r.is(isKept) {
		u.Begin = g.begun.take(u.Bucket, u.Viewers)
	}
}

func (g *Registry) bucket(age time.Duration) int64 {
	return g.started.Add(age).Unix() / int64(g.cfg.ViewerBucket/time.Second)
}

// onFigure takes in the store's answer to an update.
func (g *Registry) onFigure(s *stripe, r *room, u *Update, f *Figure) {
	if !f.Began {
		g.begun.giveBack(u.Bucket, u.Begin)
	}
	if f.Kept && r.bucket == uint16(u.Bucket) {
		r.set(isKept)
	}
	switch {
	case u.Gone:
		r.version = 0
		// The members of other nodes are told that the last one here left, and the counts.
		r.otherUsers, r.otherConns = uint32(max(0, f.Users)), uint32(max(0, f.Connections))
		g.resolve(r, f.Elsewhere)
	case f.Resync:
		g.resend(s, r)
		return
	default:
		r.version = u.Version
		r.otherUsers = uint32(max(0, f.Users-u.Users))
		r.otherConns = uint32(max(0, f.Connections-u.Connections))
		g.reassure(r, u, f)
		g.confirm(r, u, f.Elsewhere)
		g.resolve(r, f.Elsewhere)
		g.depart(r, f.Departed)
	}
	if !r.is(isQuiet) {
		s.activate(r)
	}
	if r.work != nil && (r.work.unseen != nil || len(r.work.leaving) > 0) {
		s.markDirty(r) // the next part; or the end of a grace
	}
	r.tidy()
	s.reap(r)
}

// resend has everything sent again, the questions included.
func (g *Registry) resend(s *stripe, r *room) {
	r.set(isStale)
	s.markDirty(r)
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

// reassure has the list fetched again if this node told something that the store had
// not confirmed, or if other nodes may have told that its users left.
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

// confirm lets this node tell of the users that no other node has told of.
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

// resolve ends the wait of the leavers that the store was asked about.
func (g *Registry) resolve(r *room, elsewhere []string) {
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

// depart notes the users that were lost with a dead node.
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

// onNoFigure takes in that there was no answer: users whose grace is over are gone by
// this node's word alone, and whatever the store has now is to be replaced.
func (g *Registry) onNoFigure(s *stripe, r *room) {
	g.resend(s, r)
	r.withoutStore()
}

// withoutStore frees what otherwise the store's answer does, and gives up a room that is
// empty, as its lease will end by itself.
func (r *room) withoutStore() {
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
