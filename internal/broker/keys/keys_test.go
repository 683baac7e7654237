package keys

import (
	"strconv"
	"testing"
	"time"

	"barrage/internal/broker"
)

func TestSet(t *testing.T) {
	s := New[string](3, time.Minute)
	put := func(key string, now time.Duration) { s.Put(key, broker.Receipt{ID: key}, now) }
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
	put("a", 0)
	put("b", 1)
	put("c", 2)
	want(time.Minute-1, "a", "b", "c")
	want(time.Minute, "b", "c") // the age counts from Put
	put("d", 3)                 // one too many
	want(4, "b", "c", "d")
	s.Expire(time.Minute + 2)
	want(5, "d")
	if got := s.Len(); got != 1 {
		t.Errorf("%d keys, want 1", got)
	}

	// Put again by one whose clock was read earlier than that of the first.
	put("d", 1)
	put("a", 4)
	s.Expire(time.Minute + 3)
	want(6, "a")
	s.Expire(time.Minute + 4)
	if got := s.Len(); got != 0 || s.order.Len() != 0 {
		t.Errorf("%d keys are left, or their list", got)
	}
}

// TestKeepsWhatIsHeld: who has a First may use it when it is forgotten.
func TestKeepsWhatIsHeld(t *testing.T) {
	s := New[int](2, time.Hour)
	first := s.Put(0, broker.Receipt{ID: "first", Members: -1}, 0)
	for i := range 10 {
		s.Put(i+1, broker.Receipt{ID: strconv.Itoa(i)}, 0)
	}
	first.Receipt.Members = 3
	if s.Find(0, 0) != nil || first.Receipt.ID != "first" || first.Receipt.Members != 3 {
		t.Errorf("%+v after it was forgotten", first)
	}
}
