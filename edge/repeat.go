// Repetition: what a user is to acknowledge is pushed again, to all their
// connections, until it is acknowledged or expires.

package edge

import (
	"container/heap"
	"context"
	"time"

	"barrage/internal/broker"
)

const (
	maxRepeats    = 100 // messages read for a client at a time
	maxLooks      = 64  // of a shard under way: the pool is for those who join, too
	maxBackoff    = 10  // times Config.AckTimeout, between two repetitions
	mostDoublings = 4   // the first that is beyond maxBackoff
)

// debt is what a client may have to acknowledge: only those who were given
// something of the kind have one.
type debt struct {
	c     *client
	from  broker.Position // just before the first message of it
	acked broker.Position // as of the last look
	tries int             // in vain, since something was acknowledged
	due   time.Duration   // since the server's start: the next look
	place int             // in debts.queue; -1: a look is under way
	more  bool            // since that began, something was added
}

// debts are those of a shard's clients. Owner: the shard's goroutine.
type debts struct {
	of    map[*client]*debt
	queue debtQueue
	looks int // under way
}

// owes notes that the client is given a message, if that is to be acknowledged.
// One without an offset cannot be.
func (s *shard) owes(c *client, m *broker.Message) {
	if !m.Confirm || m.Offset == 0 {
		return
	}
	if d := s.debts.of[c]; d != nil {
		d.more = true
		return
	}
	if s.debts.of == nil {
		s.debts.of = make(map[*client]*debt)
	}
	d := &debt{c: c, from: broker.Position{Epoch: m.Epoch, Offset: m.Offset - 1}}
	s.debts.of[c] = d
	s.lookLater(d)
}

// settle forgets what the client owes.
func (s *shard) settle(c *client) {
	d := s.debts.of[c]
	if d == nil {
		return
	}
	if d.place >= 0 {
		heap.Remove(&s.debts.queue, d.place)
	}
	if delete(s.debts.of, c); len(s.debts.of) == 0 {
		s.debts.of, s.debts.queue = nil, nil // maps and slices keep the size of their fullest day
	}
}

func (s *shard) lookLater(d *debt) {
	if s.debts.of[d.c] != d {
		return // what was pushed to the client has ended it
	}
	wait := s.srv.cfg.AckTimeout
	d.due = s.srv.now() + min(wait<<d.tries, maxBackoff*wait)
	heap.Push(&s.debts.queue, d)
}

// repeatSome looks after those whose time it is.
func (s *shard) repeatSome() {
	for len(s.debts.queue) > 0 && s.debts.looks < maxLooks && s.debts.queue[0].due <= s.srv.now() {
		s.look(heap.Pop(&s.debts.queue).(*debt))
	}
}

// look asks the broker what the client owes.
func (s *shard) look(d *debt) {
	d.more = false
	room, from := broker.UserPrefix+d.c.user(), d.from
	if !s.srv.pool.try(func(ctx context.Context) {
		o, err := s.srv.owed(ctx, room, from)
		s.loop.Post(func() {
			s.debts.looks--
			if s.debts.of[d.c] == d && s.alive(d.c) {
				s.guard(d.c.id, func() { s.looked(d, room, &o, err) })
			}
		})
	}) {
		s.lookLater(d)
		return
	}
	s.debts.looks++
}

// owed is what of a user's messages is not acknowledged.
type owed struct {
	acked broker.Position
	any   bool           // there is something
	again []*messageJSON // of that, what has waited long enough
	// next is not nil if nothing is among so many messages, with more behind it.
	next *broker.Position
}

// owed reads what is not acknowledged behind from. Any goroutine.
func (s *Server) owed(ctx context.Context, room string, from broker.Position) (o owed, err error) {
	if o.acked, err = s.broker.Acknowledged(ctx, room); err != nil {
		return o, err
	}
	after := o.acked
	if after == (broker.Position{}) || after.Epoch == from.Epoch && after.Offset < from.Offset {
		after = from
	}
	page, err := readHistory(ctx, s.broker, room, broker.Query{After: &after, Limit: maxRepeats})
	if err != nil {
		return o, err
	}
	late := time.Now().Add(-s.cfg.AckTimeout).UnixMilli()
	for _, m := range page.Messages {
		if m.Confirm && m.Time <= late {
			j := pushOf(legible(m))
			j.Repeat = true
			o.again = append(o.again, j)
		}
		o.any = o.any || m.Confirm
	}
	if n := len(page.Messages); n > 0 && page.More && !o.any {
		o.next = &broker.Position{Epoch: page.Messages[n-1].Epoch, Offset: page.Messages[n-1].Offset}
	}
	return o, nil
}

// looked knows what the client owes.
func (s *shard) looked(d *debt, room string, o *owed, err error) {
	switch {
	case err != nil: // once more, then
	case o.any:
		n := s.repeat(d.c, room, o.again)
		if d.tries > 0 && o.acked != d.acked {
			d.tries = 0
		} else if n > 0 {
			d.tries = min(d.tries+1, mostDoublings)
		}
		d.acked = o.acked
	case o.next != nil:
		d.from, d.tries = *o.next, 0
	case !d.more:
		s.settle(d.c)
		return
	}
	s.lookLater(d)
}

// repeat pushes messages again, as many as one reply takes, and returns how many
// that are.
func (s *shard) repeat(c *client, room string, messages []*messageJSON) (n int) {
	switch {
	case c.joinOf(room) != nil || s.loop.Blocked(c.id):
		return 0 // what it is given for the first time is on its way still
	case !s.fan.In(uint32(c.id), room):
		s.lookAgain(c, room) // it could not be let in
		return 0
	}
	left := s.pageRoom(c)
	for _, m := range messages {
		if left -= m.size(); left < 0 && n > 0 {
			break
		}
		s.push(c, m)
		n++
	}
	s.srv.repeated.Add(uint64(n))
	return n
}

// debtQueue is a heap (container/heap), the next to be looked at first.
type debtQueue []*debt

func (q debtQueue) Len() int           { return len(q) }
func (q debtQueue) Less(i, j int) bool { return q[i].due < q[j].due }

func (q debtQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

func (q *debtQueue) Push(x any) {
	d := x.(*debt)
	d.place = len(*q)
	*q = append(*q, d)
}

func (q *debtQueue) Pop() any {
	last := len(*q) - 1
	d := (*q)[last]
	(*q)[last] = nil
	*q, d.place = (*q)[:last], -1
	return d
}
