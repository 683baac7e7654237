package presence

import (
	"context"
	"fmt"
	"testing"
	"time"

	"barrage/internal/bounds"
)

// TestLastSeen: it is the last time, for as long as it is kept, and of a bounded number of
// users the last ones.
func TestLastSeen(t *testing.T) {
	c := newClock()
	g := newRegistry(t, Config{Now: c.now, LastSeen: time.Hour})
	want := func(user string, want time.Time) {
		t.Helper()
		if at, err := g.LastSeen(context.Background(), user); err != nil || !at.Equal(want) {
			t.Errorf("%s was here at %v, %v, want %v", user, at, err, want)
		}
	}
	want("u1", time.Time{})
	g.Saw("u1")
	c.add(time.Minute)
	g.Saw("u2")
	g.Saw("u1")
	first := c.now()
	want("u1", first)
	c.add(time.Hour - time.Second)
	want("u1", first)
	c.add(time.Second)
	want("u1", time.Time{})
	g.Saw("u3")
	if n := g.seen.list.Len(); n != 1 || len(g.seen.of) != 1 {
		t.Errorf("%d are remembered, want 1", n)
	}
	for i := range bounds.LastSeen {
		g.Saw(fmt.Sprint("many", i))
	}
	want("u3", time.Time{})
	want("many0", c.now())
	if n := g.seen.list.Len(); n != bounds.LastSeen {
		t.Errorf("%d are remembered, want %d", n, bounds.LastSeen)
	}
	off := newRegistry(t, Config{Now: c.now})
	off.Saw("u1")
	if at, err := off.LastSeen(context.Background(), "u1"); !at.IsZero() || err != nil || off.seen.list.Len() != 0 {
		t.Errorf("off: %v, %v", at, err)
	}
}

// TestLastSeenOnNodes: one node tells what another saw, and what the store did not take is
// told once it is back.
func TestLastSeenOnNodes(t *testing.T) {
	w := newSwarm(t, Config{LastSeen: time.Hour}, "a", "b")
	ctx := context.Background()
	w.store.fail(true, "a")
	w.nodes["a"].Saw("u1")
	at := w.clock.now()
	w.nodes["a"].tellSeen(ctx)
	if got, err := w.nodes["a"].LastSeen(ctx, "u1"); !got.Equal(at) || err == nil {
		t.Errorf("while the store is down: %v, %v", got, err)
	}
	w.store.fail(false, "a")
	w.nodes["a"].tellSeen(ctx)
	if got, err := w.nodes["b"].LastSeen(ctx, "u1"); !got.Equal(at) || err != nil {
		t.Errorf("on the other node: %v, %v", got, err)
	}
	if n := w.nodes["a"].seen.list.Len(); n != 0 {
		t.Errorf("%d are still to be told", n)
	}
}
