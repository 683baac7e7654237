//go:build !race

// Allocations: not under the race detector, where sync.Pool drops buffers at random.

package fanout

import "testing"

func TestNoAllocationPerDelivery(t *testing.T) {
	tests := []struct {
		name string
		cfg  Config
		held bool
		warm int // messages until all that is kept is there
	}{
		{name: "one encoding", warm: 1},
		{name: "all encodings", cfg: Config{Encodings: MaxEncodings}, warm: 1},
		{name: "a held member that loses", cfg: Config{RoomBytes: segmentSize}, held: true, warm: 10000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hub, s := newNullShard(t, tt.cfg, 1000)
			if tt.held {
				s.Join(1000, "r", 0, true)
			}
			m := &forever{b: make([]byte, 64)}
			run := func() {
				publish(t, hub, "r", m)
				for s.Work() {
				}
			}
			for range tt.warm {
				run()
			}
			if n := testing.AllocsPerRun(200, run); n != 0 {
				t.Errorf("%v allocations for 1000 deliveries of a message, want 0", n)
			}
			checkAccounts(t, s)
		})
	}
}
