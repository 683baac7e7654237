//go:build !race

// Under the race detector sync.Pool drops buffers at random.

package fanout

import "testing"

func TestNoAllocationPerDelivery(t *testing.T) {
	hub, s := newNullShard(t, 1000)
	m := Message(forever(make([]byte, 64)))
	run := func() {
		publish(t, hub, "r", m)
		for s.Work() {
		}
	}
	run()
	if n := testing.AllocsPerRun(200, run); n != 0 {
		t.Errorf("%v allocations for 1000 deliveries of a message, want 0", n)
	}
}
