// A shard: one event loop's connections, as the handler of its loop and the sink
// of its rooms.

package edge

import (
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"

	"barrage/edge/events"
	"barrage/fanout"
	"barrage/frame"
	"barrage/netpoll"
)

// shard implements netpoll.Handler. Everything in it belongs to the loop's
// goroutine.
type shard struct {
	srv  *Server
	loop *netpoll.Loop
	fan  *fanout.Shard
	idx  uint8 // in Server.shards

	sessions  sessionTable
	heads     map[netpoll.ID][]byte           // incomplete request heads
	partial   map[netpoll.ID]*frame.Assembler // incomplete messages
	waiting   map[netpoll.ID]*waiter          // upgrades that wait for the broker
	waits     map[string][]netpoll.ID         // by room
	addrs     map[netpoll.ID]netip.Addr       // counted by Server.perIP
	blockedAt map[netpoll.ID]uint32           // of those with flagBlocked, in seconds since the server started
	clients   clientTable                     // those with flagClient
	joins     []*joining                      // that wait for the broker, the oldest first, or have waited
	joinsFor  map[string][]*joining           // those that wait, by room, the oldest first
	expiries  expiries
	debts     debts      // of acknowledgements
	orders    orderQueue // of sendAway; any goroutine

	scratch  *frame.Assembler // of the connection whose bytes are being read
	cur      netpoll.ID       // that connection
	reading  bool             // its frames are being handled: answers go to replies
	messages int              // messages completed by the current read
	replies  []byte           // what the frames of the current read are answered with
	out      []byte           // scratch for frames and responses
	now      time.Duration    // since the server started, as of the current event
	drain    drainState
	drained  atomic.Bool // every session has been told; read by Server.Drain
}

func newShard(srv *Server, i int) *shard {
	return &shard{
		srv:       srv,
		fan:       srv.hub.Shard(i),
		idx:       uint8(i), // fanout.MaxShards is 64
		heads:     make(map[netpoll.ID][]byte),
		partial:   make(map[netpoll.ID]*frame.Assembler),
		waiting:   make(map[netpoll.ID]*waiter),
		waits:     make(map[string][]netpoll.ID),
		addrs:     make(map[netpoll.ID]netip.Addr),
		blockedAt: make(map[netpoll.ID]uint32),
		joinsFor:  make(map[string][]*joining),
		scratch:   new(frame.Assembler),
	}
}

// Opened starts the handshake's clock. Sockets that are not WebSocket connections
// yet have a bound of their own, so that they cannot take the descriptors that
// the rest of the process needs.
func (s *shard) Opened(id netpoll.ID) {
	s.sessions.reset(id)
	s.loop.SetDeadline(id, s.srv.cfg.HandshakeTimeout)
	if s.srv.sockets.Add(1) > int64(s.srv.cfg.MaxSockets) {
		s.loop.Close(id, closeCrowded)
	}
}

// Data goes to the state's own reader.
func (s *shard) Data(id netpoll.ID, p []byte) {
	switch s.sessions.at(id).state {
	case stateHandshake:
		s.readHead(id, p)
	case stateOpen:
		s.readFrames(id, p)
	}
}

// Drained goes on where a full socket had stopped.
func (s *shard) Drained(id netpoll.ID) {
	ses := s.sessions.at(id)
	ses.flags &^= flagBlocked
	delete(s.blockedAt, id)
	if ses.flags&flagThrottle != 0 {
		ses.flags &^= flagThrottle
		s.loop.Resume(id)
		if ses.flags&flagPartial != 0 {
			s.loop.SetDeadline(id, s.srv.cfg.FrameTimeout) // its rest was not read meanwhile
		}
	}
	if ses.state == stateOpen {
		if ses.flags&flagClient != 0 {
			s.tellGaps(s.clients.at(id))
		}
		s.fan.Drained(uint32(id))
	}
}

