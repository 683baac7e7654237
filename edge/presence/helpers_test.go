// A clock to turn by hand, a store in memory whose leases go by it, and what the
// tests look at.

package presence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Unix(1_800_000_000, 0)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func newRegistry(t testing.TB, cfg Config) *Registry {
	t.Helper()
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func user(n int) *User { return &User{ID: fmt.Sprint("u", n)} }

// told renders what Due returns.
func told(changes []Change) []string {
	out := []string{}
	for _, c := range changes {
		switch {
		case c.Kind != Summary:
			out = append(out, fmt.Sprint(c.Kind, " ", c.User.ID))
		case c.Exact:
			out = append(out, fmt.Sprint("exact ", c.Count))
		default:
			s := fmt.Sprint("summary ", c.Count, "/", c.Connections)
			for _, u := range c.Joined {
				s += " " + u.ID
			}
			out = append(out, s)
		}
	}
	return out
}

func wantTold(t testing.TB, got []Change, want ...string) {
	t.Helper()
	if g := told(got); !slices.Equal(g, want) {
		t.Errorf("told %q, want %q", g, want)
	}
}

func ids(users []Entry) []string {
	out := []string{}
	for _, e := range users {
		out = append(out, e.User.ID)
	}
	return out
}

var errFake = errors.New("fake store is down")

// fakeStore does what the interface says, in the plainest way.
type fakeStore struct {
	clock *clock
	lease time.Duration

	mu    sync.Mutex
	fails map[string]bool                 // by node
	syncs int                             // answered
	rooms map[string]map[string]*fakeNode // room, node
	seen  map[string]map[string]bool      // room and bucket, user
	last  map[string]time.Time            // user
	sizes map[string]int                  // largest update seen, by what

	failed, resyncs map[string]int // calls, updates; by node
}

type fakeNode struct {
	version      uint32
	ends         time.Time
	users, conns int
	partial      bool
	entries      map[string]Entry
}

func newFakeStore(c *clock) *fakeStore {
	s := &fakeStore{clock: c, lease: 15 * time.Second, last: make(map[string]time.Time), sizes: make(map[string]int), fails: make(map[string]bool), failed: make(map[string]int), resyncs: make(map[string]int)}
	s.empty()
	return s
}

func (s *fakeStore) empty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rooms, s.seen = make(map[string]map[string]*fakeNode), make(map[string]map[string]bool)
}

func (s *fakeStore) fail(yes bool, nodes ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range nodes {
		s.fails[n] = yes
	}
}

// node is the store as one node sees it.
func (s *fakeStore) node(name string) Store { return fakeLink{s, name} }

type fakeLink struct {
	*fakeStore
	name string
}

func (l fakeLink) Sync(_ context.Context, updates []Update, exact int) ([]Figure, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fails[l.name] {
		l.failed[l.name]++
		return nil, errFake
	}
	l.syncs++
	l.sizes["rooms"] = max(l.sizes["rooms"], len(updates))
	figures := make([]Figure, len(updates))
	rooms := make(map[string]bool)
	for i := range updates {
		if rooms[updates[i].Room] {
			return nil, errors.New("a room twice in one Sync")
		}
		rooms[updates[i].Room] = true
		figures[i] = l.sync(&updates[i], exact)
	}
	return figures, nil
}

func (l fakeLink) Saw(_ context.Context, seen []Seen, _ time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fails[l.name] {
		return errFake
	}
	for _, s := range seen {
		if s.At.After(l.last[s.User]) {
			l.last[s.User] = s.At
		}
	}
	return nil
}

func (l fakeLink) LastSeen(_ context.Context, user string) (time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fails[l.name] {
		return time.Time{}, errFake
	}
	return l.last[user], nil
}

