// What rooms are sent through: a loop as the sink of its shard.

package conn

import (
	"barrage/fanout"
	"barrage/netpoll"
)

// sink is a loop as fanout.Sink.
type sink struct{ loop *Loop }

// Send offers p to the socket.
func (s *sink) Send(sub uint32, p []byte) int {
	n := s.loop.net.Send(ID(sub), p)
	if n < len(p) {
		s.loop.blocked(ID(sub))
	}
	return n
}

// Sendv offers the concatenation of bufs to the socket.
func (s *sink) Sendv(sub uint32, bufs [][]byte) int {
	n := s.loop.net.Sendv(ID(sub), bufs)
	if s.loop.net.Blocked(ID(sub)) {
		s.loop.blocked(ID(sub))
	}
	return n
}

// Queue sends the rest of a frame.
func (s *sink) Queue(sub uint32, p []byte) { s.loop.net.Queue(ID(sub), p) }

// Blocked reports whether the socket is full or closing.
func (s *sink) Blocked(sub uint32) bool { return s.loop.net.Blocked(ID(sub)) }

// Skipped leaves it to the protocol.
func (s *sink) Skipped(sub uint32, room string, n, from, to uint64) {
	if id := ID(sub); s.loop.IsOpen(id) {
		s.loop.kind(id).Skipped(id, room, n, from, to)
	}
}

var (
	_ fanout.Sink     = (*sink)(nil)
	_ netpoll.Handler = (*events)(nil)
)
