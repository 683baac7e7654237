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

// A heap is collected once it rests, if that pays.
func TestResting(t *testing.T) {
	const live = 16 << 20
	var r resting
	allocated := uint64(0)
	checks := func(n int, each, live, used uint64) (collected int) {
		for range n {
			allocated += each
			if r.collect(live, used, allocated) {
				collected++
			}
		}
		return collected
	}
	if n := checks(30, 1<<20, live, live*5/4); n != 0 {
		t.Errorf("a busy heap was collected %d times", n)
	}
	if n := checks(restingFor-2, 0, live, live*5/4); n != 0 {
		t.Errorf("a heap busy just before was collected %d times", n)
	}
	if n := checks(3, 1<<10, live, live*5/4); n == 0 {
		t.Error("a heap at rest was not collected")
	}
	if n := checks(30, 1<<10, live, live+live/64); n != 0 {
		t.Errorf("a heap with little garbage was collected %d times", n)
	}
	if n := checks(30, 0, smallHeap/2, smallHeap); n != 0 {
		t.Errorf("a small heap was collected %d times", n)
	}
}