func (l fakeLink) sync(u *Update, exact int) Figure {
	nodes := l.rooms[u.Room]
	if nodes == nil {
		nodes = make(map[string]*fakeNode)
		l.rooms[u.Room] = nodes
	}
	n := nodes[l.name]
	if n == nil {
		n = &fakeNode{entries: make(map[string]Entry)}
	}
	if u.Full && !u.Gone && n.version >= u.Version || (!u.Full || u.Gone) && n.version != u.Previous {
		l.resyncs[l.name]++
		return Figure{Resync: true}
	}
	now := l.clock.now()
	if u.Over {
		n.ends = now
		return Figure{}
	}
	var f Figure
	for name, other := range nodes {
		f.Fresh = f.Fresh || name != l.name && other.ends.After(now) && !n.ends.After(now)
	}
	l.apply(nodes, n, u, now, &f)
	if u.Ask {
		for _, e := range u.Set {
			if l.elsewhere(nodes, e.User.ID, now) {
				f.Elsewhere = append(f.Elsewhere, e.User.ID)
			}
		}
		for _, id := range u.Removed {
			if l.elsewhere(nodes, id, now) {
				f.Elsewhere = append(f.Elsewhere, id)
			}
		}
	}
	for name, dead := range nodes {
		if dead.ends.After(now) {
			continue
		}
		delete(nodes, name)
		for id, e := range dead.entries {
			if mine := nodes[l.name]; u.Ask && !l.elsewhere(nodes, id, now) && (mine == nil || mine.entries[id].User == nil) {
				f.Departed = append(f.Departed, e.User)
			}
		}
	}
	list := l.list(u.Room, exact)
	f.Users, f.Connections = list.Total, list.Connections
	return f
}

func (l fakeLink) apply(nodes map[string]*fakeNode, n *fakeNode, u *Update, now time.Time, f *Figure) {
	if u.Full {
		clear(n.entries)
	}
	for _, e := range u.Set {
		n.entries[e.User.ID] = e
	}
	for _, id := range u.Removed {
		delete(n.entries, id)
	}
	n.version, n.ends = u.Version, now.Add(l.lease)
	n.users, n.conns, n.partial = u.Users, u.Connections, u.Partial
	nodes[l.name] = n
	if u.Gone {
		delete(nodes, l.name)
	}
	key := fmt.Sprint(u.Room, u.Bucket)
	if l.seen[key] == nil && u.Begin != "" {
		l.seen[key] = make(map[string]bool)
		f.Began = true
	}
	f.Kept = l.seen[key] != nil && len(u.Viewers) > 0
	for _, id := range u.Viewers {
		if f.Kept {
			l.seen[key][id] = true
		}
	}
}

func (l fakeLink) elsewhere(nodes map[string]*fakeNode, id string, now time.Time) bool {
	for name, n := range nodes {
		if name != l.name && n.ends.After(now) && n.entries[id].User != nil {
			return true
		}
	}
	return false
}

// list adds up. The caller holds mu.
func (s *fakeStore) list(room string, exact int) List {
	l := List{Complete: true}
	users := make(map[string]Entry)
	for _, n := range s.rooms[room] {
		if !n.ends.After(s.clock.now()) {
			continue
		}
		l.Total += n.users
		l.Connections += n.conns
		l.Complete = l.Complete && !n.partial
		for id, e := range n.entries {
			e.Status = e.Status.Newer(users[id].Status)
			users[id] = e
		}
	}
	for _, e := range users {
		l.Users = append(l.Users, e)
	}
	sortNewest(l.Users)
	if l.Complete = l.Complete && l.Total <= exact; l.Complete {
		l.Total = len(l.Users)
	}
	return l
}

func (l fakeLink) List(_ context.Context, room string, exact int, names bool) (List, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fails[l.name] {
		return List{}, errFake
	}
	list := l.list(room, exact)
	if !names {
		list.Users, list.Complete = nil, false
	}
	return list, nil
}

func (l fakeLink) Rooms(context.Context, string, func(string) bool) error {
	return errors.New("not in the model")
}

func (l fakeLink) Viewers(_ context.Context, room string, from, to int64) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make(map[string]bool)
	for b := from; b <= to; b++ {
		for id := range l.seen[fmt.Sprint(room, b)] {
			all[id] = true
		}
	}
	return len(all), nil
}
