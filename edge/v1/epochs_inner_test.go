package v1

import (
	"fmt"
	"testing"
	"time"

	"barrage/internal/bounds"
)

// TestEpochs: what is given back can be had again, and so can one each minute; payers are
// forgotten that owe nothing, and beyond a bound there are no new ones.
func TestEpochs(t *testing.T) {
	e := newEpochs()
	count := func(payer string, now time.Duration) (n int) {
		for e.take(payer, now) {
			n++
		}
		return n
	}
	if n := count("a", 0); n != bounds.EpochsAtOnce {
		t.Fatalf("%d at once, want %d", n, bounds.EpochsAtOnce)
	}
	for range 3 {
		e.giveBack("a")
	}
	e.giveBack("nobody")
	if n := count("a", 0); n != 3 {
		t.Errorf("%d after 3 were given back", n)
	}
	if n := count("a", time.Hour); n != bounds.EpochsPerHour {
		t.Errorf("%d after an hour, want %d", n, bounds.EpochsPerHour)
	}
	if n := count("b", time.Hour); n != bounds.EpochsAtOnce {
		t.Errorf("%d for another payer, want %d", n, bounds.EpochsAtOnce)
	}
	for i := range 2 * bounds.EpochPayers {
		e.take(fmt.Sprint("flood ", i), time.Hour)
	}
	if n := len(e.tats); n != bounds.EpochPayers {
		t.Errorf("%d payers are known, want %d", n, bounds.EpochPayers)
	}
	if e.take("late", time.Hour) {
		t.Error("one payer more may begin something")
	}
	if !e.take("late", 24*time.Hour) || len(e.tats) != 1 {
		t.Errorf("a day later %d payers are known, want the one that is new", len(e.tats))
	}
}