// Expired acts on a deadline: of the handshake, of the broker's answer, or of a
// live connection.
func (s *shard) Expired(id netpoll.ID) {
	switch s.sessions.at(id).state {
	case stateHandshake:
		s.refuse(id, closeHandshake, &frame.HTTPError{Status: 408, Reason: "no complete request in time"})
	case stateWaiting:
		if s.waiting[id].verifying {
			s.forgetWaiter(id)
			s.loop.Resume(id)
			s.refuse(id, closeHandshake, s.unavailable("the token could not be checked in time"))
			return
		}
		s.admit(id) // better without the other nodes than not at all
	case stateOpen:
		s.heartbeat(id)
	}
}

// Closed forgets the connection.
func (s *shard) Closed(id netpoll.ID, reason netpoll.CloseReason) {
	ses := s.sessions.at(id)
	s.srv.sockets.Add(-1)
	if ses.flags&flagCounted != 0 {
		s.goodbye(id, ses, reason)
		s.srv.conns.Add(-1)
		s.srv.closed[reason].Add(1)
		if a, ok := s.addrs[id]; ok {
			delete(s.addrs, id)
			s.srv.perIP.release(a)
		}
	} else {
		s.srv.closedEarly[reason].Add(1)
	}
	delete(s.heads, id)
	delete(s.blockedAt, id)
	if a := s.partial[id]; a != nil {
		delete(s.partial, id)
		a.Reset()
	}
	if s.waiting[id] != nil {
		s.forgetWaiter(id)
	}
	ses.state = stateNone
}

// goodbye ends all memberships of a connection and tells whoever has to know.
func (s *shard) goodbye(id netpoll.ID, ses *session, reason netpoll.CloseReason) {
	c := s.clients.at(id)
	for room := range s.fan.Rooms(uint32(id)) {
		if isPublicName(room) && (c == nil || c.joinOf(room) == nil) {
			s.depart(c, room)
		}
	}
	s.fan.LeaveAll(uint32(id))
	if c == nil {
		return
	}
	s.closeInbox(c)
	s.settle(c)
	s.clients.set(id, nil)
	s.srv.clients.Add(-1)
	s.neverExpires(c)
	if c.doing != nil && c.doing.leave != nil {
		c.doing.leave()
	}
	if c.known() { // else nobody was told of its coming either
		s.emit(&events.Event{Type: events.Disconnect, Reason: closeName(reason)}, c)
	}
}

// Work is one slice of the shard's fan-out.
func (s *shard) Work() (more bool) { return s.fan.Work() }

// Tick goes on with what has its time.
func (s *shard) Tick() {
	s.expire()
	s.joinsLate()
	s.repeatSome()
	s.drainSome()
}

// heartbeat looks after a live connection whose deadline has passed.
func (s *shard) heartbeat(id netpoll.ID) {
	ses, cfg := s.sessions.at(id), &s.srv.cfg
	switch {
	case ses.flags&(flagPartial|flagThrottle) == flagPartial:
		s.part(id, frame.ClosePolicy, "message not finished in time", closeUnfinished, 0)
		return
	case ses.flags&flagBlocked != 0:
		s.checkSlow(id, ses)
		return
	case ses.flags&flagPinged != 0:
		s.loop.Close(id, closeUnresponsive)
		return
	}
	wait := s.aliveFor(id)
	if wait <= 0 {
		s.out = frame.AppendFrame(s.out[:0], frame.Ping, nil)
		s.queue(id, s.out)
		ses.flags |= flagPinged
		s.srv.pings.Add(1)
		wait = cfg.PingTimeout
	}
	s.setDeadline(id, wait)
}

// checkSlow closes a viewer that has taken nothing for the slow timeout. Its
// socket is full: no close frame would get through.
func (s *shard) checkSlow(id netpoll.ID, ses *session) {
	limit := s.srv.cfg.SlowTimeout
	stuck := s.srv.now() - time.Duration(s.blockedAt[id])*time.Second
	switch {
	case limit == 0:
		s.loop.SetDeadline(id, s.srv.cfg.PingInterval)
	case stuck < limit:
		s.loop.SetDeadline(id, limit-stuck)
	default:
		s.loop.Close(id, closeSlow)
	}
}

