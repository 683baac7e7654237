package delivery

import (
	"fmt"
	"testing"

	"barrage/internal/striped"
)

func TestSkipsBehind(t *testing.T) {
	at := func(epoch, offset uint64) uint64 { return epoch<<offsetBits | offset }
	for _, x := range []struct {
		name  string
		lost  Skips
		after uint64
		want  Skips
	}{
		{"none", Skips{}, at(1, 5), Skips{}},
		{"without sequences", Skips{3, 0, 0}, at(1, 5), Skips{3, 0, 0}},
		{"covered", Skips{3, at(1, 2), at(1, 5)}, at(1, 5), Skips{}},
		{"covered by a later epoch", Skips{3, at(1, 2), at(1, 5)}, at(2, 1), Skips{}},
		{"partly", Skips{4, at(1, 2), at(1, 5)}, at(1, 3), Skips{2, at(1, 4), at(1, 5)}},
		{"behind", Skips{2, at(1, 6), at(1, 7)}, at(1, 5), Skips{2, at(1, 6), at(1, 7)}},
		{"nothing was given", Skips{2, at(1, 6), at(1, 7)}, 0, Skips{2, at(1, 6), at(1, 7)}},
		{"over two epochs", Skips{9, at(1, 6), at(2, 3)}, at(1, 7), Skips{9, at(1, 6), at(2, 3)}},
	} {
		if got := x.lost.Behind(x.after); got != x.want {
			t.Errorf("%s: got %+v, want %+v", x.name, got, x.want)
		}
	}
	if from, to := (Skips{9, at(1, 6), at(2, 3)}).Offsets(); from != 0 || to != 0 {
		t.Errorf("over two epochs it says %d to %d", from, to)
	}
}

// TestSequences: they grow over epochs, also where one that is over is heard of once
// more.
func TestSequences(t *testing.T) {
	e := newSequences(func(room string) int {
		if room == "a" {
			return 1
		}
		return 0
	})
	steps := []struct {
		epoch  string
		offset uint64
	}{{"x", 5}, {"x", 6}, {"y", 0}, {"y", 1}, {"z", 1}}
	last := uint64(0)
	for _, x := range steps {
		p := e.Of("a", x.epoch, x.offset)
		if p <= last || offsetOf(p) != x.offset {
			t.Errorf("%v is at %x, behind %x", x, p, last)
		}
		last = p
	}
	if p := e.Of("a", "y", 7); p >= last {
		t.Errorf("the epoch before is at %x, the present one at %x", p, last)
	}
	if p := e.Of("a", "z", 2); p != last+1 {
		t.Errorf("the present epoch goes on at %x behind %x", p, last)
	}
	if p := e.Of("a", "", 3); p != 0 {
		t.Errorf("without an epoch: %x", p)
	}
	for i := range 100_000 {
		e.Of(fmt.Sprintf("room %d without members", i), "x", 1)
	}
	n := 0
	for st := range e.stripes.All() {
		n += len(st.rooms)
	}
	if n > 64*striped.N {
		t.Errorf("%d rooms are remembered, one has members", n)
	}
}
