// Counters that other goroutines read.

package fanout

import (
	"sync/atomic"
	"time"
)

// latencyBounds are the upper bounds of Histogram's buckets.
var latencyBounds = [...]time.Duration{
	time.Millisecond / 2, time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond,
	10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond,
	200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second,
}

// Histogram counts durations of passes, from the first message of a pass to its
// last send. Counts[i] holds those up to LatencyBounds()[i]; the last one the
// rest.
type Histogram struct {
	Counts [len(latencyBounds) + 1]uint64
	Sum    time.Duration
}

// LatencyBounds returns the upper bounds of a Histogram's buckets.
func LatencyBounds() []time.Duration { return latencyBounds[:] }

func (h *Histogram) observe(d time.Duration) {
	i := 0
	for i < len(latencyBounds) && d > latencyBounds[i] {
		i++
	}
	h.Counts[i]++
	h.Sum += d
}

// published is a copy of a shard's Stats for readers on other goroutines.
type published struct {
	offered, delivered, sends, passes atomic.Uint64
	skipped                           [numSkipReasons]atomic.Uint64
	rooms, members, logBytes          atomic.Int64
	latency                           [len(latencyBounds) + 1]atomic.Uint64
	latencySum                        atomic.Int64
}

// publish stores the counters once per slice rather than once per send.
func (s *Shard) publish() {
	p, l := &s.pub, &s.local
	p.offered.Store(l.Offered)
	p.delivered.Store(l.Delivered)
	p.sends.Store(l.Sends)
	for i := range l.Skipped {
		p.skipped[i].Store(l.Skipped[i])
	}
	p.rooms.Store(int64(len(s.rooms.m)))
	p.members.Store(int64(s.members))
	p.logBytes.Store(int64(s.logBytes))
	if p.passes.Load() == l.Passes {
		return
	}
	p.passes.Store(l.Passes)
	for i := range l.Latency.Counts {
		p.latency[i].Store(l.Latency.Counts[i])
	}
	p.latencySum.Store(int64(l.Latency.Sum))
}

// Stats returns the counters as of the end of the last slice. Any goroutine.
func (s *Shard) Stats() Stats {
	p := &s.pub
	st := Stats{
		Offered: p.offered.Load(), Delivered: p.delivered.Load(), Sends: p.sends.Load(), Passes: p.passes.Load(),
		Rooms: p.rooms.Load(), Members: p.members.Load(), LogBytes: p.logBytes.Load(),
	}
	for i := range st.Skipped {
		st.Skipped[i] = p.skipped[i].Load()
	}
	for i := range st.Latency.Counts {
		st.Latency.Counts[i] = p.latency[i].Load()
	}
	st.Latency.Sum = time.Duration(p.latencySum.Load())
	return st
}

// Pending counts the messages that members have still to get, by walking the
// rooms whose logs are not empty. On the shard's goroutine.
func (s *Shard) Pending() uint64 {
	n := uint64(0)
	for _, r := range s.tab {
		if r == nil || len(r.log.segs) == 0 {
			continue
		}
		for i := range r.members {
			n += r.log.head - r.members[i].seq
		}
	}
	return n
}
