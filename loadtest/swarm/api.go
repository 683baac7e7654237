// What a swarm is told and tells.

package swarm

import (
	"time"

	"barrage/loadtest/stamp"
	"barrage/loadtest/tally"
)

// Window is a time of publishing. It overrides the plan's rate and duration, so
// that one set of connections serves several trials.
type Window struct {
	Run      stamp.Run     `json:"run"`   // another one for each window
	Start    int64         `json:"start"` // nanoseconds of the controller's clock
	Rate     float64       `json:"rate"`
	Duration time.Duration `json:"duration"`
}

// Snapshot is the state of a swarm. Its counters grow from the swarm's beginning
// on; Latency is of what arrived since the Snapshot before.
type Snapshot struct {
	At         int64  `json:"at"`         // nanoseconds of the controller's clock
	Open       int    `json:"open"`       // upgraded and not closed
	Connecting int    `json:"connecting"` // on the way there
	Opened     uint64 `json:"opened"`
	Deflated   uint64 `json:"deflated"`  // of the Opened, those that negotiated permessage-deflate
	Failed     uint64 `json:"failed"`    // connects and upgrades that came to nothing
	Closed     uint64 `json:"closed"`    // by the server or the network
	Dropped    uint64 `json:"dropped"`   // by us, for churn and storms
	Handshake  int64  `json:"handshake"` // when the last upgrade was complete, of the controller's clock

	// Failures are the Failed ones by address and answer, ClosedBy the Closed
	// ones by close code or network event.
	Failures map[string]uint64 `json:"failures,omitempty"`
	ClosedBy map[string]uint64 `json:"closed_by,omitempty"`

	Counts    tally.Counts `json:"counts"`
	Gaps      uint64       `json:"gaps"`    // see tally.Tally.Gaps
	Owed      uint64       `json:"owed"`    // messages of the window still to come, once all of them are due
	Arrived   int64        `json:"arrived"` // when the last message came, of the controller's clock
	Reads     uint64       `json:"reads"`   // that brought messages
	Bytes     uint64       `json:"bytes"`   // received, as they came: before decompression
	Frames    uint64       `json:"frames"`  // WebSocket messages with at least one of the test's
	Pings     uint64       `json:"pings"`
	Published uint64       `json:"published"`        // from sockets
	Unsent    []Failure    `json:"unsent,omitempty"` // messages that were due on a socket that was not open

	Latency *tally.Histogram `json:"latency"`
	CPU     float64          `json:"cpu"` // seconds this process has used
}

// Failure is messages of a lane whose publishing failed: whether they will be
// delivered nobody knows, so they are not expected.
type Failure struct {
	Room  int          `json:"room"`
	Lane  int          `json:"lane"`
	Spans []tally.Span `json:"spans"`
}

// Add adds another swarm's snapshot to s.
func (s *Snapshot) Add(o *Snapshot) {
	s.Open += o.Open
	s.Connecting += o.Connecting
	s.Opened += o.Opened
	s.Deflated += o.Deflated
	s.Failed += o.Failed
	s.Closed += o.Closed
	s.Dropped += o.Dropped
	s.Handshake = max(s.Handshake, o.Handshake)
	addAll(&s.Failures, o.Failures)
	addAll(&s.ClosedBy, o.ClosedBy)
	s.Counts.Add(o.Counts)
	s.Gaps += o.Gaps
	s.Owed += o.Owed
	s.Arrived = max(s.Arrived, o.Arrived)
	s.Reads += o.Reads
	s.Bytes += o.Bytes
	s.Frames += o.Frames
	s.Pings += o.Pings
	s.Published += o.Published
	s.Unsent = append(s.Unsent, o.Unsent...)
	s.CPU += o.CPU
	if s.Latency == nil {
		s.Latency = tally.NewHistogram()
	}
	s.Latency.Merge(o.Latency)
}

func addAll(to *map[string]uint64, from map[string]uint64) {
	if *to == nil {
		*to = make(map[string]uint64, len(from))
	}
	for k, n := range from {
		(*to)[k] += n
	}
}