// aliveFor returns for how long the connection needs no ping, because its rooms
// have spoken: then TCP_USER_TIMEOUT notices if it has died.
func (s *shard) aliveFor(id netpoll.ID) time.Duration {
	last := s.fan.LastMessage(uint32(id))
	if last.IsZero() {
		return 0
	}
	return s.srv.cfg.PingInterval - time.Since(last)
}

// setDeadline makes sure that a full socket is looked at in time, too.
func (s *shard) setDeadline(id netpoll.ID, d time.Duration) {
	if t := s.srv.cfg.SlowTimeout; t > 0 && s.sessions.at(id).flags&flagBlocked != 0 {
		d = min(d, t)
	}
	s.loop.SetDeadline(id, d)
}

// firstPing spreads the heartbeats of connections that came together.
func (s *shard) firstPing() time.Duration {
	iv := s.srv.cfg.PingInterval
	return iv - time.Duration(rand.Int64N(int64(iv/2)+1))
}

// fail sends a close frame behind everything else and ends the connection.
func (s *shard) fail(id netpoll.ID, code uint16, text string, reason netpoll.CloseReason) {
	if id == s.cur {
		s.sendReplies(id)
	}
	s.out = frame.AppendClose(s.out[:0], code, text)
	s.loop.Queue(id, s.out)
	s.end(id, reason)
}

// end lets what is queued go out and closes.
func (s *shard) end(id netpoll.ID, reason netpoll.CloseReason) {
	s.sessions.at(id).state = stateClosing
	s.loop.Shutdown(id, reason, s.srv.cfg.CloseTimeout)
}

// queue sends p whole, and notes it if that filled the socket.
func (s *shard) queue(id netpoll.ID, p []byte) {
	s.loop.Queue(id, p)
	if s.loop.Blocked(id) {
		s.blocked(id)
	}
}

// sink is the shard as fanout.Sink.
type sink shard

// Send offers p to the socket.
func (s *sink) Send(sub uint32, p []byte) int {
	n := s.loop.Send(netpoll.ID(sub), p)
	if n < len(p) {
		(*shard)(s).blocked(netpoll.ID(sub))
	}
	return n
}

// Sendv offers the concatenation of bufs to the socket.
func (s *sink) Sendv(sub uint32, bufs [][]byte) int {
	n := s.loop.Sendv(netpoll.ID(sub), bufs)
	if s.loop.Blocked(netpoll.ID(sub)) {
		(*shard)(s).blocked(netpoll.ID(sub))
	}
	return n
}

// Queue sends the rest of a frame.
func (s *sink) Queue(sub uint32, p []byte) { s.loop.Queue(netpoll.ID(sub), p) }

// Blocked reports whether the socket is full or closing.
func (s *sink) Blocked(sub uint32) bool { return s.loop.Blocked(netpoll.ID(sub)) }

// Skipped applies the slow-viewer policy.
func (s *sink) Skipped(sub uint32, room string, n, from, to uint64) {
	sh, id := (*shard)(s), netpoll.ID(sub)
	if s.sessions.at(id).state != stateOpen {
		return
	}
	lost := skips{n, from, to}
	if s.sessions.at(id).flags&flagClient != 0 {
		if j := s.clients.at(id).joinOf(room); j != nil {
			j.lost.add(lost) // it is held, and the history may still have them
			return
		}
	}
	sh.skipped(id, room, lost)
}

// blocked notes since when the socket has been full.
func (s *shard) blocked(id netpoll.ID) {
	ses := s.sessions.at(id)
	if ses.flags&flagBlocked != 0 || ses.state != stateOpen {
		return
	}
	ses.flags |= flagBlocked
	s.blockedAt[id] = s.srv.seconds()
	if t := s.srv.cfg.SlowTimeout; t > 0 && t < s.srv.cfg.PingInterval && ses.flags&(flagPinged|flagPartial) == 0 {
		s.loop.SetDeadline(id, t)
	}
}
