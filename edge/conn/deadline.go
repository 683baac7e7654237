// Deadlines of open connections: when to look whether the peer is there, and whether it
// takes what it is sent.

package conn

import (
	"math/rand/v2"
	"time"
)

// setDeadline makes sure that a full socket is looked at in time, too.
func (l *Loop) setDeadline(id ID, d time.Duration) {
	if t := l.loops.cfg.SlowTimeout; t > 0 && l.sessions.At(id).flags&flagBlocked != 0 {
		d = min(d, t)
	}
	l.net.SetDeadline(id, d)
}

// firstPing spreads the heartbeats of connections that came together.
func (c *Config) firstPing() time.Duration {
	iv := c.PingInterval
	return iv - time.Duration(rand.Int64N(int64(iv/2)+1))
}

// blocked notes since when the socket has been full.
func (l *Loop) blocked(id ID) {
	ses := l.sessions.At(id)
	if ses.flags&flagBlocked != 0 || !ses.is(stateOpen) {
		return
	}
	ses.flags |= flagBlocked
	l.blockedAt[id] = l.loops.seconds()
	if t := l.loops.cfg.SlowTimeout; t > 0 && t < l.loops.cfg.PingInterval && ses.flags&(flagPinged|flagPartial) == 0 {
		l.net.SetDeadline(id, t)
	}
}

// TooSlow applies the policy to a connection that was skipped, and tells whether that
// closed it.
func (l *Loop) TooSlow(id ID) (closed bool) {
	if l.loops.cfg.CloseSlow {
		l.Close(nil, id, CodeSlow, "too slow", Slow, Spread())
	}
	return l.loops.cfg.CloseSlow
}
