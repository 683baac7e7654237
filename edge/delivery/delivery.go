// The receiver: what the broker tells this node.

package delivery

import (
	"strconv"

	"github.com/valyala/bytebufferpool"

	"barrage/edge/publish"
	"barrage/fanout"
	"barrage/internal/broker"
)

// Config is what New needs.
type Config struct {
	Hub        *fanout.Hub
	Forms      *Forms
	MaxMessage int                                 // bytes; larger ones of other nodes are not delivered
	Users      interface{ Count(user string) int } // clients that take messages to their user
	Refused    *publish.Refused
	Serial     func(conn string) uint64 // of a connection of this node; 0: it is none
	Own        func(room string) bool   // tells rooms that the node itself is a member of
}

// Receiver implements broker.Receiver. Its methods may be called from any goroutine,
// those that say so before the broker starts only.
type Receiver struct {
	cfg       Config
	Sequences *Sequences
	pending   pendingGaps
	internal  map[string]func(*broker.Message) // by kind
	mailboxes Mailboxes
	ready     func(room string)
}

// Mailboxes are told of messages to single users.
type Mailboxes interface {
	// Wake tells of a message to a user with clients here.
	Wake(user string, m *broker.Message)
	// Missed tells that a message may have been missed.
	Missed(user string)
}

// New returns a receiver.
func New(cfg Config) *Receiver {
	return &Receiver{
		cfg: cfg, Sequences: newSequences(cfg.Hub.Members), internal: make(map[string]func(*broker.Message)),
		ready: func(string) {},
	}
}

// Internal has f called, in the order of the room, with messages between nodes of a
// kind, which begins with NUL: no kind of the outside does. Before the broker starts.
func (r *Receiver) Internal(kind string, f func(*broker.Message)) { r.internal[kind] = f }

// SetMailboxes has m told of messages to single users. Before the broker starts.
func (r *Receiver) SetMailboxes(m Mailboxes) { r.mailboxes = m }

// OnReady has f told that a room's messages come here now. Before the broker
// starts.
func (r *Receiver) OnReady(f func(room string)) { r.ready = f }

// Deliver implements broker.Receiver: it gives a message to the local members of
// its room.
func (r *Receiver) Deliver(m *broker.Message) (members int) {
	switch {
	case m.Kind != "" && m.Kind[0] == 0: // of any length: nodes bound what they say
		if f := r.internal[m.Kind]; f != nil { // else it is of a newer node
			f(m)
		}
		return 0
	case len(m.Payload) > r.cfg.MaxMessage:
		r.cfg.Refused.Add(publish.TooBig)
		return 0
	case m.Expired():
		r.cfg.Refused.Add(publish.Expired)
		return 0
	}
	seq, from := r.Sequences.Of(m.Room, m.Epoch, m.Offset), uint64(0)
	if m.NoEcho {
		from = r.cfg.Serial(m.Sender.Conn)
	}
	err := error(fanout.ErrOverloaded)
	if r.tellPending(m.Room) {
		members, err = r.cfg.Hub.Publish(m.Room, r.cfg.Forms.Message(m, seq, from))
	}
	if err != nil {
		r.missed(m, seq)
	}
	if user, ok := broker.UserOf(m.Room); ok {
		if n := r.cfg.Users.Count(user); n > 0 {
			members = max(members, n)
			r.mailboxes.Wake(user, m)
		}
	}
	return members
}

// Lost implements broker.Receiver: the members here are told of the gap in its
// place among the messages.
func (r *Receiver) Lost(room string, g broker.Gap) {
	seq := uint64(0)
	if g.Reason == broker.GapEpoch {
		seq = r.Sequences.end(room)
	} else {
		seq = r.Sequences.Of(room, g.Epoch, g.To)
	}
	if user, ok := broker.UserOf(room); ok && r.cfg.Users.Count(user) > 0 {
		r.mailboxes.Missed(user)
	}
	r.tell(r.cfg.Forms.gap(room, g, seq))
}

// gapOverloaded is the reason of a gap whose messages this node could not take.
const gapOverloaded = "overloaded"

// missed tells of a message that the shards were too far behind to take.
func (r *Receiver) missed(m *broker.Message, seq uint64) {
	r.cfg.Refused.Add(publish.Overload)
	if m.Offset > 0 { // else it is delivered at most once
		r.tell(r.cfg.Forms.gap(m.Room, broker.Gap{Epoch: m.Epoch, From: m.Offset, To: m.Offset, Reason: gapOverloaded}, seq))
	}
}

// Ready implements broker.Receiver: the broker brings the room's messages from
// now on.
func (r *Receiver) Ready(room string) { r.ready(room) }

// Members returns how many local members a room has.
func (r *Receiver) Members(room string) int {
	if room != "" && room[0] == '@' && r.cfg.Own(room) {
		return 1 // the node itself
	}
	n := r.cfg.Hub.Members(room)
	if user, ok := broker.UserOf(room); ok {
		n = max(n, r.cfg.Users.Count(user))
	}
	return n
}

// LeftOut tells the members of a hot room, and how much, that messages are left out. A node
// too far behind does not tell.
func (r *Receiver) LeftOut(m *broker.Message) {
	n, err := strconv.ParseUint(string(m.Payload), 10, 64)
	if err != nil {
		return // others may write to the store
	}
	_, _ = r.cfg.Hub.Publish(m.Room, &Publication{r.cfg.Forms, 0, 0, len(m.Payload), func(buf *bytebufferpool.ByteBuffer, c Codec) (bool, []byte, bool) {
		payload, ok := c.LeftOut(buf, m.Room, n)
		return false, payload, ok
	}})
}

// Tell gives what a protocol tells its own clients to those in a room here. A node too
// far behind leaves it out.
func (r *Receiver) Tell(room string, text []byte) {
	_, _ = r.cfg.Hub.Publish(room, &Publication{r.cfg.Forms, 0, 0, len(text), func(*bytebufferpool.ByteBuffer, Codec) (bool, []byte, bool) {
		return false, text, true
	}})
}
