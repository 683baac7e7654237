package replica

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"
)

func synced(t *testing.T, f *follower) {
	t.Helper()
	if err := f.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, f *follower, name, value string) (Entry, Change) {
	t.Helper()
	e := Entry{Name: name, Value: value}
	c, err := f.Put(context.Background(), e)
	if err != nil {
		t.Fatal(err)
	}
	return e, c
}

func (f *follower) want(t *testing.T, want map[string]string) {
	t.Helper()
	if got := f.values(); !maps.Equal(got, want) || !maps.Equal(f.told, want) {
		t.Errorf("it has %v and told %v, want %v", got, f.told, want)
	}
}

// TestNotices: in their order they need no reading, in any other they do.
func TestNotices(t *testing.T) {
	s := &memStore{}
	a, b := newFollower(t, s), newFollower(t, s)
	synced(t, a)
	synced(t, b)
	loads := s.loads
	first, one := put(t, a, "x", "1")
	a.Heard(first, one)
	second, two := put(t, a, "x", "2")
	a.Heard(second, two)
	third, three := put(t, a, "y", "3")
	a.Heard(third, three)
	a.Heard(third, three)
	synced(t, a)
	a.want(t, map[string]string{"x": "2", "y": "3"})
	if s.loads != loads {
		t.Error("the store was read, though nothing was missed")
	}
	b.Heard(second, two)
	b.Heard(first, one)
	b.want(t, map[string]string{"x": "1"})
	synced(t, b)
	b.want(t, map[string]string{"x": "2", "y": "3"})
	b.Heard(second, two) // late
	b.want(t, map[string]string{"x": "2", "y": "3"})
}

// TestTakenBack while a book was not there.
func TestTakenBack(t *testing.T) {
	s := &memStore{}
	a, b := newFollower(t, s), newFollower(t, s)
	put(t, a, "x", "1")
	put(t, a, "y", "1")
	synced(t, b)
	b.want(t, map[string]string{"x": "1", "y": "1"})
	put(t, a, "x", "")
	synced(t, b)
	b.want(t, map[string]string{"y": "1"})
}

// TestStoreAway: nothing is put, what is known holds, and who has not read says so.
func TestStoreAway(t *testing.T) {
	s := &memStore{}
	a, b := newFollower(t, s), newFollower(t, s)
	put(t, a, "x", "1")
	synced(t, a)
	s.set(func() { s.broken = errBroken })
	if _, err := a.Put(context.Background(), Entry{Name: "y", Value: "1"}); !errors.Is(err, errBroken) {
		t.Errorf("Put: %v", err)
	}
	if err := b.Sync(context.Background()); !errors.Is(err, errBroken) || b.Read() {
		t.Errorf("Sync: %v, read %v", err, b.Read())
	}
	a.want(t, map[string]string{"x": "1"})
	s.set(func() { s.broken = nil })
	synced(t, b)
	if !b.Read() {
		t.Error("not read")
	}
	b.want(t, map[string]string{"x": "1"})
}

// TestEmptied: a store that lost all gets back what a book has, before anything new
// is put.
func TestEmptied(t *testing.T) {
	s := &memStore{}
	a, b := newFollower(t, s), newFollower(t, s)
	put(t, a, "x", "1")
	synced(t, a)
	s.set(func() { s.state = state{} })
	e, c := put(t, a, "y", "2")
	a.Heard(e, c)
	want := map[string]string{"x": "1", "y": "2"}
	a.want(t, want)
	synced(t, b)
	b.want(t, want)
}

// TestRun: what was missed is had without anybody's help.
func TestRun(t *testing.T) {
	s := &memStore{}
	a, b := newFollower(t, s), newFollower(t, s)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { // ends with ctx
		defer close(done)
		b.Run(ctx)
	}()
	put(t, a, "x", "1")
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, ok := b.Get("x"); ok {
			break
		}
		if time.Now().After(end) {
			t.Fatal("never read")
		}
	}
	stop()
	<-done
	b.want(t, map[string]string{"x": "1"})
}

// TestOver: what is over is not there, in a book or a store.
func TestOver(t *testing.T) {
	f := newFollower(t, nil)
	if !f.Read() {
		t.Error("without a store there is nothing to read")
	}
	f.Heard(Entry{Name: "long", Value: "1", Until: time.Now().Add(time.Hour)}, Change{})
	f.Heard(Entry{Name: "past", Value: "1", Until: time.Now().Add(-time.Hour)}, Change{})
	f.Heard(Entry{Name: "brief", Value: "1", Until: time.Now().Add(5 * time.Millisecond)}, Change{})
	if e, ok := f.Get("long"); !ok || time.Until(e.Until) > time.Hour || e.Until == e.Until.Round(0) {
		t.Errorf("%+v, %v: want an hour by the monotonic clock", e, ok)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, ok := f.Get("brief"); !ok {
			break
		}
		if time.Now().After(end) {
			t.Fatal("never over")
		}
	}
	if list := f.Entries(); len(list) != 1 || list[0].Name != "long" {
		t.Errorf("%+v", list)
	}
	f.sweep()
	if f.Len() != 1 {
		t.Errorf("%d are left", f.Len())
	}
}

func TestBadConfig(t *testing.T) {
	for name, c := range map[string]Config{"no Changed": {}, "negative Interval": {Changed: func(Entry) {}, Interval: -1}} {
		if _, err := New(c); err == nil {
			t.Error(name)
		}
	}
}
