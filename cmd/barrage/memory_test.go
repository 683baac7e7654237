package main

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestProcessMetrics(t *testing.T) {
	r := prometheus.NewRegistry()
	if err := r.Register(processCollector{}); err != nil {
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

func TestGCPercent(t *testing.T) {
	for live, want := range map[uint64]int{0: 100, 4<<20 - 1: 100, 4 << 20: 50, 8 << 20: 25, 1 << 30: 25} {
		if got := gcPercent(live); got != want {
			t.Errorf("%d bytes: %d per cent, want %d", live, got, want)
		}
	}
}
