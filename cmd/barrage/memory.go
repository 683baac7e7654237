package main

// This file keeps the server's memory near what its connections need, and tells
// how much the process uses.

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"barrage/loadtest/probe"
)

// How far the heap may grow beyond what is live before it is collected: Go's
// default doubles it, which with hundreds of thousands of idle connections is
// most of the memory they cost. A server that delivers allocates nothing, so
// collecting more often costs little; a small heap is left to the default.
const (
	smallHeap  = 4 << 20
	largeHeap  = 8 << 20
	restingGC  = 10 // per cent
	tightGC    = 25
	mediumGC   = 50
	defaultGC  = 100
	heapsCheck = time.Second
)

// A heap comes to rest when in so many checks less than a part of what is live was
// allocated, and rests up to twice that: at restingGC it is collected every two
// seconds at most.
const (
	restingFor  = 10
	restingPart = 4
)

// keepHeapSmall adapts the collector's pace to the live heap until stop is
// called. With GOGC in the environment it does nothing: the operator has chosen.
func keepHeapSmall() (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(heapsCheck)
		defer ticker.Stop()
		var p pace
		for percent := defaultGC; ; {
			select {
			case <-done:
				debug.SetGCPercent(defaultGC)
				return
			case <-ticker.C:
			}
			next, rests := p.check(readHeap())
			if next != percent {
				percent = next
				debug.SetGCPercent(next)
			}
			if rests {
				debug.FreeOSMemory()
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// heap is the state of the heap, in bytes.
type heap struct {
	live      uint64 // at the last collection
	allocated uint64 // in all, since the start
}

func readHeap() heap {
	s := [...]metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s[:])
	return heap{s[0].Value.Uint64(), s[1].Value.Uint64()}
}

// pace chooses how often the heap is collected.
type pace struct {
	allocated [restingFor]uint64 // heap.allocated at the last checks
	checks    int
	resting   bool
}

// check returns by how many per cent the heap may grow. rests tells that a busy
// time has just ended: what it has left, such as the tokens of those who have
// connected, should be given back.
func (p *pace) check(h heap) (percent int, rests bool) {
	before := &p.allocated[p.checks%restingFor]
	grown := h.allocated - *before
	*before = h.allocated
	p.checks++
	was := p.resting
	most := h.live / restingPart
	if was {
		most *= 2 // not to and fro
	}
	p.resting = h.live >= smallHeap && grown < most
	switch {
	case p.resting:
		percent = restingGC
	case h.live >= largeHeap:
		percent = tightGC
	case h.live >= smallHeap:
		percent = mediumGC
	default:
		percent = defaultGC
	}
	return percent, p.resting && !was
}

var (
	descCPU    = prometheus.NewDesc("process_cpu_seconds_total", "User and system CPU time.", nil, nil)
	descRSS    = prometheus.NewDesc("process_resident_memory_bytes", "Resident memory.", nil, nil)
	descFiles  = prometheus.NewDesc("process_open_fds", "Open file descriptors; absent where the kernel, before Linux 6.2, would have to list them.", nil, nil)
	descMaxFDs = prometheus.NewDesc("process_max_fds", "Limit of open file descriptors.", nil, nil)
	descStart  = prometheus.NewDesc("process_start_time_seconds", "When the process started, since 1970.", nil, nil)
)

// processCollector tells the process's own figures. client_golang's lists
// /proc/self/fd on kernels before 6.2, which with 300,000 connections leaves some
// 30 MB of garbage at each scrape.
type processCollector struct{}

// started is when this process began, near enough.
var started = time.Now()

// Describe makes this an unchecked collector: not every kernel tells all.
func (processCollector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the figures.
func (processCollector) Collect(ch chan<- prometheus.Metric) {
	gauge(ch, descStart, float64(started.UnixMilli())/1000)
	ch <- prometheus.MustNewConstMetric(descCPU, prometheus.CounterValue, probe.Self())
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		gauge(ch, descMaxFDs, float64(limit.Cur))
	}
	if rss, ok := probe.Resident(); ok {
		gauge(ch, descRSS, float64(rss))
	}
	// Its size is the number of descriptors since Linux 6.2, and 0 before.
	if st, err := os.Stat("/proc/self/fd"); err == nil && st.Size() > 0 {
		gauge(ch, descFiles, float64(st.Size()))
	}
}
