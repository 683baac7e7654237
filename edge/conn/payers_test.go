package conn

import (
	"fmt"
	"testing"
	"time"

	"barrage/internal/bounds"
)

// TestPayers: what is given back can be had again, and so can one each minute; what costs
// more counts for more; payers are forgotten that owe nothing, and beyond a bound there are
// no new ones.
func TestPayers(t *testing.T) {
	const burst, perHour = 100, 60
	p := NewPayers(NewRate(perHour/time.Hour.Seconds(), burst))
	take := func(payer string, now time.Duration) bool {
		ok, wait := p.Take(payer, now, 0)
		if ok != (wait == 0) {
			t.Fatalf("taken: %v, and the wait is %v", ok, wait)
		}
		return ok
	}
	count := func(payer string, now time.Duration) (n int) {
		for take(payer, now) {
			n++
		}
		return n
	}
	if n := count("a", 0); n != burst {
		t.Fatalf("%d at once, want %d", n, burst)
	}
	for range 3 {
		p.Return("a")
	}
	p.Return("nobody")
	if n := count("a", 0); n != 3 {
		t.Errorf("%d after 3 were given back", n)
	}
	if n := count("a", time.Hour); n != perHour {
		t.Errorf("%d after an hour, want %d", n, perHour)
	}
	if ok, _ := p.Take("b", time.Hour, 50*time.Minute); !ok {
		t.Error("what costs as much as 50 is refused")
	}
	if n := count("b", time.Hour); n != burst-50 {
		t.Errorf("%d are left for another payer, want %d", n, burst-50)
	}
	for i := range 2 * bounds.RatePayers {
		take(fmt.Sprint("flood ", i), time.Hour)
	}
	if n := len(p.tats); n != bounds.RatePayers {
		t.Errorf("%d payers are known, want %d", n, bounds.RatePayers)
	}
	if take("late", time.Hour) {
		t.Error("one payer more may do something")
	}
	if !take("late", 24*time.Hour) || len(p.tats) != 1 {
		t.Errorf("a day later %d payers are known, want the one that is new", len(p.tats))
	}
}
