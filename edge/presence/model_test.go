package presence

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestModel compares the registry with a naive model, and a client that follows
// the announcements with who is really there.
func TestModel(t *testing.T) {
	setChecks(t, 1000) // most walks are short
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		room := func(t *rapid.T) *modelRoom { return m.rooms[rapid.IntRange(0, len(m.rooms)-1).Draw(t, "room")] }
		who := func(t *rapid.T) int { return rapid.IntRange(0, 13).Draw(t, "user") }
		t.Repeat(map[string]func(*rapid.T){
			"join":      func(t *rapid.T) { m.join(t, room(t), who(t)) },
			"leave":     func(t *rapid.T) { m.leave(t, room(t), who(t)) },
			"anonymous": func(t *rapid.T) { m.anonymous(room(t), rapid.IntRange(-9, 9).Draw(t, "connections")) },
			"time":      func(t *rapid.T) { m.clock.add(time.Duration(rapid.IntRange(1, 2500).Draw(t, "ms")) * time.Millisecond) },
			"due":       func(t *rapid.T) { m.due(t) },
			"settle": func(t *rapid.T) {
				m.clock.add(m.g.cfg.Grace)
				m.due(t)
				for _, r := range m.rooms {
					if r.follows && !maps.Equal(r.client, r.present()) {
						t.Fatalf("%s: the client believes in %v, there are %v", r.name, r.client, r.present())
					}
				}
			},
			"": func(t *rapid.T) { m.check(t) },
		})
	})
}

// setChecks sets rapid's number of checks for one test, unless the command line
// does.
func setChecks(t *testing.T, n int) {
	f := flag.Lookup("rapid.checks")
	was := f.Value.String()
	if was != f.DefValue {
		return
	}
	if err := f.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(was) })
}

type model struct {
	clock *clock
	g     *Registry
	rooms []*modelRoom
}

type modelRoom struct {
	name    string
	conns   map[string]int
	order   []string // by first join
	nobody  int      // anonymous connections
	left    map[string]time.Time
	client  map[string]bool // what a client believes
	follows bool            // it gets events, not summaries
}

func newModel(t *rapid.T) *model {
	c := newClock()
	g, err := New(Config{Now: c.now, ExactLimit: 8, NewestLimit: 3, EventLimit: 5, Grace: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	m := &model{clock: c, g: g}
	for _, name := range []string{"r0", "r1"} {
		m.rooms = append(m.rooms, &modelRoom{name: name, conns: make(map[string]int), left: make(map[string]time.Time),
			client: make(map[string]bool), follows: true})
	}
	return m
}

func (r *modelRoom) present() map[string]bool {
	set := make(map[string]bool)
	for _, id := range r.order {
		set[id] = true
	}
	return set
}

func (r *modelRoom) total() int {
	n := r.nobody
	for _, c := range r.conns {
		n += c
	}
	return n
}

func (m *model) join(t *rapid.T, r *modelRoom, n int) {
	u := user(n)
	first := r.conns[u.ID] == 0
	r.conns[u.ID]++
	if first {
		r.order = append(r.order, u.ID)
	}
	if got := m.g.Join(r.name, u); got != first {
		t.Fatalf("Join(%s) is %v", u.ID, got)
	}
}

func (m *model) leave(t *rapid.T, r *modelRoom, n int) {
	id := user(n).ID
	last := r.conns[id] == 1
	if r.conns[id] > 0 {
		r.conns[id]--
	}
	if last {
		delete(r.conns, id)
		r.order = slices.DeleteFunc(r.order, func(s string) bool { return s == id })
		r.left[id] = m.clock.now()
	}
	if got := m.g.Leave(r.name, id); got != last {
		t.Fatalf("Leave(%s) is %v", id, got)
	}
}

func (m *model) anonymous(r *modelRoom, n int) {
	for ; n > 0; n-- {
		r.nobody++
		m.g.Join(r.name, nil)
	}
	for ; n < 0 && r.nobody > 0; n++ {
		r.nobody--
		m.g.Leave(r.name, "")
	}
}

// due lets the clients follow the announcements. None may be superfluous.
func (m *model) due(t *rapid.T) {
	rooms := make(map[string]*modelRoom)
	for _, r := range m.rooms {
		rooms[r.name] = r
	}
	now := m.clock.now()
	for _, c := range m.g.Due(now) {
		r := rooms[c.Room]
		if c.Count != len(r.order) || c.Connections != r.total() {
			t.Fatalf("%+v: want %d users, %d connections", c, len(r.order), r.total())
		}
		switch {
		case c.Kind == Summary:
			r.follow(m.g, c)
		case !r.follows:
			t.Fatalf("%s %s in a big room", c.Kind, c.User.ID)
		case r.client[c.User.ID] == (c.Kind == Join):
			t.Fatalf("%s %s changes nothing", c.Kind, c.User.ID)
		case c.Kind == Leave && now.Sub(r.left[c.User.ID]) < m.g.cfg.Grace:
			t.Fatalf("leave %s within the grace", c.User.ID)
		case c.Kind == Leave:
			delete(r.client, c.User.ID)
		default:
			r.client[c.User.ID] = true
		}
	}
	for _, r := range m.rooms {
		r.believable(t, now, m.g.cfg)
	}
}

func (r *modelRoom) follow(g *Registry, c Change) {
	r.follows = c.Exact
	if c.Exact {
		clear(r.client)
		for _, e := range g.List(r.name, -1).Users {
			r.client[e.User.ID] = true
		}
	}
}

// believable asserts what holds after each Due: nobody is missing, and who is
// too many left within the grace.
func (r *modelRoom) believable(t *rapid.T, now time.Time, cfg Config) {
	size := max(len(r.order), r.total()/connsPerUser)
	if size > cfg.EventLimit && r.follows || size <= cfg.EventLimit*3/4 && !r.follows {
		t.Fatalf("%s: size %d, events %v", r.name, size, r.follows)
	}
	if !r.follows {
		return
	}
	present := r.present()
	for id := range present {
		if !r.client[id] {
			t.Fatalf("%s: nobody told of %s", r.name, id)
		}
	}
	for id := range r.client {
		if !present[id] && now.Sub(r.left[id]) >= cfg.Grace {
			t.Fatalf("%s: nobody told that %s left", r.name, id)
		}
	}
}

// check compares counts and lists.
func (m *model) check(t *rapid.T) {
	for _, r := range m.rooms {
		if users, conns := m.g.Count(r.name); users != len(r.order) || conns != r.total() {
			t.Fatalf("%s: %d users, %d connections, want %d, %d", r.name, users, conns, len(r.order), r.total())
		}
		want := slices.Clone(r.order)
		slices.Reverse(want)
		if len(want) > m.g.cfg.ExactLimit {
			want = want[:m.g.cfg.NewestLimit]
		}
		l := m.g.List(r.name, -1)
		if got := ids(l.Users); fmt.Sprint(got) != fmt.Sprint(want) || l.Total != len(r.order) || l.Connections != r.total() {
			t.Fatalf("%s: list %v, %d, %d, want %v, %d, %d", r.name, got, l.Total, l.Connections, want, len(r.order), r.total())
		}
	}
}
