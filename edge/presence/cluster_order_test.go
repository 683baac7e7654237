// What happens between two passes, or while the store is being told.

package presence

import (
	"context"
	"fmt"
	"testing"
	"time"
)

func TestLeaveIsToldInTime(t *testing.T) {
	w := newSwarm(t, Config{}, "a", "b")
	var want []string
	for i := range 20 { // rooms of several stripes, whose turns differ
		room := fmt.Sprint("r", i)
		w.nodes["a"].Join(room, user(i))
		w.nodes["b"].Join(room, nil)
		want = append(want, "leave "+user(i).ID)
	}
	w.run(time.Second)
	w.got = nil
	for i := range 20 {
		w.nodes["a"].Leave(fmt.Sprint("r", i), user(i).ID)
	}
	w.run(3 * time.Second)
	w.told(want...)
}

// TestBackWhileTheStoreIsToldOtherwise: what others heard of the user meanwhile
// is not known, so it is told of again.
func TestBackWhileTheStoreIsToldOtherwise(t *testing.T) {
	w := newSwarm(t, Config{}, "a")
	a := w.nodes["a"]
	a.Join("r", nil)
	a.Join("r", user(1))
	w.run(time.Second)
	w.told("join u1")
	a.Leave("r", "u1")
	link := a.cfg.Store
	a.cfg.Store = hookStore{link, func(u Update) {
		if len(u.Removed) > 0 {
			a.Join("r", user(1))
		}
	}}
	w.run(2500 * time.Millisecond)
	a.cfg.Store = link
	w.run(3 * time.Second)
	w.told("join u1")
	w.counts("r", 1, 2)
	if l, err := a.Cluster(t.Context(), "r", -1); err != nil || fmt.Sprint(ids(l.Users)) != "[u1]" {
		t.Errorf("list %v, %v", l, err)
	}
}

// hookStore calls hook for each update before it answers.
type hookStore struct {
	Store
	hook func(Update)
}

func (s hookStore) Sync(ctx context.Context, updates []Update, exact int) ([]Figure, error) {
	figures, err := s.Store.Sync(ctx, updates, exact)
	for _, u := range updates {
		s.hook(u)
	}
	return figures, err
}

// TestManyLeaveInAShortOutage: more rooms than one call tries.
func TestManyLeaveInAShortOutage(t *testing.T) {
	const rooms = roomsPerSync + 100
	w := newSwarm(t, Config{}, "a")
	for i := range rooms {
		w.nodes["a"].Join(fmt.Sprint("r", i), user(1))
		w.nodes["a"].Join(fmt.Sprint("r", i), user(2))
	}
	w.run(time.Second)
	w.store.fail(true, "a")
	for i := range rooms {
		w.nodes["a"].Leave(fmt.Sprint("r", i), "u1")
	}
	w.run(4 * time.Second)
	w.store.fail(false, "a")
	w.run(7 * time.Second)
	for i := range rooms {
		w.counts(fmt.Sprint("r", i), 1, 1)
	}
}

func TestViewerWhoLeftBeforeThePass(t *testing.T) {
	w := newSwarm(t, Config{}, "a")
	a := w.nodes["a"]
	a.Join("r", user(0))
	w.run(time.Second)
	a.Join("r", user(1))
	a.Leave("r", "u1")
	a.Join("r", user(2))
	a.Join("r", user(3))
	w.run(time.Second)
	if n, err := a.Viewers(t.Context(), "r", time.Minute); n != 3 || err != nil {
		t.Errorf("%d viewers, %v, want 3", n, err)
	}
}
