// Who is alive: who answers. That rooms speak and the kernel takes what they say is no
// sign of it, as a proxy takes bytes for a viewer who is long gone.
//
// Everybody is pinged once in PingInterval, with one ping however many their rooms, and
// any whole frame is an answer. It must come within PingTimeout; but a ping waits behind
// what was sent before it, so that time begins anew for as long as the viewer takes of
// what waits here. What its own kernel, or a proxy, holds is out of sight. A full socket
// is looked at likewise, and has SlowTimeout.
//
// A mute peer (Kind.Mute) cannot answer. It is pinged all the same: a peer that is gone
// acknowledges nothing, and TCP_USER_TIMEOUT ends the connection. One whose socket is full
// has to take something, within SlowTimeout or, without one, within PingTimeout once it is
// to be pinged. That is all that can be known of it: one behind a proxy is there until the
// proxy finds that it is not, and one who is frozen until its buffers are full.

package conn

import (
	"math/rand/v2"
	"time"

	"barrage/netpoll"
)

const (
	// looks is how often a viewer is looked at before it is given up.
	looks = 4
	// pastPing is more than the buffers between us and a viewer hold: one who has taken
	// so much since its ping has got that too.
	pastPing = 32 << 20
)

// watch is for a viewer whose socket is full, or who has not answered a ping when it is
// first looked at. Owner: the loop's goroutine.
type watch struct {
	netpoll.Flow               // when it was last looked at
	moved        time.Duration // when it was last seen to take something, by the deadlines' clock
	due          time.Duration // likewise: when it is to be pinged, if it is not
	most         uint64        // of Acked, if it is; 0 before the first look
}

// firstPing spreads the heartbeats of connections that came together.
func (c *Config) firstPing() time.Duration {
	iv := c.PingInterval
	return iv - time.Duration(rand.Int64N(int64(iv/2)+1))
}

// pingAfter has the connection be pinged then, and a full socket looked at in time.
func (l *Loop) pingAfter(id ID, d time.Duration) {
	l.net.SetDeadline(id, max(d, l.loops.cfg.Tick))
	if l.sessions.At(id).flags&flagBlocked != 0 {
		l.watchFull(id, l.watches[id])
	}
}

// watchFull goes on to watch a full socket. The deadline that is set is that of the ping.
func (l *Loop) watchFull(id ID, w watch) {
	w.due = l.net.Clock() + l.net.Left(id)
	l.watches[id] = w
	if t := l.loops.cfg.SlowTimeout; t > 0 {
		l.net.Hasten(id, t/looks)
	}
}

// blocked notes since when the socket has been full.
func (l *Loop) blocked(id ID) {
	ses := l.sessions.At(id)
	if ses.flags&flagBlocked != 0 || !ses.is(stateOpen) {
		return
	}
	ses.flags |= flagBlocked
	w := watch{Flow: l.net.Flow(id), moved: l.net.Clock(), most: l.watches[id].most}
	if ses.flags&flagPartial != 0 { // it has a deadline already, which ends in Complete
		l.watches[id] = w
		return
	}
	l.watchFull(id, w)
}

// unblocked notes that the socket takes bytes again.
func (l *Loop) unblocked(id ID) {
	ses, now, w := l.sessions.At(id), l.net.Clock(), l.watches[id]
	if ses.flags&flagBlocked == 0 {
		return // it was full while it was opened
	}
	ses.flags &^= flagBlocked
	switch {
	case l.kind(id).Mute && ses.flags&flagPinged != 0:
		l.answered(id) // as well as it can
		return
	case ses.flags&flagPinged == 0:
		delete(l.watches, id)
		if ses.flags&flagPartial == 0 {
			l.net.SetDeadlineAt(id, w.due) // however often the socket fills
		}
		return
	case ses.flags&flagPartial == 0:
		l.net.Hasten(id, l.loops.cfg.PingTimeout/looks)
	}
	w.moved = now
	l.watches[id] = w
}

