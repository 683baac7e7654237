package presence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A swarm is a few nodes on one store, and what they announced together.
type swarm struct {
	t     *testing.T
	clock *clock
	store *fakeStore
	nodes map[string]*syncer
	names []string
	got   []string
}

func newSwarm(t *testing.T, cfg Config, names ...string) *swarm {
	w := &swarm{t: t, clock: newClock(), nodes: make(map[string]*syncer)}
	w.store = newFakeStore(w.clock)
	for _, name := range names {
		w.start(name, cfg)
	}
	return w
}

func (w *swarm) start(name string, cfg Config) {
	cfg.Now, cfg.Store = w.clock.now, w.store.node(name)
	w.nodes[name] = newSyncer(newRegistry(w.t, cfg))
	w.names = append(w.names, name)
}

// kill stops a node without a word.
func (w *swarm) kill(name string) {
	w.names = slices.DeleteFunc(w.names, func(n string) bool { return n == name })
}

// run lets time pass, in ticks of 500 ms.
func (w *swarm) run(d time.Duration) {
	for ; d > 0; d -= 500 * time.Millisecond {
		for _, name := range w.names {
			w.nodes[name].pass(w.t.Context())
		}
		for _, name := range w.names {
			w.got = append(w.got, told(w.nodes[name].Due(w.clock.now()))...)
		}
		w.clock.add(500 * time.Millisecond)
	}
}

// told asserts what all nodes announced since the last call.
func (w *swarm) told(want ...string) {
	w.t.Helper()
	slices.Sort(w.got)
	slices.Sort(want)
	if !slices.Equal(w.got, want) {
		w.t.Errorf("told %q, want %q", w.got, want)
	}
	w.got = nil
}

func (w *swarm) counts(room string, users, conns int) {
	w.t.Helper()
	for _, name := range w.names {
		if u, c := w.nodes[name].Count(room); u != users || c != conns {
			w.t.Errorf("node %s counts %d users, %d connections; want %d, %d", name, u, c, users, conns)
		}
	}
}

func TestUserOnTwoNodesIsOne(t *testing.T) {
	w := newSwarm(t, Config{}, "a", "b")
	x, y := &User{ID: "x"}, &User{ID: "y"}
	w.nodes["a"].Join("r", x)
	w.nodes["b"].Join("r", y)
	w.run(time.Second)
	w.told("join x", "join y")
	w.nodes["b"].Join("r", x)
	w.run(6 * time.Second)
	w.told()
	w.counts("r", 2, 3)
	w.nodes["a"].Leave("r", "x")
	w.nodes["a"].Join("r", nil)
	w.run(9 * time.Second)
	w.told()
	w.counts("r", 2, 3)
	w.nodes["b"].Leave("r", "x")
	w.run(9 * time.Second)
	w.told("leave x")
	w.counts("r", 1, 2)
}

func TestReconnectToAnotherNodeIsNoEvent(t *testing.T) {
	w := newSwarm(t, Config{}, "a", "b")
	w.nodes["a"].Join("r", user(1))
	w.nodes["a"].Join("r", nil)
	w.nodes["b"].Join("r", nil)
	w.run(time.Second)
	w.told("join u1")
	w.nodes["a"].Leave("r", "u1")
	w.run(time.Second)
	w.nodes["b"].Join("r", user(1))
	w.run(10 * time.Second)
	w.told()
	w.counts("r", 1, 3)
	w.nodes["b"].Leave("r", "u1")
	w.run(10 * time.Second)
	w.told("leave u1")
}

func TestBothNodesLoseTheUserAtOnce(t *testing.T) {
	w := newSwarm(t, Config{}, "a", "b")
	for _, name := range []string{"a", "b"} {
		w.nodes[name].Join("r", user(1))
		w.nodes[name].Join("r", nil)
	}
	w.run(time.Second)
	w.told("join u1")
	w.nodes["a"].Leave("r", "u1")
	w.nodes["b"].Leave("r", "u1")
	w.run(10 * time.Second)
	w.told("leave u1")
	w.counts("r", 0, 2)
}

func TestDeadNodeIsForgotten(t *testing.T) {
	w := newSwarm(t, Config{}, "a", "b", "c")
	for i, name := range []string{"a", "a", "b", "c"} {
		w.nodes[name].Join("r", user(i))
	}
	w.run(6 * time.Second)
	w.told("join u0", "join u1", "join u2", "join u3")
	w.counts("r", 4, 4)
	w.kill("a")
	w.nodes["b"].Join("r", user(1)) // u1 comes back
	w.run(9 * time.Second)
	w.counts("r", 4, 5)
	w.told()
	w.run(13 * time.Second)
	w.counts("r", 3, 3)
	w.told("leave u0")
}

