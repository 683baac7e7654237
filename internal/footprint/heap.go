// Package footprint is what the process itself takes: it keeps the heap near
// what the connections need, and tells what is used.
package footprint

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// How far the heap may grow beyond what is live before it is collected: Go's
// default doubles it, which with hundreds of thousands of idle connections is
// most of the memory they cost. A server that delivers allocates nothing, so
// collecting more often costs little; a small heap is left to the default, but for one at
// rest: what some thousands who came have left in it is as much as what they need.
const (
	tinyHeap   = 1 << 20
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

// KeepHeapSmall adapts the collector's pace to the live heap until stop is
// called. With GOGC in the environment it does nothing: the operator has chosen.
func KeepHeapSmall() (stop func()) {
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
	p.resting = h.live >= tinyHeap && grown < most
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
