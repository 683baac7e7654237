package events

import (
	"math/rand/v2"
	"testing"
)

func TestQueueAgainstSlice(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	var q queue
	var want []queued
	for step := range 20_000 {
		// Grows for a while, then shrinks, so that the ring wraps at all sizes.
		if rnd.IntN(100) < 30+step/2000%2*40 || len(want) == 0 {
			ev := queued{number: uint64(step), size: rnd.IntN(9)}
			q.push(ev)
			want = append(want, ev)
		} else {
			if got := q.front().number; got != want[0].number {
				t.Fatalf("step %d: front is %d, want %d", step, got, want[0].number)
			}
			if got := q.pop().number; got != want[0].number {
				t.Fatalf("step %d: popped %d, want %d", step, got, want[0].number)
			}
			want = want[1:]
		}
		bytes := 0
		for _, ev := range want {
			bytes += ev.size
		}
		if q.len != len(want) || q.bytes != bytes {
			t.Fatalf("step %d: %d events of %d bytes, want %d of %d", step, q.len, q.bytes, len(want), bytes)
		}
	}
	for q.len > 0 {
		q.pop()
	}
	if len(q.ring) > keepRing {
		t.Errorf("the empty queue keeps %d places", len(q.ring))
	}
}