func TestNodeThatEndsIsForgottenAtOnce(t *testing.T) {
	w := newSwarm(t, Config{}, "a", "b")
	w.nodes["a"].Join("r", user(1))
	w.nodes["b"].Join("r", user(2))
	w.run(6 * time.Second)
	w.nodes["a"].end(t.Context())
	w.kill("a")
	w.run(6 * time.Second)
	w.counts("r", 1, 1)
	w.told("join u1", "join u2", "leave u1")
}

func TestOutage(t *testing.T) {
	w := newSwarm(t, Config{}, "a", "b")
	for i, name := range []string{"a", "a", "b"} {
		w.nodes[name].Join("r", user(i))
	}
	w.nodes["a"].Join("only here", user(1))
	w.run(6 * time.Second)
	w.told("join u0", "join u1", "join u2", "join u1")
	w.store.fail(true, "a", "b")
	w.nodes["a"].Join("r", user(5))
	w.nodes["a"].Leave("r", "u0")
	w.nodes["a"].Leave("only here", "u1")
	w.run(30 * time.Second)
	w.told("join u5", "leave u0", "leave u1") // the local view goes on
	if u, _ := w.nodes["a"].Count("r"); u != 3 {
		t.Errorf("%d users, want 2 here and the last known one elsewhere", u)
	}
	if st := w.nodes["a"].Stats(); !st.StoreDown || st.Rooms != 1 {
		t.Errorf("during the outage: %+v", st)
	}
	if n := w.store.failed["a"]; n < 3 || n > 20 {
		t.Errorf("asked %d times during the outage", n)
	}
	l, err := w.nodes["a"].Cluster(t.Context(), "r", -1)
	if !errors.Is(err, errFake) || len(l.Users) != 2 {
		t.Errorf("Cluster: %v, %v, want this node's list and the error", ids(l.Users), err)
	}
	w.store.empty()
	w.store.fail(false, "a")
	w.run(12 * time.Second)
	w.told("exact 2") // what it told in the outage was its own word
	w.store.fail(false, "b")
	w.run(12 * time.Second)
	w.told("exact 3") // by b, which finds a there and itself given up
	w.counts("r", 3, 3)
	l, err = w.nodes["b"].Cluster(t.Context(), "r", -1)
	if got := fmt.Sprint(ids(l.Users)); err != nil || !l.Complete || got != "[u5 u1 u2]" {
		t.Errorf("after it the list is %s, %v", got, err)
	}
	if st := w.nodes["a"].Stats(); st.StoreDown {
		t.Error("still down")
	}
}

// TestNodeOutOfReach: the others give it up, and it comes back.
func TestNodeOutOfReach(t *testing.T) {
	w := newSwarm(t, Config{}, "a", "b")
	w.nodes["a"].Join("r", user(1))
	w.nodes["b"].Join("r", user(2))
	w.nodes["b"].Join("r", user(1))
	w.run(6 * time.Second)
	w.told("join u1", "join u2")
	w.store.fail(true, "b")
	w.run(25 * time.Second)
	w.told("leave u2")
	if u, c := w.nodes["a"].Count("r"); u != 1 || c != 1 {
		t.Errorf("%d users, %d connections without the lost node, want 1, 1", u, c)
	}
	w.store.fail(false, "b")
	w.run(12 * time.Second)
	w.told("exact 2")
	w.counts("r", 2, 3)
}

// TestStoreForgets: it answers all the time, but what it had is gone.
func TestStoreForgets(t *testing.T) {
	w := newSwarm(t, Config{}, "a", "b")
	for i := range 40 {
		w.nodes["a"].Join(fmt.Sprint("r", i), user(i))
		w.nodes["b"].Join(fmt.Sprint("r", i), user(i+1))
	}
	w.run(6 * time.Second)
	w.store.empty()
	w.run(11 * time.Second)
	for i := range 40 {
		w.counts(fmt.Sprint("r", i), 2, 2)
	}
	if n := w.store.resyncs["a"]; n != 40 {
		t.Errorf("%d rooms sent again, want 40", n)
	}
}

func TestBigRoomInTheStore(t *testing.T) {
	w := newSwarm(t, Config{ExactLimit: 20, NewestLimit: 5, EventLimit: 10}, "a", "b")
	for i := range 30 {
		w.nodes["a"].Join("r", user(i))
		w.clock.add(time.Second)
	}
	w.nodes["b"].Join("r", user(29))
	w.run(12 * time.Second)
	w.counts("r", 31, 31) // once per node
	if n := len(w.store.rooms["r"]["a"].entries); n != 5 {
		t.Errorf("the store has %d entries of a room's node, want the newest 5", n)
	}
	l, err := w.nodes["b"].Cluster(t.Context(), "r", -1)
	if got := fmt.Sprint(ids(l.Users)); err != nil || l.Total != 31 || l.Complete || got != "[u29 u28 u27 u26 u25]" {
		t.Errorf("list %s of %d, %v", got, l.Total, err)
	}
	for i := range 25 {
		w.nodes["a"].Leave("r", user(i).ID)
	}
	w.run(12 * time.Second)
	w.counts("r", 5, 6) // exact again
}

