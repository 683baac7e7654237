// The registry: rooms by stripe, joining and leaving, and reading.

package presence

import (
	"sync"
	"sync/atomic"
	"time"

	"barrage/internal/striped"
)

// A Registry is a node's view of which users are in which rooms. See the package's comment for
// which goroutine may call what.
type Registry struct {
	cfg     Config
	started time.Time
	stripes *striped.Set[stripe]
	lists   listCalls
	begun   begun
	seen    lastSeen

	down atomic.Bool // the store did not answer the last time
}

// A stripe is a part of the rooms. No two stripes' locks are ever held at once,
// and nothing blocks or calls out under one.
type stripe struct {
	mu sync.Mutex
	// mu guards what follows, and the rooms and members within.
	rooms   map[string]*room // nil before the first
	active  []*room          // of which Due may have something to tell
	dirty   []*room          // of which the store may not know all
	renewed time.Duration    // when all rooms were last sent to the store
}

// New returns an empty registry.
func New(cfg Config) (*Registry, error) {
	if err := cfg.prepare(); err != nil {
		return nil, err
	}
	return &Registry{cfg: cfg, started: cfg.Now(), stripes: striped.New[stripe]()}, nil
}

// age is the clock that everything here goes by.
func (g *Registry) age() time.Duration { return g.cfg.Now().Sub(g.started) }

// unixMilli turns an age into what others understand.
func (g *Registry) unixMilli(age time.Duration) int64 { return g.started.Add(age).UnixMilli() }

// clustered tells whether there are other nodes to tell.
func (g *Registry) clustered() bool { return g.cfg.Store != nil }

// Join notes one more connection in a room; u is nil if it is anonymous. It
// returns true if it is its user's first here. The registry keeps both u and the
// string.
func (g *Registry) Join(name string, u *User) (first bool) {
	now := g.age()
	s := g.stripes.Of(name)
	s.mu.Lock()
	r := s.rooms[name]
	if r == nil {
		s.mu.Unlock()
		quiet := g.cfg.Quiet(name)
		s.mu.Lock()
		r = s.room(name, quiet)
	}
	defer s.mu.Unlock()
	r.conns++
	if u != nil && u.ID != "" {
		first = g.joinUser(r, u, now)
	}
	g.mark(s, r)
	return first
}

// room returns the room, a new one if another goroutine did not just make it.
func (s *stripe) room(name string, quiet bool) *room {
	r := s.rooms[name]
	if r == nil {
		r = &room{name: name}
		if quiet {
			r.set(isQuiet)
		}
		if s.rooms == nil {
			s.rooms = make(map[string]*room)
		}
		s.rooms[name] = r
	}
	return r
}

func (g *Registry) joinUser(r *room, u *User, now time.Duration) (first bool) {
	if m := r.find(u.ID); m != nil {
		m.conns++
		if m.user != u && *m.user != *u { // a new name or avatar
			m.user = u
			m.set(isOutdated)
		}
		return false
	}
	m := newMember(u, now)
	if l, ok := r.takeLeaver(u.ID); ok {
		// A user that the store is being told to be gone may be told of twice.
		if l.told && l.stage != asked {
			m.set(isTold)
		}
		if l.stage == waiting && g.clustered() {
			m.set(isSent)
			if *l.user != *u {
				m.set(isOutdated)
			}
		}
		if l.status != nil {
			r.setStatus(m, l.status)
			m.set(isChanged)
		}
	}
	r.add(m)
	if g.clustered() && r.todo().unseen == nil {
		r.work.unseen = m
	}
	g.noteJoin(r, m)
	return true
}

// Leave takes back one Join of that user in that room, "" being an anonymous
// connection's. It returns true if the user has no other connection there. A
// Leave without its Join is ignored.
func (g *Registry) Leave(name, user string) (last bool) {
	now := g.age()
	s := g.stripes.Of(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[name]
	if r == nil || r.conns == 0 {
		return false
	}
	if user != "" {
		m := r.find(user)
		if m == nil {
			return false
		}
		if m.conns--; m.conns == 0 {
			last = true
			r.remove(m)
			g.noteLeave(r, m, now)
		}
	}
	r.conns--
	g.mark(s, r)
	s.reap(r)
	return last
}

// mark queues a room that has changed for whoever has to look at it.
func (g *Registry) mark(s *stripe, r *room) {
	if !r.is(isQuiet) {
		s.activate(r)
	}
	if g.clustered() {
		s.markDirty(r)
	}
}

func (s *stripe) activate(r *room) {
	if !r.is(isActive) {
		r.set(isActive)
		s.active = append(s.active, r)
	}
}

func (s *stripe) markDirty(r *room) {
	if !r.is(isDirty) {
		r.set(isDirty)
		s.dirty = append(s.dirty, r)
	}
}

// reuse keeps a queue's memory, unless it is empty and was long.
func reuse(queue []*room) []*room {
	if len(queue) == 0 && cap(queue) > 64 {
		return nil
	}
	return queue
}

// reap forgets the room if nothing needs it.
func (s *stripe) reap(r *room) {
	if r.idle() {
		delete(s.rooms, r.name)
	}
}

// Count returns the numbers of users and connections in a room of the cluster, as far
// as this node knows, which is well for rooms with members here only. It is cheap.
func (g *Registry) Count(name string) (users, connections int) {
	s := g.stripes.Of(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rooms[name]; r != nil {
		return r.totals()
	}
	return 0, 0
}

// An Entry is a user in a room.
type Entry struct {
	User   *User
	Joined int64   // milliseconds since the Unix epoch, to the second
	Status *Status // nil: none
}

// A List is the users in a room.
type List struct {
	Users       []Entry // newest first
	Total       int     // users
	Connections int
	Complete    bool // Users holds all of Total
}

// List returns the users in a room on this node: all if they are no more than
// Config.ExactLimit, else the newest Config.NewestLimit; in both cases at most
// limit, unless that is negative.
func (g *Registry) List(name string, limit int) List {
	s := g.stripes.Of(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[name]
	if r == nil {
		return List{Complete: true}
	}
	l := List{Total: int(r.users), Connections: int(r.conns)}
	if n := g.listed(l.Total, limit); n > 0 {
		l.Users = make([]Entry, 0, n)
		for m := range r.newestFirst() {
			l.Users = append(l.Users, g.entry(r, m))
			if len(l.Users) == n {
				break
			}
		}
	}
	l.Complete = len(l.Users) == l.Total
	return l
}

// listed is how many of a room's users a list names.
func (g *Registry) listed(users, limit int) int {
	n := users
	if users > g.cfg.ExactLimit {
		n = g.cfg.NewestLimit
	}
	if limit >= 0 {
		n = min(n, limit)
	}
	return n
}

func (g *Registry) entry(r *room, m *member) Entry {
	return Entry{m.user, g.unixMilli(m.joined()), r.status(m)}
}

// Stats are a registry's figures of this node.
type Stats struct {
	Rooms       int  // with members, or with something to tell or send
	Users       int  // a user in two rooms counts twice
	Connections int  // a connection in two rooms counts twice
	StoreDown   bool // the store did not answer the last time
}

// Stats walks over all rooms.
func (g *Registry) Stats() Stats {
	st := Stats{StoreDown: g.down.Load()}
	for s := range g.stripes.All() {
		s.mu.Lock()
		st.Rooms += len(s.rooms)
		for _, r := range s.rooms {
			st.Users += int(r.users)
			st.Connections += int(r.conns)
		}
		s.mu.Unlock()
	}
	return st
}
