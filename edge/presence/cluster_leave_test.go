package presence

import (
	"testing"
	"time"
)

// A node that has just lost its last member of a room tells the others so, with
// the counts of those who are left elsewhere.
func TestClusterLastLeaver(t *testing.T) {
	w := newSwarm(t, Config{}, "a", "b")
	w.nodes["a"].Join("room", user(1))
	w.nodes["a"].Join("room", nil)
	w.nodes["b"].Join("room", user(2))
	w.run(3 * time.Second)
	w.told("join u1", "join u2")
	w.nodes["b"].Leave("room", "u2")
	var left []Change
	for range 10 {
		w.nodes["b"].pass(t.Context())
		left = append(left, w.nodes["b"].Due(w.clock.now())...)
		w.clock.add(500 * time.Millisecond)
	}
	if len(left) != 1 || left[0].Kind != Leave || left[0].Count != 1 || left[0].Connections != 2 {
		t.Errorf("told %+v", left)
	}
	if s := w.nodes["b"].stripes.Of("room"); len(s.rooms) != 0 {
		t.Error("the empty room is kept")
	}
}

// Whose grace ends just as the store comes back, in a room that the store is not told
// of any more, is told of all the same, and the room forgotten.
func TestLeavingAsTheStoreComesBack(t *testing.T) {
	w := newSwarm(t, Config{}, "a")
	g := w.nodes["a"]
	g.Join("room", user(1))
	w.run(3 * time.Second)
	w.told("join u1")
	w.store.fail(true, "a")
	g.Leave("room", "u1")
	g.pass(t.Context())
	wantTold(t, g.Due(w.clock.now()))
	w.store.fail(false, "a")
	w.clock.add(3 * time.Second)
	g.pass(t.Context())
	wantTold(t, g.Due(w.clock.now()), "leave u1")
	if st := g.Stats(); st.Rooms != 0 || st.StoreDown {
		t.Errorf("%+v is left", st)
	}
}
