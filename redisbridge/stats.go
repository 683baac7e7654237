package redisbridge

// Counters.

import (
	"sync/atomic"
	"time"
)

// Stats is a snapshot; counters only grow.
type Stats struct {
	Published     uint64 // acknowledged by Redis
	PublishErrors uint64 // failed while Redis was thought to work
	LocalOnly     uint64 // delivered to local members instead of through Redis
	Refused       uint64 // not published in an outage (OutageRefuse)
	QueueFull     uint64 // refused by TryPublish
	Received      uint64 // messages handed to the receiver from Redis
	ReceivedBytes uint64 // their payloads
	CaughtUp      uint64 // those of them that were read from a history
	Duplicates    uint64 // dropped: delivered already
	Gaps          uint64 // calls of Receiver.Lost
	Diverged      uint64 // epochs ended because Redis had lost messages
	ReadErrors    uint64 // histories that could not be read, to be tried again
	Foreign       uint64 // dropped: not an envelope, not a body, or not our probe
	Suppressed    uint64 // own messages that came back after a local delivery
	Reconnects    uint64 // subscription connections after the first
	ShardLinks    uint64 // connections for sharded pub/sub, over all time
	EvictedKeys   uint64 // by Redis, since this node began to look

	Probe         bool          // healthy, as Err sees it
	ProbeRTT      time.Duration // of the newest returned probe
	Subscriptions int           // rooms confirmed on the present connection
	Queued        int           // messages in TryPublish's queue
	CatchingUp    int           // rooms whose history is to be read
}

type counters struct {
	published, publishErrors, localOnly, refused, queueFull atomic.Uint64
	received, receivedBytes, foreign, suppressed            atomic.Uint64
	caughtUp, duplicates, gaps, diverged, readErrors        atomic.Uint64

	shardLinks atomic.Uint64 // connections for sharded pub/sub that answered
	heard      atomic.Uint64 // replies of any kind on them; the prober's sign of life
}

// Stats may be called by any goroutine.
func (b *Bridge) Stats() Stats {
	c := &b.count
	s := Stats{
		Published:     c.published.Load(),
		PublishErrors: c.publishErrors.Load(),
		LocalOnly:     c.localOnly.Load(),
		Refused:       c.refused.Load(),
		QueueFull:     c.queueFull.Load(),
		Received:      c.received.Load(),
		ReceivedBytes: c.receivedBytes.Load(),
		CaughtUp:      c.caughtUp.Load(),
		Duplicates:    c.duplicates.Load(),
		Gaps:          c.gaps.Load(),
		Diverged:      c.diverged.Load(),
		ReadErrors:    c.readErrors.Load(),
		Foreign:       c.foreign.Load(),
		Suppressed:    c.suppressed.Load(),
		Probe:         b.Err() == nil,
		Subscriptions: b.rooms.subscriptions(),
		Queued:        b.queue.size(),
		CatchingUp:    b.catch.waiting(),
	}
	s.EvictedKeys = b.inspection.evictedKeys()
	s.ShardLinks = c.shardLinks.Load()
	if links := b.rooms.main.links.Load(); links > 0 {
		s.Reconnects = links - 1
	}
	b.health.mu.Lock()
	s.ProbeRTT = b.health.rtt
	b.health.mu.Unlock()
	return s
}
