// Counters for metrics.

package edge

import (
	"context"
	"slices"
	"strconv"
	"time"

	"barrage/edge/presence"
	"barrage/fanout"
	"barrage/internal/broker/memory"
	"barrage/netpoll"
)

// Stats is what the server has counted since its start, except the gauges
// Connections and Rooms. Maps are keyed by reason or status.
type Stats struct {
	Connections    int64 // WebSocket connections
	MaxConnections int64
	Rooms          int // with local members
	Received       uint64
	Published      uint64 // accepted from sockets and the API
	Refused        map[string]uint64
	Repeated       uint64 // pushed again, as they were not acknowledged
	Pings          uint64
	Handshakes     map[string]uint64 // by HTTP status
	Closed         map[string]uint64 // WebSocket connections, by reason
	ClosedEarly    map[string]uint64 // connections that were never WebSocket, by reason
	Clients        int64             // connections that speak barrage.v1 or have an identity
	Tokens         map[string]uint64 // checked, by result
	Presence       presence.Stats
	Memory         *memory.Stats   // nil with a broker of somebody else
	Batches        uint64          // frames of several messages, each made once for all it went to
	Batched        uint64          // messages in them
	Loops          []netpoll.Stats // by shard
	Fanout         []fanout.Stats  // by shard
}

// statsWait bounds how long Stats waits for a loop that is busy.
const statsWait = time.Second

// Stats returns the counters. Those of the fan-out are read by the loops
// themselves, each shard's at one moment; of a loop that does not get to it
// within a second they are those of the last time.
func (s *Server) Stats() Stats {
	st := Stats{
		Connections:    s.conns.Load(),
		MaxConnections: int64(s.cfg.MaxConnections),
		Rooms:          s.hub.Rooms(),
		Received:       s.received.Load(),
		Published:      s.published.Load(),
		Repeated:       s.repeated.Load(),
		Refused: map[string]uint64{
			"rate": s.refused[refusedRate].Load(), "overload": s.refused[refusedOverload].Load(),
			"too_big": s.refused[refusedTooBig].Load(), "forbidden": s.refused[refusedRights].Load(),
			"expired": s.refused[refusedExpired].Load(),
		},
		Pings:       s.pings.Load(),
		Handshakes:  make(map[string]uint64),
		Closed:      make(map[string]uint64),
		ClosedEarly: make(map[string]uint64),
	}
	for status := range s.handshakes {
		if n := s.handshakes[status].Load(); n > 0 {
			st.Handshakes[strconv.Itoa(status)] = n
		}
	}
	for r := range s.closed {
		name := closeName(netpoll.CloseReason(r))
		if n := s.closed[r].Load(); n > 0 {
			st.Closed[name] += n
		}
		if n := s.closedEarly[r].Load(); n > 0 {
			st.ClosedEarly[name] += n
		}
	}
	st.Batches, st.Batched = s.hub.Batches()
	st.Clients = s.clients.Load()
	st.Tokens = map[string]uint64{"accepted": s.tokens[tokenAccepted].Load(), "refused": s.tokens[tokenRefused].Load()}
	st.Presence = s.presence.Stats()
	if s.ownBroker != nil {
		m := s.ownBroker.Stats()
		st.Memory = &m
	}
	st.Fanout = s.fanoutStats()
	for _, sh := range s.shards {
		st.Loops = append(st.Loops, sh.loop.Stats())
	}
	return st
}

func (s *Server) fanoutStats() []fanout.Stats {
	answers := make([]chan fanout.Stats, len(s.shards))
	for i, sh := range s.shards {
		answers[i] = make(chan fanout.Stats, 1)
		sh.loop.Post(func() { answers[i] <- sh.fan.Stats() })
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
