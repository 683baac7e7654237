// Counters.

package fanout

import "time"

// SkipReason says why a member did not get a message that was meant for it.
type SkipReason uint8

// The reasons for skipping.
const (
	SkipSlow     SkipReason = iota // it fell behind the bound of the room's log, or was held for too long
	SkipLeft                       // it left, or was closed, with messages outstanding
	SkipReplayed                   // it was given the message otherwise before Resume
	SkipEcho                       // it sent the message, and asked not to get it
	numSkipReasons
)

// SkipReasons lists all reasons.
func SkipReasons() []SkipReason { return []SkipReason{SkipSlow, SkipLeft, SkipReplayed, SkipEcho} }

// String returns the reason in the form used in logs and metric labels.
func (r SkipReason) String() string {
	switch r {
	case SkipSlow:
		return "slow"
	case SkipLeft:
		return "left"
	case SkipReplayed:
		return "replayed"
	default:
		return "echo"
	}
}

// Stats are a shard's counters. Those of the first group only grow.
type Stats struct {
	Offered   uint64 // messages times members at the time of appending
	Delivered uint64 // handed to the sockets whole
	Skipped   [numSkipReasons]uint64
	Sends     uint64 // sends that took something
	Latency   Histogram

	Pending  uint64 // in the logs, for members that have still to get them
	Members  int
	LogBytes int // memory of all logs
}

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

// Stats returns the counters. Pending is counted by walking the members of the
// streams whose logs are not empty, so that the invariant in the package comment
// can be checked rather than assumed. On the shard's goroutine.
func (s *Shard) Stats() Stats {
	all := s.stats
	all.Members, all.LogBytes = s.members, s.logBytes
	for _, st := range s.streams {
		if st == nil || len(st.log.segs) == 0 {
			continue
		}
		for i := range st.members {
			all.Pending += st.log.head - st.members[i].at(st)
		}
	}
	return all
}
