// Senders that are spared their own messages.

package conn

import (
	"slices"
	"strconv"
	"strings"
)

// sender is a client that has said it wants none of what it sends itself.
type sender struct {
	id    ID
	rooms []string // that it joined so: what it sends there comes from it without an echo
}

// Spare has messages of the client that say so (broker.Message.NoEcho) not come back to
// it, until its connection ends.
func (l *Loop) Spare(c *Client) { l.sender(c) }

func (l *Loop) sender(c *Client) *sender {
	s := l.senders[c.Serial]
	if s == nil {
		if l.senders == nil {
			l.senders = make(map[uint64]*sender)
		}
		s = &sender{id: c.ID}
		l.senders[c.Serial] = s
	}
	return s
}

// SetEcho says whether what the client sends to a room it is in comes back to it, where
// the message does not say.
func (l *Loop) SetEcho(c *Client, room string, echo bool) {
	if !echo {
		if s := l.sender(c); !slices.Contains(s.rooms, room) {
			s.rooms = append(s.rooms, strings.Clone(room))
		}
		return
	}
	if s := l.senders[c.Serial]; s != nil {
		s.rooms = slices.DeleteFunc(s.rooms, func(r string) bool { return r == room })
	}
}

// Echoes tells what SetEcho said last.
func (l *Loop) Echoes(c *Client, room string) bool {
	s := l.senders[c.Serial]
	return s == nil || !slices.Contains(s.rooms, room)
}

// Serial is the inverse of ConnName, 0 for a connection of another node.
func (s *Loops) Serial(name string) uint64 {
	text, ours := strings.CutPrefix(name, s.cfg.Node+"-")
	serial, err := strconv.ParseUint(text, 36, 64)
	if !ours || err != nil {
		return 0
	}
	return serial
}

// Subscriber implements fanout.Sink.
func (s *sink) Subscriber(origin uint64) (sub uint32, ok bool) {
	if from := s.loop.senders[origin]; from != nil {
		return uint32(from.id), true
	}
	return 0, false
}
