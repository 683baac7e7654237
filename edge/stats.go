// Counters for metrics.

package edge

import (
	"context"
	"slices"
	"time"

	"barrage/edge/conn"
	"barrage/edge/presence"
	"barrage/edge/requests"
	"barrage/fanout"
	"barrage/internal/broker/memory"
)

// Stats is what the server has counted since its start, except gauges.
type Stats struct {
	conn.Stats
	MaxConnections int64
	Rooms          int // with local members
	Received       uint64
	Published      uint64 // accepted from sockets and the API
	Sampled        uint64 // of those, left out of hot rooms
	Refused        map[string]uint64
	Repeated       uint64            // pushed again, as they were not acknowledged
	PendingAcks    int64             // clients that may have something to acknowledge
	Handshakes     map[string]uint64 // by HTTP status
	Tokens         map[string]uint64 // checked, by result
	Presence       presence.Stats
	Requests       requests.Stats
	Memory         *memory.Stats     // nil with any other broker
	Batches        uint64            // frames of several messages, each made once for all it went to
	Batched        uint64            // messages in them
	Fanout         []fanout.Stats    // by loop
	Direct         map[string]uint64 // messages for single connections and devices, by what became of them
	DirectPeers    int               // other nodes, for whose answers to these is waited
	OwnWanted      bool              // copies of what users write to users are made, as somebody may want them
	Traces         int               // of single connections, at present
	TraceLinesLost uint64
}

// statsWait bounds how long Stats waits for a loop that is busy.
const statsWait = time.Second

// Stats returns the counters. Those of the fan-out are read by the loops
// themselves, each shard's at one moment; of a loop that does not get to it
// within a second they are those of the last time.
func (s *Server) Stats() Stats {
	n := s.node
	st := Stats{
		Stats:          n.Loops.Stats(),
		MaxConnections: int64(s.cfg.MaxConnections),
		Rooms:          s.hub.Rooms(),
		Received:       n.Publisher.Received.Load(),
		Published:      n.Publisher.Published(),
		Sampled:        n.Publisher.Sampled(),
		Refused:        s.refused.All(),
		Repeated:       n.Mailboxes.Repeated(),
		PendingAcks:    n.Mailboxes.Pending(),
		Handshakes:     s.desk.Answered(),
		Tokens:         map[string]uint64{"accepted": 0, "refused": 0},
		Presence:       n.Presence.Stats(),
		Requests:       n.Requests.Stats(),
		Direct:         s.courier.Results(),
		DirectPeers:    s.courier.Peers(),
		OwnWanted:      s.courier.Own(),
		Fanout:         s.fanoutStats(),
	}
	st.Batches, st.Batched = s.hub.Batches()
	st.Traces, st.TraceLinesLost = s.tracing.Stats()
	if n.Tokens != nil {
		st.Tokens = n.Tokens.Checked()
	}
	if s.ownBroker != nil {
		m := s.ownBroker.Stats()
		st.Memory = &m
	}
	return st
}

func (s *Server) fanoutStats() []fanout.Stats {
	loops := s.node.Loops.All()
	answers := make([]chan fanout.Stats, len(loops))
	for i, l := range loops {
		answers[i] = make(chan fanout.Stats, 1)
		l.Do(func() { answers[i] <- l.FanoutStats() })
	}
	ctx, cancel := context.WithTimeout(context.Background(), statsWait)
	defer cancel()
	s.lastMu.Lock()
	defer s.lastMu.Unlock()
	for i, answer := range answers {
		select {
		case s.last[i] = <-answer:
		case <-ctx.Done():
		}
	}
	return slices.Clone(s.last)
}