// answered notes that the peer lives.
func (l *Loop) answered(id ID) {
	ses := l.sessions.At(id)
	ses.flags &^= flagPinged
	if w, watched := l.watches[id]; watched && ses.flags&flagBlocked != 0 {
		w.most = 0
		l.watches[id] = w
	} else if watched {
		delete(l.watches, id)
	}
	l.pingAfter(id, l.loops.cfg.PingInterval)
}

// heartbeat looks after a live connection whose deadline has passed.
func (e *events) heartbeat(id ID) {
	ses, now, cfg := e.sessions.At(id), e.net.Clock(), &e.loops.cfg
	full := ses.flags&flagBlocked != 0
	switch w := e.watches[id]; {
	case ses.flags&(flagPartial|flagThrottle) == flagPartial:
		e.Close(nil, id, CodePolicy, "message not finished in time", Unfinished, 0)
		return
	case ses.flags&flagPinged != 0:
	case !full && e.kind(id).Mute:
		e.pingMute(id)
		return
	case !full:
		e.ping(id)
		e.net.SetDeadline(id, cfg.PingTimeout/looks)
		return
	case now >= w.due:
		e.ping(id)
		if cfg.SlowTimeout == 0 { // it may take nothing for ever, but is asked now
			w.moved = now
			e.watches[id] = w
		}
	case cfg.SlowTimeout == 0:
		e.net.SetDeadline(id, w.due-now)
		return
	}
	e.look(id)
}

// ping asks whether the peer is there.
func (e *events) ping(id ID) {
	e.sessions.At(id).flags |= flagPinged
	e.sendPing(id)
}

func (e *events) sendPing(id ID) {
	if e.traced(id) {
		e.tracer.Pinged(id)
	}
	e.queue(id, e.kind(id).Ping())
	e.loops.pings.Add(1)
}

// pingMute has the peer's kernel asked.
func (e *events) pingMute(id ID) {
	e.pingAfter(id, e.loops.cfg.PingInterval)
	e.sendPing(id)
}

// look gives a viewer up that has neither answered nor taken anything for its time, or
// looks again later. Its socket is of no use for a last word.
func (e *events) look(id ID) {
	ses, now, cfg := e.sessions.At(id), e.net.Clock(), &e.loops.cfg
	limit, reason := cfg.PingTimeout, Unresponsive
	if ses.flags&flagBlocked != 0 && cfg.SlowTimeout > 0 {
		limit, reason = cfg.SlowTimeout, Slow
	}
	flow := e.net.Flow(id)
	w, watched := e.watches[id]
	if !watched {
		w = watch{Flow: flow, moved: now - limit/looks} // when it was pinged, about
	}
	w.see(flow, now)
	next := limit / looks
	switch {
	case ses.flags&flagPinged == 0:
		next = min(next, w.due-now)
	case e.kind(id).Mute:
	case w.most == 0:
		w.most = flow.Acked + pastPing
	case flow.Acked > w.most:
		limit, reason = 0, Unresponsive
	}
	if now-w.moved >= limit {
		e.net.Close(id, netpoll.CloseReason(reason))
		return
	}
	e.watches[id] = w
	e.net.SetDeadline(id, max(cfg.Tick, min(next, limit-(now-w.moved))))
}

// see notes what the viewer has taken since the last look. Where bytes waited here, it
// has if more are acknowledged. Where none did, its kernel has acknowledged them all,
// read or not.
func (w *watch) see(flow netpoll.Flow, now time.Duration) {
	if w.Behind && flow.Acked > w.Acked {
		w.moved = now
	}
	w.Flow = flow
}

// TooSlow applies the policy to a connection that was skipped, and tells whether that
// closed it.
func (l *Loop) TooSlow(id ID) (closed bool) {
	if l.loops.cfg.CloseSlow {
		l.Close(nil, id, CodeSlow, "too slow", Slow, Spread())
	}
	return l.loops.cfg.CloseSlow
}