func TestManyUsersAtOnceReachTheStoreInParts(t *testing.T) {
	w := newSwarm(t, Config{}, "a")
	for i := range 3000 {
		w.nodes["a"].Join(fmt.Sprint("r", i), user(i))
	}
	for i := range 2000 {
		w.nodes["a"].Join("r0", user(i))
	}
	w.run(time.Second)
	if got := w.store.sizes["rooms"]; got != roomsPerSync {
		t.Errorf("%d rooms in one Sync, want at most %d", got, roomsPerSync)
	}
	if len(w.store.rooms) != 3000 {
		t.Errorf("the store has %d rooms, want 3000", len(w.store.rooms))
	}
	w.run(2 * time.Second) // 512 viewers in a pass
	if n, err := w.nodes["a"].Viewers(t.Context(), "r0", 0); n != 2000 || err != nil {
		t.Errorf("%d viewers, %v, want 2000", n, err)
	}
}

func TestViewersStay(t *testing.T) {
	w := newSwarm(t, Config{ViewerBucket: time.Minute}, "a", "b")
	w.nodes["a"].Join("r", user(1))
	w.nodes["b"].Join("r", user(1))
	w.nodes["b"].Join("r", user(2))
	w.nodes["b"].Join("r", nil)
	w.run(10 * time.Second)
	w.nodes["b"].Leave("r", "u2")
	w.run(3 * time.Minute)
	for _, tt := range []struct {
		window time.Duration
		want   int
	}{{10 * time.Second, 1}, {time.Hour, 2}} {
		if n, err := w.nodes["a"].Viewers(t.Context(), "r", tt.window); n != tt.want || err != nil {
			t.Errorf("%d viewers within %v, %v, want %d", n, tt.window, err, tt.want)
		}
	}
	if _, err := newRegistry(t, Config{}).Viewers(t.Context(), "r", time.Hour); !errors.Is(err, ErrNoStore) {
		t.Errorf("without a store: %v", err)
	}
}

func TestClusterListShowsWhoJustJoined(t *testing.T) {
	w := newSwarm(t, Config{}, "a", "b")
	w.nodes["b"].Join("r", user(1))
	w.run(time.Second)
	w.nodes["a"].Join("r", user(2))
	l, err := w.nodes["a"].Cluster(t.Context(), "r", 10)
	if got := fmt.Sprint(ids(l.Users)); err != nil || got != "[u2 u1]" || l.Total != 2 || !l.Complete {
		t.Errorf("list %s of %d, %v", got, l.Total, err)
	}
	l, err = w.nodes["a"].Cluster(t.Context(), "elsewhere", 0)
	if err != nil || l.Total != 0 || l.Users != nil {
		t.Errorf("nobody's room: %+v, %v", l, err)
	}
}

// TestClusterListIsSharedButNotOld: a herd that wants the same list while a call
// is under way shares the next one.
func TestClusterListIsSharedButNotOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowStore{Store: newFakeStore(newClock()).node("a"), gate: make(chan struct{})}
		g := newRegistry(t, Config{Store: store})
		get := func() { // ends with the gate
			if _, err := g.Cluster(t.Context(), "r", -1); err != nil {
				t.Error(err)
			}
		}
		var herd sync.WaitGroup
		herd.Go(get)
		synctest.Wait()
		for range 50 {
			herd.Go(get)
		}
		synctest.Wait()
		impatient, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := g.Cluster(impatient, "r", -1); !errors.Is(err, context.Canceled) {
			t.Errorf("who does not wait got %v", err)
		}
		close(store.gate)
		herd.Wait()
		if n := store.calls.Load(); n != 2 {
			t.Errorf("asked %d times, want 2", n)
		}
		if len(g.lists.rooms) != 0 {
			t.Error("a call is kept")
		}
	})
}

type slowStore struct {
	Store
	calls atomic.Int32
	gate  chan struct{}
}

func (s *slowStore) List(ctx context.Context, room string, exact int, names bool) (List, error) {
	s.calls.Add(1)
	<-s.gate
	return s.Store.List(ctx, room, exact, names)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain: " + what)
		}
	}
}

func TestRunEndsItsLeases(t *testing.T) {
	c := newClock()
	store := newFakeStore(c)
	g := newRegistry(t, Config{Now: c.now, Store: store.node("a"), SyncInterval: time.Millisecond, RenewInterval: time.Millisecond})
	g.Join("r", user(1))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { // ends with ctx
		defer close(done)
		g.Run(ctx)
	}()
	live := func() int {
		store.mu.Lock()
		defer store.mu.Unlock()
		return store.list("r", 10).Total
	}
	eventually(t, "the store is told of the user", func() bool { return live() == 1 })
	cancel()
	<-done
	if live() != 0 {
		t.Error("the lease goes on")
	}
	newRegistry(t, Config{}).Run(t.Context()) // without a store there is nothing to do
}
