// What waits in one mailbox, and who makes room in it for whom: see broker's mailbox.go
// for the rules.

package memory

import (
	"fmt"
	"time"

	"barrage/internal/broker"
)

// A use is what some messages take of a mailbox.
type use struct {
	n     int
	bytes int64
}

func (u use) plus(v use) use  { return use{u.n + v.n, u.bytes + v.bytes} }
func (u use) minus(v use) use { return use{u.n - v.n, u.bytes - v.bytes} }

// A box counts what waits in a mailbox, that is, what is behind settled. By qos: what
// nobody has to acknowledge, and what somebody has.
type box struct {
	settled  uint64
	mortal   int               // messages with a TTL
	senders  map[string][2]use // clients, by user
	clients  use
	backends [2]use
}

// count adds a message, or takes one out.
func (b *box) count(k kept, sign int) {
	msg, qos := k.message, 0
	if msg.Confirm {
		qos = 1
	}
	u := use{sign, int64(sign) * size(msg)}
	if msg.TTL > 0 {
		b.mortal += sign
	}
	if !msg.FromClient() {
		b.backends[qos] = b.backends[qos].plus(u)
		return
	}
	b.clients = b.clients.plus(u)
	of := b.senders[msg.Sender.User]
	if of[qos] = of[qos].plus(u); of == ([2]use{}) {
		delete(b.senders, msg.Sender.User)
		return
	}
	if b.senders == nil {
		b.senders = make(map[string][2]use)
	}
	b.senders[msg.Sender.User] = of
}

// settle takes out what was acknowledged.
func (h *history) settle() {
	if h.box == nil {
		return
	}
	for i := h.behind(h.box.settled); i < h.kept.n && h.kept.at(i).message.Offset <= h.acked; i++ {
		h.box.count(h.kept.at(i), -1)
	}
	h.box.settled = h.acked
}

// fits tells whether there may be a message of n bytes more beside what is taken of a
// mailbox. What is alone always fits.
func (m *Broker) fits(h *history, taken use, n int64) bool {
	return taken == use{} || taken.n < h.keep.Messages && taken.bytes+n <= m.mostOf(h)
}

// standing is what a publisher cannot push out, and of their own what counts twice, as they
// may have as much as is free: with all of it, or only with what they must not lose.
func (b *box) standing(client bool, user string, all bool) use {
	if !client {
		return b.backends[1]
	}
	taken, own := b.clients.plus(b.backends[1]), b.senders[user]
	if !all {
		return taken.minus(own[0]).plus(own[1])
	}
	return taken.plus(own[0]).plus(own[1])
}

// admit tells whether a mailbox has a place for a message, or can make one. h is nil if
// there is nothing yet.
func (m *Broker) admit(s *stripe, h *history, p *broker.Publication, now time.Time) error {
	if h == nil || h.box == nil {
		return nil
	}
	n := mailSize(&p.Sender, p.Kind, p.Payload) + int64(len(m.prefix)) + maxNumber
	fits := func() bool { return m.fits(h, h.box.standing(p.FromClient(), p.Sender.User, false), n) }
	if fits() || m.bury(s, h, now.UnixMilli()) && fits() {
		return nil
	}
	return fmt.Errorf("%w: room %s", broker.ErrMailboxFull, p.Room)
}

// maxNumber is how long a number in an id is at most.
const maxNumber = 13

// makeRoom makes room for a message of n bytes that admit let in.
func (m *Broker) makeRoom(s *stripe, h *history, msg *broker.Message, n int64) {
	b, client, user := h.box, msg.FromClient(), msg.Sender.User
	if client {
		own := func(o *broker.Message) bool { return !o.Confirm && o.FromClient() && o.Sender.User == user }
		for !m.fits(h, b.standing(client, user, true), n) && (m.bury(s, h, msg.Time) || m.dropFirst(s, h, own)) {
		}
	}
	// A client's share leaves room beside what it must not push out.
	loose := func(o *broker.Message) bool { return !o.Confirm && !(client && o.FromClient()) }
	weaker := func(o *broker.Message) bool { return o.FromClient() && !client }
	for !m.fits(h, use{h.kept.n, h.bytes}, n) {
		switch {
		case h.kept.at(0).message.Offset <= b.settled:
			m.dropOldest(s, h)
		case m.bury(s, h, msg.Time), m.dropFirst(s, h, loose), m.dropFirst(s, h, weaker):
		default:
			return // its bounds were larger once
		}
	}
}

// bury drops what is of no use any more.
func (m *Broker) bury(s *stripe, h *history, now int64) (some bool) {
	if h.box.mortal == 0 {
		return false
	}
	for i := h.behind(h.box.settled); i < h.kept.n; {
		if msg := h.kept.at(i).message; msg.TTL == 0 || msg.Expires() > now {
			i++
			continue
		}
		m.dropAt(s, h, i)
		some = true
	}
	return some
}

// dropFirst drops the oldest message that waits and is such a one.
func (m *Broker) dropFirst(s *stripe, h *history, such func(*broker.Message) bool) bool {
	for i := h.behind(h.box.settled); i < h.kept.n; i++ {
		if such(h.kept.at(i).message) {
			m.dropAt(s, h, i)
			return true
		}
	}
	return false
}
