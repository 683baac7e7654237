// Senders that are spared their own messages.

package conn

import (
	"slices"
	"strconv"
	"strings"
)

// Spare has messages of the client that say so (broker.Message.NoEcho) not come back to
// it, until its connection ends.
func (l *Loop) Spare(c *Client) { l.fewOf(c).spared = true }

// SetEcho says whether what the client sends to a room it is in comes back to it, where
// the message does not say.
func (l *Loop) SetEcho(c *Client, room string, echo bool) {
	if !echo {
		f := l.fewOf(c)
		f.spared = true
		if !slices.Contains(f.silent, room) {
			f.silent = append(f.silent, strings.Clone(room))
		}
		return
	}
	if f := l.few.Get(c.Serial); f != nil {
		f.silent = slices.DeleteFunc(f.silent, func(r string) bool { return r == room })
	}
}

// Echoes tells what SetEcho said last.
func (l *Loop) Echoes(c *Client, room string) bool {
	f := l.few.Get(c.Serial)
	return f == nil || !slices.Contains(f.silent, room)
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
	if from := s.loop.few.Get(origin); from != nil && from.spared {
		return uint32(from.id), true
	}
	return 0, false
}
