// Stopping without a stampede: connections are closed over a window, so that
// they come back elsewhere over a window.

package edge

import (
	"context"
	"math/rand/v2"
	"time"

	"barrage/frame"
	"barrage/netpoll"
)

// drainState is a shard's progress. Owner: the shard's goroutine.
type drainState struct {
	on    bool
	next  netpoll.ID // sessions before it have been told
	until time.Time
	due   float64 // connections, and the part of one, that are to be told now
}

// Drain stops taking connections and closes those there are with code 1001,
// evenly over window. It returns when all are gone, or with ctx's error. Ready
// says "draining" from its beginning on.
func (s *Server) Drain(ctx context.Context, window time.Duration) error {
	s.draining.Store(true)
	s.stopBatches() // nobody is to leave while something waits for company
	s.batches.Wait()
	until := time.Now().Add(window)
	for _, sh := range s.shards {
		sh.loop.Post(func() {
			sh.loop.CloseListener()
			sh.drain = drainState{on: true, until: until}
			sh.drainSome()
		})
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for s.openSockets() > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// openSockets counts what is still to be closed, connections that linger
// included.
func (s *Server) openSockets() int64 {
	n := int64(0)
	for _, sh := range s.shards {
		if !sh.drained.Load() {
			n++
		}
		n += sh.loop.Stats().Conns
	}
	return n
}

// drainSome closes as many connections as the time that has passed asks for.
func (s *shard) drainSome() {
	d := &s.drain
	if !d.on {
		return
	}
	s.fan.Work() // what was published before goes out before the close frames
	d.due += float64(s.loop.Stats().Conns) * min(1, float64(s.srv.cfg.Tick)/float64(max(1, time.Until(d.until))))
	n := int(d.due)
	d.due -= float64(n)
	for ; int(d.next) < len(s.sessions.pages)*sessionPage; d.next++ {
		if st := s.sessions.at(d.next).state; st == stateNone || st == stateClosing {
			continue
		}
		if n == 0 {
			return
		}
		s.loop.Guard(d.next, s.dismiss)
		n--
	}
	s.drained.Store(true)
}

// dismiss sends what the rooms still have for a connection, and closes it.
func (s *shard) dismiss(id netpoll.ID) {
	switch s.sessions.at(id).state {
	case stateHandshake:
		s.refuse(id, closeDrain, s.unavailable("the server is stopping"))
	case stateWaiting:
		s.forgetWaiter(id)
		s.loop.Resume(id)
		s.refuse(id, closeDrain, s.unavailable("the server is stopping"))
	case stateOpen:
		s.fan.Drained(uint32(id))
		s.part(id, frame.CloseGoingAway, "server is stopping", closeDrain, s.reconnectWait())
	}
}

// reconnectWait spreads those who are sent away together, before they come back.
func (s *shard) reconnectWait() time.Duration { return rand.N(reconnectSpread) }

// reconnectSpread is short against the time in which a drain tells everybody.
const reconnectSpread = 2 * time.Second
