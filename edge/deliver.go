// What the broker tells: broker.Receiver, but for losses (gaps.go).

package edge

import (
	"encoding/json"

	"barrage/fanout"
	"barrage/internal/broker"
)

// Deliver implements broker.Receiver: it gives a message to the local members of
// its room.
func (s *Server) Deliver(m *broker.Message) (members int) {
	if len(m.Payload) > s.cfg.MaxMessage {
		s.refused[refusedTooBig].Add(1)
		return 0
	}
	if expired(m) {
		s.refused[refusedExpired].Add(1)
		return 0
	}
	if m.Kind != "" && m.Kind[0] == 0 {
		s.internal(m)
		return 0
	}
	place := s.epochs.place(m.Room, m.Epoch, m.Offset)
	err := error(fanout.ErrOverloaded)
	if s.tellUntold(m.Room) {
		members, err = s.hub.Publish(m.Room, &publication{m, place})
	}
	if err != nil {
		s.missed(m, place)
	}
	if user, ok := broker.UserOf(m.Room); ok {
		members = max(members, s.inboxes.count(user))
		s.wake(user, m)
	}
	return members
}

// internal takes a message of a node to all nodes.
func (s *Server) internal(m *broker.Message) {
	switch m.Kind {
	case kindControl:
		if m.Room == controlRoom { // which no client and no backend can name
			s.obey(m)
		}
	case kindPresence:
		var n presenceJSON
		if json.Unmarshal(m.Payload, &n) == nil {
			s.tellPresence(m.Room, &n)
		}
	}
}

func (s *Server) want(room string) (ready bool) { return s.broker.Want(room) }

// Ready implements broker.Receiver: the broker brings the room's messages from
// now on.
func (s *Server) Ready(room string) {
	if !s.started.Load() || s.waiters.Load() == 0 {
		return // nobody waits, neither upgrades nor joins
	}
	for _, sh := range s.shards {
		sh.loop.Post(func() { sh.roomReady(room) })
	}
}

// Members returns how many local members a room has.
func (s *Server) Members(room string) int {
	if room == controlRoom {
		return 1 // the node itself
	}
	n := s.hub.Members(room)
	if user, ok := broker.UserOf(room); ok {
		n = max(n, s.inboxes.count(user))
	}
	return n
}
