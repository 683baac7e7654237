// After the upgrade: frames from the socket.

package edge

import (
	"errors"

	"barrage/frame"
	"barrage/internal/broker"
	"barrage/netpoll"
)

// errEnded stops the assembler after the connection was ended by a handler.
var errEnded = errors.New("edge: connection ended")

const (
	controlRate  = 50       // control frames a second before the connection is closed
	replyQueue   = 64 << 10 // bytes of answers queued for a client before reading from it stops
	floodFactor  = 5        // how far over the publish rate, in bursts, closes
	refusedDecay = 4        // an accepted publish forgives a quarter of the refused ones
)

// readFrames parses what arrived. The shard's own assembler is lent to the
// connection if a message does not end with it.
func (s *shard) readFrames(id netpoll.ID, p []byte) {
	ses := s.sessions.at(id)
	s.cur, s.messages, s.now, s.reading = id, 0, s.srv.now(), true
	defer func() { s.reading, s.replies = false, s.replies[:0] }() // also if one panics now
	asm := s.partial[id]
	if asm == nil {
		asm = s.scratch
		if !asm.Idle() {
			asm.Reset() // a handler had panicked
		}
		asm.Deflate = ses.flags&flagDeflate != 0
	}
	err := asm.Feed(p, &s.srv.limits, (*reader)(s))
	s.reading = false
	s.sendReplies(id)
	if err != nil {
		asm.Reset()
		var fe *frame.Error
		if errors.As(err, &fe) {
			s.part(id, fe.Code, fe.Reason, reasonOfCode(fe.Code), 0)
		}
		return
	}
	if ses.state == stateOpen {
		s.keep(id, ses, asm)
	}
}

// sendReplies sends, in one piece, what the frames just read have been answered
// with: a read may hold thousands of them.
func (s *shard) sendReplies(id netpoll.ID) {
	if len(s.replies) == 0 {
		return
	}
	s.queue(id, s.replies)
	s.replies = s.replies[:0]
	if cap(s.replies) > 64<<10 {
		s.replies = nil
	}
	s.throttle(id)
}

// throttle reads no more from a peer that does not read our answers, until it has.
func (s *shard) throttle(id netpoll.ID) {
	ses := s.sessions.at(id)
	if ses.flags&flagThrottle == 0 && s.loop.Queued(id) > replyQueue {
		ses.flags |= flagThrottle
		s.loop.Pause(id)
	}
}

// keep stores or takes back the assembler and sets the deadline that goes with
// it.
func (s *shard) keep(id netpoll.ID, ses *session, asm *frame.Assembler) {
	idle, kept := asm.Idle(), asm != s.scratch
	switch {
	case idle && kept:
		delete(s.partial, id)
	case !idle && !kept:
		s.partial[id] = asm
		s.scratch = new(frame.Assembler)
	}
	switch {
	case !idle && (!kept || s.messages > 0):
		ses.flags |= flagPartial
		s.loop.SetDeadline(id, s.srv.cfg.FrameTimeout)
	case idle && ses.flags&(flagPartial|flagPinged) != 0:
		// Any whole frame shows that the peer lives, not only a pong.
		ses.flags &^= flagPartial | flagPinged
		s.setDeadline(id, s.srv.cfg.PingInterval)
	}
}

// reader is the shard as frame.Handler, for the connection s.cur.
type reader shard

// Message publishes, or echoes.
func (s *reader) Message(op frame.Opcode, payload []byte) error {
	s.messages++
	ses := s.sessions.at(s.cur)
	if s.srv.onMessage != nil {
		s.srv.onMessage(payload)
	}
	if ses.flags&flagEcho != 0 {
		s.replies = frame.AppendFrame(s.replies, op, payload)
		return nil
	}
	p := broker.Publication{Format: broker.Text, Payload: payload}
	if ses.flags&flagClient != 0 {
		c := s.clients.at(s.cur)
		if c.json {
			(*shard)(s).command(c, op, payload)
			return s.ended()
		}
		p.Sender = (*shard)(s).sender(c)
	}
	s.srv.received.Add(1)
	if !s.srv.publishRate.allow(&ses.tat, s.now) {
		return s.overRate(ses)
	}
	ses.forgive()
	p.Room = s.fan.LastJoined(uint32(s.cur))
	if op == frame.Binary {
		p.Format = broker.Binary
	}
	if !s.mayPublish(ses, p.Room) {
		s.srv.refused[refusedRights].Add(1)
		return nil
	}
	if !s.srv.tryPublish(&p, nil) {
		s.srv.refused[refusedOverload].Add(1)
	}
	return nil
}

// mayPublish looks at the identity of those who have one.
func (s *reader) mayPublish(ses *session, room string) bool {
	if ses.flags&flagClient == 0 {
		return room != "" && !s.srv.settings.of(room).Muted
	}
	c := s.clients.at(s.cur)
	return s.srv.checkPublish(c.user(), c.rights, room) == nil
}

// ended stops the assembler if the connection was ended by what it sent.
func (s *reader) ended() error {
	if s.sessions.at(s.cur).state != stateOpen {
		return errEnded
	}
	return nil
}

// overRate drops a message. Raw clients have no way to be told, but one that
// keeps flooding is closed.
func (s *reader) overRate(ses *session) error {
	s.srv.refused[refusedRate].Add(1)
	if s.srv.cfg.PublishRate == 0 {
		return nil // not a flood: it may not know that it is a viewer only
	}
	if ses.overrun(1, floodFactor*s.srv.cfg.PublishBurst) {
		(*shard)(s).fail(s.cur, frame.ClosePolicy, "publish rate exceeded", closeFlood)
		return errEnded
	}
	return nil
}

// Control answers pings and the close handshake.
func (s *reader) Control(op frame.Opcode, payload []byte) error {
	sh := (*shard)(s)
	if op == frame.Close {
		code, _ := frame.ParseClose(payload)
		sh.fail(s.cur, code, "", closeNormal) // RFC 6455, 5.5.1: echo the code
		return errEnded
	}
	if !s.allowControl(s.sessions.at(s.cur)) {
		sh.part(s.cur, frame.ClosePolicy, "too many control frames", closeFlood, 0)
		return errEnded
	}
	if op == frame.Ping {
		s.replies = frame.AppendFrame(s.replies, frame.Pong, payload)
	}
	return nil
}

// allowControl counts control frames in the current second.
func (s *reader) allowControl(ses *session) bool {
	sec := s.srv.seconds() << 8
	if ses.control&^0xff != sec {
		ses.control = sec
	}
	ses.control++
	return ses.control&0xff <= controlRate
}
