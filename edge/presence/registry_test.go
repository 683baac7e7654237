package presence

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestConfigRefusesNonsense(t *testing.T) {
	tests := []struct {
		field string
		cfg   Config
	}{
		{"ExactLimit", Config{ExactLimit: 1001}},
		{"ExactLimit", Config{ExactLimit: -1}},
		{"NewestLimit", Config{ExactLimit: 10, NewestLimit: 11}},
		{"EventLimit", Config{ExactLimit: 10, EventLimit: 11}},
		{"SampleSize", Config{SampleSize: -1}},
		{"SampleLimit", Config{SampleLimit: -1}},
		{"Grace", Config{Grace: -1}},
		{"SummaryInterval", Config{SummaryInterval: 1}},
		{"SummaryMax", Config{SummaryInterval: 3 * time.Second, SummaryMax: time.Second}},
		{"SyncInterval", Config{SyncInterval: -1}},
		{"RenewInterval", Config{RenewInterval: 1}},
		{"ViewerBucket", Config{ViewerBucket: 1500 * time.Millisecond}},
	}
	for _, tt := range tests {
		t.Run(tt.field, func(t *testing.T) {
			if _, err := New(tt.cfg); err == nil || !strings.Contains(err.Error(), "presence: "+tt.field) {
				t.Errorf("New: %v, want an error about %s", err, tt.field)
			}
		})
	}
	if _, err := New(Config{ExactLimit: 3}); err != nil {
		t.Errorf("defaults do not follow ExactLimit: %v", err)
	}
}

func TestJoinAndLeave(t *testing.T) {
	type step struct {
		do           string // +user or -user
		want         bool
		users, conns int
	}
	tests := []struct {
		name  string
		steps []step
	}{
		{"one connection", []step{{"+a", true, 1, 1}, {"-a", true, 0, 0}}},
		{"two connections of one user", []step{{"+a", true, 1, 1}, {"+a", false, 1, 2}, {"-a", false, 1, 1}, {"-a", true, 0, 0}}},
		{"anonymous ones only count", []step{{"+", false, 0, 1}, {"+", false, 0, 2}, {"-", false, 0, 1}, {"-", false, 0, 0}}},
		{"mixed", []step{{"+", false, 0, 1}, {"+a", true, 1, 2}, {"-", false, 1, 1}, {"-a", true, 0, 0}}},
		{"who never joined", []step{{"-a", false, 0, 0}, {"-", false, 0, 0}, {"+b", true, 1, 1}, {"-a", false, 1, 1}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRegistry(t, Config{})
			for _, s := range tt.steps {
				id := s.do[1:]
				var got bool
				switch {
				case s.do[0] == '-':
					got = g.Leave("r", id)
				case id == "":
					got = g.Join("r", nil)
				default:
					got = g.Join("r", &User{ID: id})
				}
				users, conns := g.Count("r")
				if got != s.want || users != s.users || conns != s.conns {
					t.Fatalf("%s: %v and %d users, %d connections; want %v, %d, %d", s.do, got, users, conns, s.want, s.users, s.conns)
				}
			}
		})
	}
}

func TestList(t *testing.T) {
	tests := []struct {
		name         string
		users, limit int
		want         string
		complete     bool
	}{
		{"nobody", 0, -1, "[]", true},
		{"all, newest first", 4, -1, "[u3 u2 u1 u0]", true},
		{"at the bound", 12, -1, "[u11 u10 u9 u8 u7 u6 u5 u4 u3 u2 u1 u0]", true},
		{"beyond: the newest", 13, -1, "[u12 u11 u10]", false},
		{"limited", 4, 2, "[u3 u2]", false},
		{"limited below the newest", 13, 1, "[u12]", false},
		{"limit above what there is", 4, 9, "[u3 u2 u1 u0]", true},
		{"counts alone", 4, 0, "[]", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRegistry(t, Config{ExactLimit: 12, NewestLimit: 3})
			for i := range tt.users {
				g.Join("r", user(i))
				g.Join("r", nil)
			}
			l := g.List("r", tt.limit)
			if got := fmt.Sprint(ids(l.Users)); got != tt.want || l.Complete != tt.complete {
				t.Errorf("got %s, complete %v; want %s, %v", got, l.Complete, tt.want, tt.complete)
			}
			if l.Total != tt.users || l.Connections != 2*tt.users {
				t.Errorf("got %d users, %d connections, want %d, %d", l.Total, l.Connections, tt.users, 2*tt.users)
			}
		})
	}
}

func TestListShowsTheNewestName(t *testing.T) {
	c := newClock()
	g := newRegistry(t, Config{Now: c.now})
	c.add(90 * time.Second)
	g.Join("r", &User{ID: "a", Name: "old"})
	g.Join("r", &User{ID: "a", Name: "new", Avatar: "/a.png"})
	e := g.List("r", -1).Users[0]
	if e.User.Name != "new" || e.User.Avatar != "/a.png" {
		t.Errorf("got %+v", *e.User)
	}
	if want := c.now().UnixMilli(); e.Joined != want {
		t.Errorf("joined at %d, want %d", e.Joined, want)
	}
}

