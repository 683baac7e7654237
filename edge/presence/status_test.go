package presence

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// said renders what Due returns of statuses.
func said(changes []Change) (out []string) {
	for _, c := range changes {
		if c.Kind == Join || c.Kind == Restate {
			text := "-"
			if c.Status != nil {
				text = c.Status.Text
			}
			out = append(out, fmt.Sprint(c.Kind, " ", c.User.ID, " ", text))
		}
	}
	return out
}

// TestStatusIsCoalesced: of a flood the room is told the last, once a second, and a status
// outlives a short absence, no longer one.
func TestStatusIsCoalesced(t *testing.T) {
	c := newClock()
	g := newRegistry(t, Config{Now: c.now})
	want := func(want ...string) {
		t.Helper()
		if got := said(g.Due(c.now())); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	if g.SetStatus("r", "u1", "x", nil) {
		t.Error("a status in no room")
	}
	g.Join("r", user(1))
	g.SetStatus("r", "u1", "first", nil)
	want("join u1 first")
	want()
	for i := range 100 {
		g.SetStatus("r", "u1", fmt.Sprint(i), nil)
	}
	want()
	c.add(999 * time.Millisecond)
	want()
	c.add(time.Millisecond)
	want("restate u1 99")
	c.add(time.Hour)
	want()
	g.SetStatus("r", "u1", "", []byte(`{"a":1}`))
	want("restate u1 ")
	if l := g.List("r", -1); string(l.Users[0].Status.Data) != `{"a":1}` {
		t.Errorf("list %+v", l.Users[0].Status)
	}
	g.SetStatus("r", "u1", "back soon", nil)
	g.Leave("r", "u1")
	c.add(time.Second)
	g.Join("r", user(1))
	want("restate u1 back soon")
	g.Leave("r", "u1")
	c.add(time.Minute)
	want()
	g.Join("r", user(1))
	want("join u1 -")
}

// TestStatusInABigRoom: only lists have it, and once the room is small again it is told.
func TestStatusInABigRoom(t *testing.T) {
	c := newClock()
	g := newRegistry(t, Config{Now: c.now, EventLimit: 2})
	for i := range 3 {
		g.Join("r", user(i))
	}
	g.SetStatus("r", "u0", "here", nil)
	if got := said(g.Due(c.now())); len(got) != 0 {
		t.Errorf("told %q", got)
	}
	if l := g.List("r", -1); l.Users[2].Status == nil || l.Users[2].Status.Text != "here" {
		t.Errorf("list %+v", l)
	}
	g.Leave("r", "u1")
	g.Leave("r", "u2")
	c.add(time.Minute)
	wantTold(t, g.Due(c.now()), "exact 1")
	g.SetStatus("r", "u0", "still", nil)
	if got := said(g.Due(c.now())); fmt.Sprint(got) != "[restate u0 still]" {
		t.Errorf("told %q", got)
	}
}

// TestStatusOnTwoNodes: lists of all nodes have it, at once where it was said; of what a
// user says on two nodes the later holds, and what the other has heard stays when one goes.
// Who changes something and leaves at once is in no list.
func TestStatusOnTwoNodes(t *testing.T) {
	w := newSwarm(t, Config{}, "a", "b")
	a, b := w.nodes["a"].Registry, w.nodes["b"].Registry
	want := func(g *Registry, want string) {
		t.Helper()
		l, err := g.Cluster(context.Background(), "r", -1)
		if err != nil || len(l.Users) != 1 || l.Users[0].Status == nil || l.Users[0].Status.Text != want {
			t.Errorf("list %+v, %v, want %q", l.Users, err, want)
		}
	}
	a.Join("r", user(1))
	b.Join("r", user(1))
	w.run(time.Second)
	a.SetStatus("r", "u1", "one", nil)
	want(a, "one")
	w.run(2 * time.Second)
	want(b, "one")
	b.SetStatus("r", "u1", "two", nil)
	w.run(2 * time.Second)
	want(a, "two")
	a.HeardStatus("r", "u1", &Status{Text: "two", At: w.clock.now().UnixMilli()})
	a.HeardStatus("r", "u1", &Status{Text: "older", At: 1})
	b.Leave("r", "u1")
	w.run(5 * time.Second)
	want(a, "two")

	quiet := Config{Quiet: func(string) bool { return true }}
	q := newSwarm(t, quiet, "a")
	g := q.nodes["a"].Registry
	for _, change := range []func(){
		func() { g.SetStatus("r", "u1", "x", nil) },
		func() { g.Join("r", &User{ID: "u1", Name: "New"}); g.Leave("r", "u1") },
	} {
		g.Join("r", user(1))
		g.Join("r", user(2))
		q.run(time.Second)
		change()
		g.Leave("r", "u1")
		q.run(5 * time.Second)
		if l, err := g.Cluster(context.Background(), "r", -1); err != nil || fmt.Sprint(ids(l.Users)) != "[u2]" {
			t.Errorf("list %v, %v", ids(l.Users), err)
		}
		g.Leave("r", "u2")
		q.run(5 * time.Second)
	}
}
