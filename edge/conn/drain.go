// Stopping without a stampede: connections are closed over a window, so that
// they come back elsewhere over a window.

package conn

import (
	"context"
	"time"
)

// drainState is a loop's progress. Owner: the loop's goroutine.
type drainState struct {
	on    bool
	next  ID // sessions before it have been told
	until time.Time
	stays bool    // some were left out
	due   float64 // connections, and the part of one, that are to be told now
}

// SetDraining has Draining say so.
func (s *Loops) SetDraining() { s.draining.Store(true) }

// Drain takes no connections any more and closes those there are with code 1001,
// evenly over window. It returns when all are gone, or with ctx's error.
func (s *Loops) Drain(ctx context.Context, window time.Duration) error {
	until := time.Now().Add(window)
	for _, l := range s.all {
		l.Do(func() {
			l.net.CloseListeners()
			l.drain = drainState{on: true, until: until}
			l.drain.goOn(l)
		})
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for s.left() > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// left counts what is still to be closed, connections that linger included.
func (s *Loops) left() (n int64) {
	for _, l := range s.all {
		if !l.drained.Load() {
			n++
		}
		n += l.net.Stats().Conns
	}
	return n
}

// goOn closes as many connections as the time that has passed asks for.
func (d *drainState) goOn(l *Loop) {
	if !d.on {
		return
	}
	l.fan.Work() // what was published before goes out before the goodbyes
	d.due += float64(l.net.Stats().Conns) * min(1, float64(l.loops.cfg.Tick)/float64(max(1, time.Until(d.until))))
	n := int(d.due)
	d.due -= float64(n)
	for ; int(d.next) < l.sessions.Len(); d.next++ {
		if ses := l.sessions.At(d.next); ses.is(stateNone) || ses.is(stateClosing) {
			continue
		}
		if l.sessions.At(d.next).flags&flagStays != 0 && time.Now().Before(d.until) {
			d.stays = true
			continue
		}
		if n == 0 {
			return
		}
		l.Guard(d.next, func() { dismiss(l, d.next) })
		n--
	}
	if d.stays {
		d.next, d.stays = 0, false // to be looked at once more
		return
	}
	l.drained.Store(true)
}

// Stays has a drain leave a connection until its end: it goes by itself.
func (l *Loop) Stays(id ID) { l.sessions.At(id).flags |= flagStays }

// dismiss sends what the rooms still have for a connection, and closes it.
func dismiss(l *Loop, id ID) {
	if !l.IsOpen(id) {
		l.door.Dismiss(id)
		return
	}
	l.fan.SendAll(uint32(id))
	l.Close(nil, id, CodeGoingAway, "server is stopping", Drain, Spread())
}