// TestStorm has many goroutines join and leave while everything else is called.
// In the end all are gone, and nothing is left.
func TestStorm(t *testing.T) {
	c := newClock()
	store := newFakeStore(c)
	g := newRegistry(t, Config{Now: c.now, Store: store.node("a"), EventLimit: 5, ExactLimit: 20, NewestLimit: 5,
		Quiet: func(room string) bool { return room == "r0" }})
	stop, others := make(chan struct{}), sync.WaitGroup{}
	background := func(f func()) {
		others.Add(1)
		go func() { // ends with stop
			defer others.Done()
			for {
				select {
				case <-stop:
					return
				default:
					f()
					runtime.Gosched()
				}
			}
		}()
	}
	y := newSyncer(g)
	background(func() { g.Due(c.now()) })
	background(func() { y.pass(t.Context()); c.add(100 * time.Millisecond) })
	background(func() { store.fail(true, "a"); store.fail(false, "a") })
	background(func() { g.List("r1", -1); g.Count("r2"); g.Stats() })
	background(func() { _, _ = g.Cluster(t.Context(), "r1", -1) })
	var loops sync.WaitGroup
	for l := range 4 {
		loops.Go(func() {
			for i := range 2000 {
				room, u := fmt.Sprint("r", i%3), user((i/3+l)%40)
				g.Join(room, u)
				g.Join(room, nil)
				if i%2 == 0 {
					g.Join(room, u)
					g.Leave(room, u.ID)
				}
				g.Leave(room, "")
				g.Leave(room, u.ID)
			}
		})
	}
	loops.Wait()
	close(stop)
	others.Wait()
	store.fail(false, "a")
	for range 5 {
		c.add(10 * time.Second)
		y.pass(t.Context())
		g.Due(c.now())
	}
	if st := g.Stats(); st.Rooms != 0 || st.Users != 0 || st.Connections != 0 {
		t.Errorf("left over: %+v", st)
	}
	for s := range g.stripes.All() {
		if len(s.active)+len(s.dirty) != 0 {
			t.Error("a stripe has rooms in its queues")
		}
	}
	for room := range store.rooms {
		if l := store.list(room, 20); l.Total != 0 || l.Connections != 0 {
			t.Errorf("the store still has %d users in %s", l.Total, room)
		}
	}
}

// TestChurnLeavesNothing is row 24 of the fault list: 100,000 rooms come and go.
func TestChurnLeavesNothing(t *testing.T) {
	c := newClock()
	g := newRegistry(t, Config{Now: c.now})
	u := user(1)
	for i := range 100_000 {
		room := fmt.Sprint("room", i)
		g.Join(room, u)
		if i%20 == 0 {
			g.Due(c.now())
		}
		g.Leave(room, u.ID)
		if i%1000 == 0 {
			c.add(5 * time.Second)
			g.Due(c.now())
		}
	}
	c.add(5 * time.Second)
	g.Due(c.now())
	if st := g.Stats(); st != (Stats{}) {
		t.Errorf("left over: %+v", st)
	}
}

// TestMemory measures what a member costs: its user, without the bytes of the
// strings, which the session has anyway.
func TestMemory(t *testing.T) {
	const members, limit = 18_000, 200
	tests := []struct {
		name  string
		room  func(i int) string
		store Store
	}{
		{"one room", func(int) string { return "room" }, nil},
		{"a room each", func(i int) string { return fmt.Sprint("room", i) }, nil},
		{"one room, clustered", func(int) string { return "room" }, echoStore{}},
		{"a room each, clustered", func(i int) string { return fmt.Sprint("room", i) }, echoStore{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			names, rooms := make([]string, members), make([]string, members)
			for i := range members {
				names[i], rooms[i] = fmt.Sprint("user-", i), tt.room(i)
			}
			g := newRegistry(t, Config{Store: tt.store})
			y := newSyncer(g)
			before := heap()
			for i := range members {
				g.Join(rooms[i], &User{ID: names[i], Name: names[i], Avatar: names[i]})
			}
			for range 1 + members/viewersPerUpdate {
				if tt.store != nil {
					y.pass(t.Context())
				}
				g.Due(time.Now())
			}
			got := float64(heap()-before) / members
			t.Logf("%.0f bytes a member, 48 of them its User", got)
			if got > limit {
				t.Errorf("%.0f bytes a member, want at most %d", got, limit)
			}
			runtime.KeepAlive(names)
			runtime.KeepAlive(rooms)
			runtime.KeepAlive(g)
		})
	}
}

// echoStore keeps nothing: each node is alone.
type echoStore struct{ Store }

func (echoStore) Sync(_ context.Context, updates []Update, _ int) ([]Figure, error) {
	figures := make([]Figure, len(updates))
	for i, u := range updates {
		figures[i] = Figure{Users: u.Users, Connections: u.Connections}
	}
	return figures, nil
}

func heap() uint64 {
	var m runtime.MemStats
	for range 2 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestCountAllocatesNothing(t *testing.T) {
	g := newRegistry(t, Config{})
	u := user(1)
	g.Join("r", u)
	if n := testing.AllocsPerRun(100, func() { g.Count("r"); g.Join("r", u); g.Leave("r", u.ID) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestRing(t *testing.T) {
	r := &room{name: "r"}
	var order []string
	for i := range 20 {
		m := newMember(user(i), 0)
		r.add(m)
		order = append(order, m.user.ID)
	}
	for _, out := range []int{19, 0, 7, 1, 18, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17} {
		id := user(out).ID
		r.remove(r.find(id))
		order = slices.DeleteFunc(order, func(s string) bool { return s == id })
		var forth, back []string
		for m := range r.oldestFirst() {
			forth = append(forth, m.user.ID)
		}
		for m := range r.newestFirst() {
			back = append(back, m.user.ID)
		}
		slices.Reverse(back)
		if !slices.Equal(forth, order) || !slices.Equal(back, order) {
			t.Fatalf("without u%d: %v forth, %v back, want %v", out, forth, back, order)
		}
		for _, id := range order {
			if r.find(id) == nil {
				t.Fatalf("%s is not found", id)
			}
		}
	}
}
