// What happens to a loop's connections: the handler of its netpoll.Loop.

package conn

import "barrage/netpoll"

// events is a loop as netpoll.Handler.
type events struct{ *Loop }

// Opened starts the handshake's clock. Sockets that are
// no connections yet have a bound of their own, so that they cannot take the
// descriptors that the rest of the process needs.
func (e *events) Opened(id ID) { e.opened(id) }

// opened tells whether the socket may stay.
func (e *events) opened(id ID) bool {
	*e.sessions.Make(id) = session{state: stateHandshake}
	e.net.SetDeadline(id, e.loops.cfg.HandshakeTimeout)
	if e.loops.sockets.Add(1) > int64(e.loops.cfg.MaxSockets) {
		e.net.Close(id, netpoll.CloseReason(Crowded))
		return false
	}
	return true
}

// openedPlain is Opened for plain listeners.
func (e *events) openedPlain(id ID) {
	if e.opened(id) {
		e.sessions.At(id).flags |= flagPlain
		e.door.Greet(id)
	}
}

// Data goes to the door, or to the transport.
func (e *events) Data(id ID, p []byte) {
	switch ses := e.sessions.At(id); ses.state & stateMask {
	case stateHandshake:
		e.door.Data(id, p)
	case stateOpen:
		e.kinds[ses.kind()-1].Data(e.begin(id), p)
	}
}

// Drained goes on where a full socket had stopped.
func (e *events) Drained(id ID) {
	ses := e.sessions.At(id)
	e.unblocked(id)
	if ses.flags&flagThrottle != 0 {
		ses.flags &^= flagThrottle
		e.net.Resume(id)
		if ses.flags&flagPartial != 0 {
			e.net.SetDeadline(id, e.loops.cfg.FrameTimeout) // its rest was not read meanwhile
		}
	}
	if ses.is(stateOpen) {
		e.kind(id).Writable(id)
		e.fan.Drained(uint32(id))
	}
}

// Expired is for the deadline of a request or of an open
// connection.
func (e *events) Expired(id ID) {
	switch e.sessions.At(id).state & stateMask {
	case stateHandshake, stateWaiting:
		e.door.Late(id)
	case stateOpen:
		e.heartbeat(id)
	}
}

// Closed forgets the connection.
func (e *events) Closed(id ID, why netpoll.CloseReason) {
	ses, reason := e.sessions.At(id), Reason(why)
	e.loops.sockets.Add(-1)
	e.door.Closed(id)
	if e.traced(id) {
		e.tracer.Ended(id, reason)
		e.Trace(id, false)
	}
	if kind := e.kind(id); kind != nil {
		c := kind.Client(id)
		kind.Protocol.Closed(id, reason)
		kind.Forget(id)
		if c != nil {
			e.forget(c, reason)
		}
	}
	delete(e.watches, id)
	e.Holds(id, 0)
	e.GiveBack(id)
	if e.kind(id) != nil {
		e.loops.closed[reason].Add(1)
	} else {
		e.loops.early[reason].Add(1)
	}
	e.forgetSource(id)
	ses.state = stateNone
}

// Work is one slice of the fan-out.
func (e *events) Work() (more bool) { return e.fan.Work() }

// Tick goes on with what has its time.
func (e *events) Tick() {
	e.expire()
	for _, f := range e.ticks {
		f()
	}
	e.drain.goOn(e.Loop)
}
