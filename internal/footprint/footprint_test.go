package footprint

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestProcessMetrics(t *testing.T) {
	r := prometheus.NewRegistry()
	if err := r.Register(Collector{}); err != nil {
		t.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		m := f.GetMetric()[0]
		values[f.GetName()] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
	}
	for name, least := range map[string]float64{
		"process_cpu_seconds_total": 0.001, "process_resident_memory_bytes": 1 << 20,
		"process_max_fds": 100, "process_start_time_seconds": 1.7e9,
	} {
		if values[name] < least {
			t.Errorf("%s is %v", name, values[name])
		}
	}
}

// TestPace: the larger the heap, and the less is allocated, the closer to what is
// live it is kept.
func TestPace(t *testing.T) {
	const checks = 3 * restingFor
	for _, tt := range []struct {
		name       string
		live, each uint64 // each: allocated between two checks
		percent    int
		rests      int
	}{
		{"empty", 0, 0, defaultGC, 0},
		{"tiny", tinyHeap - 1, 0, defaultGC, 0},
		{"small, busy", smallHeap - 1, smallHeap, defaultGC, 0},
		{"small, at rest", tinyHeap, 0, restingGC, 1},
		{"medium, busy", smallHeap, smallHeap, mediumGC, 0},
		{"medium, at rest", smallHeap, 0, restingGC, 1},
		{"large, busy", largeHeap, largeHeap, tightGC, 0},
		{"large, a little busy", largeHeap, largeHeap/restingFor/restingPart + 1, tightGC, 0},
		{"large, at rest", largeHeap, largeHeap/restingFor/restingPart - 1, restingGC, 1},
		{"huge, at rest", 1 << 30, 1 << 20, restingGC, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, h := pace{}, heap{live: tt.live, allocated: 10 * tt.live}
			percent, rests := 0, 0
			for range checks {
				var now bool
				if percent, now = p.check(h); now {
					rests++
				}
				h.allocated += tt.each
			}
			if percent != tt.percent || rests != tt.rests {
				t.Errorf("%d per cent, %d times at rest, want %d and %d", percent, rests, tt.percent, tt.rests)
			}
		})
	}
}
