// Redelivery: what a user is to acknowledge is pushed again, to all their
// connections, until it is acknowledged or expires.

package mailbox

import (
	"container/heap"
	"context"
	"time"

	"barrage/edge/conn"
	"barrage/edge/history"
	"barrage/edge/share"
	"barrage/internal/broker"
)

const (
	maxRead       = 100       // messages read for a client at a time
	maxReadBytes  = 512 << 10 // likewise
	maxQuestions  = 64        // of a loop under way: the pool is for clients that join, too
	maxBackoff    = 10        // times Config.AckTimeout, between two repetitions
	mostDoublings = 4         // the first that is beyond maxBackoff
)

// pendingAck is what a client may have to acknowledge: only those that were given
// something of the kind have one.
type pendingAck struct {
	c     *conn.Client
	from  broker.Position // just before the first message of it
	acked broker.Position // as the broker said last
	tries int             // in vain, since something was acknowledged
	due   time.Duration   // by Host.Now: the next question
	index int             // in pendingAcks.queue; -1: the broker is being asked
	more  bool            // since that began, something was added
}

// pendingAcks are those of a loop's clients. Owner: the loop's goroutine.
type pendingAcks struct {
	of        map[*conn.Client]*pendingAck
	queue     ackQueue
	questions int // under way
}

// Given notes that the client is given a message, if that is to be acknowledged. One
// without an offset cannot be.
func (b *Box) Given(c *conn.Client, m *broker.Message) {
	if !m.Confirm || m.Offset == 0 {
		return
	}
	if p := b.pending.of[c]; p != nil {
		p.more = true
		return
	}
	if b.pending.of == nil {
		b.pending.of = make(map[*conn.Client]*pendingAck)
	}
	p := &pendingAck{c: c, from: broker.Position{Epoch: m.Epoch, Offset: m.Offset - 1}}
	b.pending.of[c] = p
	b.office.pending.Add(1)
	b.askLater(p)
}

// forgetAcks is for a client that need not acknowledge anything any more.
func (b *Box) forgetAcks(c *conn.Client) {
	a := &b.pending
	p := a.of[c]
	if p == nil {
		return
	}
	b.office.pending.Add(-1)
	if p.index >= 0 {
		heap.Remove(&a.queue, p.index)
	}
	if delete(a.of, c); len(a.of) == 0 {
		a.of, a.queue = nil, nil // maps and slices keep the size of their fullest day
	}
}

func (b *Box) askLater(p *pendingAck) {
	if b.pending.of[p.c] != p {
		return // what was pushed to the client has ended it
	}
	wait := b.office.cfg.AckTimeout
	p.due = b.host.Now() + min(wait<<p.tries, maxBackoff*wait)
	heap.Push(&b.pending.queue, p)
}

// Tick looks after those whose time it is.
func (b *Box) Tick() {
	for q := &b.pending.queue; len(*q) > 0 && b.pending.questions < maxQuestions && (*q)[0].due <= b.host.Now(); {
		b.askUnacked(heap.Pop(q).(*pendingAck))
	}
}

// askUnacked asks the broker what the client has not acknowledged.
func (b *Box) askUnacked(p *pendingAck) {
	p.more = false
	room, from := broker.UserRoom(p.c.User()), p.from
	payer := b.office.cfg.Payer(p.c)
	if !b.office.cfg.Pool.Try(share.Mail, payer, func(ctx context.Context) (bytes int) {
		u, err := b.office.unacked(ctx, room, from)
		for _, m := range u.again {
			bytes += len(m.Payload)
		}
		answer := func() (own, all int) {
			b.host.Do(func() { b.pending.questions-- })
			b.host.Post(p.c, func() {
				if b.pending.of[p.c] == p {
					b.onUnacked(p, room, &u, err)
				}
			})
			return bytes, bytes
		}
		switch {
		case bytes == 0:
			answer()
		case !b.office.cfg.Pool.Make(share.Mail, payer, bytes, answer):
			err = broker.ErrUnavailable // for now
			answer()
		}
		return bytes
	}) {
		b.askLater(p)
		return
	}
	b.pending.questions++
}

// unacked is what of a user's messages is not acknowledged.
type unacked struct {
	acked broker.Position
	any   bool              // there is something
	again []*broker.Message // of that, what has waited long enough
	// next is not nil if nothing is among so many messages, with more behind it.
	next *broker.Position
}

// unacked reads what is not acknowledged behind from. Any goroutine.
func (o *Office) unacked(ctx context.Context, room string, from broker.Position) (u unacked, err error) {
	if u.acked, err = o.cfg.Broker.Acknowledged(ctx, room); err != nil {
		return u, err
	}
	after := u.acked
	if after == (broker.Position{}) || after.Epoch == from.Epoch && after.Offset < from.Offset {
		after = from
	}
	page, err := history.Read(ctx, o.cfg.Broker, room, broker.Query{After: &after, Limit: maxRead, Bytes: maxReadBytes})
	if err != nil {
		return u, err
	}
	late := time.Now().Add(-o.cfg.AckTimeout).UnixMilli()
	for _, m := range page.Messages {
		if m.Confirm && m.Time <= late {
			u.again = append(u.again, broker.Sanitize(m))
		}
		u.any = u.any || m.Confirm
	}
	if n := len(page.Messages); n > 0 && page.More && !u.any {
		u.next = page.Messages[n-1].Position()
	}
	return u, nil
}

func (b *Box) onUnacked(p *pendingAck, room string, u *unacked, err error) {
	switch {
	case err != nil: // once more, then
	case u.any:
		n := b.repeat(p.c, room, u.again)
		if p.tries > 0 && u.acked != p.acked {
			p.tries = 0
		} else if n > 0 {
			p.tries = min(p.tries+1, mostDoublings)
		}
		p.acked = u.acked
	case u.next != nil:
		p.from, p.tries = *u.next, 0
	case !p.more:
		b.forgetAcks(p.c)
		return
	}
	b.askLater(p)
}

// repeat pushes messages again, and returns how many that are.
func (b *Box) repeat(c *conn.Client, room string, messages []*broker.Message) int {
	switch {
	case b.host.Joining(c, room):
		return 0 // what it is given for the first time is on its way still
	case !b.host.In(c, room):
		b.lookAgain(c) // it could not be let in
		return 0
	}
	n := b.host.Repeat(c, messages)
	b.office.repeated.Add(uint64(n))
	return n
}

// ackQueue is a heap (container/heap), the next to be asked for first.
type ackQueue []*pendingAck

func (q ackQueue) Len() int           { return len(q) }
func (q ackQueue) Less(i, j int) bool { return q[i].due < q[j].due }

func (q ackQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *ackQueue) Push(x any) {
	p := x.(*pendingAck)
	p.index = len(*q)
	*q = append(*q, p)
}

func (q *ackQueue) Pop() any {
	last := len(*q) - 1
	p := (*q)[last]
	(*q)[last] = nil
	*q, p.index = (*q)[:last], -1
	return p
}
