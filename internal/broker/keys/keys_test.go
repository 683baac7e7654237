package keys

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"barrage/internal/broker"
	"barrage/internal/fair"
)

var backend fair.Owner

func client(n byte) fair.Owner { return fair.Owner{Address: netip.AddrFrom4([4]byte{10, 0, 0, n})} }

func (s *Set[K]) add(key K, o fair.Owner, r broker.Receipt, now time.Duration) (ok bool) {
	if ok = s.Take(o, now); ok {
		s.Put(key, o, r, now)
	}
	return ok
}

func TestSet(t *testing.T) {
	s := New[string](3, time.Minute)
	put := func(key string, now time.Duration, want bool) {
		t.Helper()
		if got := s.add(key, backend, broker.Receipt{ID: key}, now); got != want {
			t.Errorf("key %s put: %v, want %v", key, got, want)
		}
	}
	want := func(now time.Duration, keys ...string) {
		t.Helper()
		for _, key := range []string{"a", "b", "c", "d"} {
			f, wanted := s.Find(key, now), false
			for _, k := range keys {
				wanted = wanted || k == key
			}
			if (f != nil) != wanted || f != nil && f.Receipt.ID != key {
				t.Errorf("key %s is %+v, want it remembered: %v", key, f, wanted)
			}
		}
	}
	want(0)
	put("a", 0, true)
	put("b", 1, true)
	put("c", 2, true)
	want(time.Minute-1, "a", "b", "c")
	want(time.Minute, "b", "c") // the age counts from Put
	if got := s.Free(time.Minute - 1); got != 1 {
		t.Errorf("a place is free after %v, want 1ns", got)
	}
	put("d", time.Minute-1, false) // no place: nothing is forgotten for it
	want(3, "a", "b", "c")
	put("d", time.Minute, true)
	want(4, "b", "c", "d")
	s.Expire(time.Minute + 2)
	want(5, "d")
	if got := s.Len(); got != 1 {
		t.Errorf("%d keys, want 1", got)
	}

	// Put again by one whose clock was read earlier than that of the first.
	put("d", time.Minute-2, true)
	put("a", time.Minute, true)
	s.Expire(2*time.Minute - 1)
	want(time.Minute+6, "d", "a") // the first entry is the oldest still
	s.Expire(2 * time.Minute)
	if s.Len() != 0 || s.order.Len() != 0 || s.backends != 0 {
		t.Errorf("%d keys are left, or their list, or their %d places", s.Len(), s.backends)
	}
}

// TestShares: clients take no place of a backend's, nor all of each other's, and what is
// remembered is so until its time.
func TestShares(t *testing.T) {
	const places = 1000
	s := New[string](places, time.Minute)
	flood := func(n byte) (taken int) {
		for s.add(fmt.Sprint("client ", n, " ", taken), client(n), broker.Receipt{}, 1) {
			taken++
		}
		return taken
	}
	if !s.add("backend's", backend, broker.Receipt{ID: "first"}, 0) || !s.add("honest", client(200), broker.Receipt{ID: "honest"}, 0) {
		t.Fatal("no place in an empty set")
	}
	if n := flood(1); n == 0 || n > places/2 {
		t.Errorf("one address has %d of %d places", n, places)
	}
	for n := range byte(5) {
		if flood(2+n) == 0 {
			t.Errorf("address %d found no place", 2+n)
		}
	}
	for key, id := range map[string]string{"backend's": "first", "honest": "honest"} {
		if f := s.Find(key, time.Minute-1); f == nil || f.Receipt.ID != id {
			t.Errorf("%s key was forgotten before its time", key)
		}
	}
	for i := range places - 1 {
		if !s.add(fmt.Sprint("backend ", i), backend, broker.Receipt{}, 1) {
			t.Fatalf("backends found %d places of %d", i, places)
		}
	}
	s.Expire(time.Minute + 1)
	if s.Len() != 0 || s.clients.Taken() != 0 || s.backends != 0 {
		t.Errorf("%d keys, %d places of clients and %d of backends are left", s.Len(), s.clients.Taken(), s.backends)
	}
}
