// Publishing: a message is numbered and kept under its stripe's lock, and then
// delivered under none.

package memory

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"barrage/internal/broker"
	"barrage/internal/broker/keys"
	"barrage/internal/broker/turns"
	"barrage/internal/fair"
)

// othersDelivered is how many messages of others a publisher delivers behind its
// own, for it may be an event loop. The rest is a goroutine's.
const othersDelivered = 8

// deliveryOverhead is what a message that waits takes beside its payload.
const deliveryOverhead = messageOverhead + 256

// beingDelivered stands for the members in the receipt of a key.
const beingDelivered = -1

// A keyID is what an idempotency key is unique within, and the key.
type keyID struct{ room, scope, key string }

// A delivery is a message that has its position and is still to be delivered, or the
// repetition of one: it gets that one's receipt, and so comes behind it.
type delivery struct {
	message *broker.Message    // nil: a repetition
	first   *keys.First[keyID] // of its key; nil without one. Guarded by the stripe's lock
	receipt broker.Receipt

	// Where the receipt goes, unless the publisher itself delivers.
	done   func(broker.Receipt, error) // of TryPublish; nil: nobody
	answer chan broker.Receipt         // of Publish
}

type turn = turns.Turn[delivery]

// An outcome is what becomes of a publish that is not refused.
type outcome uint8

const (
	mine     outcome = iota // the publisher is to deliver
	queued                  // whoever has the room's turn does
	answered                // it is a repetition, and this is the receipt
)

// Publish implements broker.Broker. It waits for nothing but the messages before
// its own in the room.
func (m *Broker) Publish(ctx context.Context, p *broker.Publication) (broker.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return broker.Receipt{}, fmt.Errorf("broker: publish: %w", err)
	}
	d := delivery{}
	s, t, what, err := m.accept(p, &d, true)
	switch {
	case err != nil:
		return broker.Receipt{}, err
	case what == mine:
		return m.deliver(s, t, &d), nil
	case what == answered:
		return d.receipt, nil
	}
	select {
	case r := <-d.answer:
		return r, nil
	case <-ctx.Done():
		return broker.Receipt{}, fmt.Errorf("broker: publish: %w", ctx.Err())
	}
}

// TryPublish implements broker.Broker. done is called before it returns unless
// another goroutine is at work in the room: then that one calls it.
func (m *Broker) TryPublish(p *broker.Publication, done func(broker.Receipt, error)) bool {
	d := delivery{done: done}
	s, t, what, err := m.accept(p, &d, false)
	switch {
	case errors.Is(err, broker.ErrMailboxFull): // which the publisher is to be told
		if done != nil {
			done(broker.Receipt{}, err)
		}
	case err != nil:
		return false
	case what == mine:
		m.deliver(s, t, &d)
	case what == answered:
		d.tell()
	}
	return true
}

// accept takes a message, and fills in d. If that is the caller's to deliver, it has
// the room's turn, in a stripe.
func (m *Broker) accept(p *broker.Publication, d *delivery, waits bool) (*stripe, *turn, outcome, error) {
	defer m.evict() // without the lock: another stripe's may be needed
	keep, scope, target := asItIs, "", 0.0
	if p.Sampled() {
		target = m.cfg.Target(p.Room)
	}
	if !p.Forget {
		keep = m.cfg.Retention(p.Room)
	}
	if p.Key != "" {
		scope = p.KeyScope()
	}
	s, h, now := m.lock(p.Room, keep)
	defer s.mu.Unlock()
	t, tell := s.turns.Of(p.Room), uint64(0)
	switch {
	case m.closed.Load():
		return nil, nil, 0, broker.ErrClosed
	case t.Full():
		return nil, nil, 0, fmt.Errorf("%w: too much waits to be delivered in room %s", broker.ErrOverloaded, p.Room)
	}
	if p.Key != "" {
		d.first = m.keys.Find(keyID{p.Room, scope, p.Key}, m.age(now))
	}
	if d.first != nil {
		m.count.replays.Add(1)
		if d.first.Receipt.Members != beingDelivered {
			d.repeat()
			return nil, nil, answered, nil
		}
	} else {
		if !keep.On() {
			h = nil
		}
		if err := m.admit(s, h, p, now); err != nil {
			return nil, nil, 0, err
		}
		ok := true
		if target > 0 {
			ok, tell = s.sample(p, target, now)
		}
		if !ok {
			return nil, nil, answered, m.leaveOut(p, scope, now, d)
		}
		if err := m.afford(p, keep, m.age(now)); err != nil {
			return nil, nil, 0, err
		}
		if h == nil && keep.On() {
			h = m.begin(s, p.Room, keep, now)
		}
		m.assign(s, h, p, scope, now, d)
	}
	what := queued
	if t == nil {
		t, what = s.turns.Begin(d.message.Room), mine
	} else {
		if waits {
			d.answer = make(chan broker.Receipt, 1)
		}
		t.Put(*d, deliveryOverhead+len(p.Payload))
	}
	if tell > 0 {
		t.Put(m.leftOut(d.message, tell), deliveryOverhead)
	}
	return s, t, what, nil
}

// assign makes the message, gives it its position, in h unless that is nil, and
// notes its key.
func (m *Broker) assign(s *stripe, h *history, p *broker.Publication, scope string, now time.Time, d *delivery) {
	number := m.number.Add(1)
	msg, key := m.message(p, h, number)
	msg.Time = now.UnixMilli()
	owner := p.Owner()
	if owner.User != "" {
		owner.User = msg.Sender.User // p's may be a part of something larger
	}
	if h != nil {
		m.add(s, h, msg, owner, number, m.age(now))
	}
	d.message = msg
	d.receipt = broker.Receipt{ID: msg.ID, Position: broker.Position{Epoch: msg.Epoch, Offset: msg.Offset}, Members: beingDelivered}
	if key != "" {
		d.first = m.keys.Put(keyID{msg.Room, scope, key}, owner, d.receipt, m.age(now))
	}
}

// deliver delivers d and returns its receipt, and then what waits in the room. The
// turn is over or somebody else's then, even if the receiver panics.
func (m *Broker) deliver(s *stripe, t *turn, d *delivery) broker.Receipt {
	defer m.deliverOthers(s, t, d, othersDelivered)
	m.hand(d)
	return d.receipt
}

// deliverOthers delivers what waits behind d, up to a number of messages; then a
// goroutine goes on.
func (m *Broker) deliverOthers(s *stripe, t *turn, d *delivery, most int) {
	for n := 0; m.next(s, t, d); n++ {
		if n == most {
			go m.deliverRest(s, t, *d)
			return
		}
		m.hand(d)
	}
}

// deliverRest is a goroutine. It ends when nothing waits any more; Close waits for it.
func (m *Broker) deliverRest(s *stripe, t *turn, d delivery) {
	m.hand(&d)
	m.deliverOthers(s, t, &d, math.MaxInt)
}

// next replaces d, which is delivered, by what waits behind it. False: nothing, and
// the turn is over.
func (m *Broker) next(s *stripe, t *turn, d *delivery) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.message != nil && d.first != nil {
		d.first.Receipt.Members = max(d.receipt.Members, 0) // the receiver may have panicked
	}
	next, ok := s.turns.Next(t)
	if !ok {
		if m.closed.Load() {
			s.idle.Signal()
		}
		return false
	}
	if *d = next; d.message == nil {
		d.repeat()
	}
	return true
}

// hand gives a message to the members, and the receipt to whoever waits for it.
func (m *Broker) hand(d *delivery) {
	if d.message != nil {
		d.receipt.Members = m.receiver.Deliver(d.message)
	}
	d.tell()
}

func (d *delivery) tell() {
	switch {
	case d.answer != nil:
		d.answer <- d.receipt // it has room for one
	case d.done != nil:
		d.done(d.receipt, nil)
	}
}

// repeat makes d's receipt that of the first publish with its key.
func (d *delivery) repeat() {
	d.receipt = d.first.Receipt
	d.receipt.Replayed = true
}

// message makes the next message of h, or one of no history if h is nil. Of p it
// keeps copies: all strings in one, so that a message is three allocations
// whatever it says, and none holds on to a larger text that it was cut from.
func (m *Broker) message(p *broker.Publication, h *history, number uint64) (msg *broker.Message, key string) {
	var onStack [512]byte
	b := append(onStack[:0], m.prefix...)
	b = strconv.AppendUint(b, number, 36)
	id := len(b)
	room := p.Room
	if h != nil {
		room = "" // the history has it
	}
	for _, s := range [...]string{p.Sender.User, p.Sender.Name, p.Sender.Avatar, p.Sender.Conn, p.Kind, p.Key, room} {
		b = append(b, s...)
	}
	all := string(b)
	cut := func(n int) string {
		s := all[:n]
		all = all[n:]
		return s
	}
	msg = &broker.Message{
		ID: cut(id),
		Sender: broker.Sender{
			User: cut(len(p.Sender.User)), Name: cut(len(p.Sender.Name)),
			Avatar: cut(len(p.Sender.Avatar)), Conn: cut(len(p.Sender.Conn)),
		},
		Kind:    cut(len(p.Kind)),
		Format:  p.Format,
		Confirm: p.Confirm, NoEcho: p.NoEcho,
		TTL:     p.TTL,
		Payload: make([]byte, len(p.Payload)),
	}
	copy(msg.Payload, p.Payload)
	key = cut(len(p.Key))
	msg.Room = cut(len(room))
	if h != nil {
		msg.Room, msg.Epoch, msg.Offset = h.room, h.epoch, h.head+1
	}
	return msg, key
}

// mostOf is how many bytes a room's history has at most.
func (m *Broker) mostOf(h *history) int64 { return min(h.keep.MaxBytes(h.room), m.cfg.MaxBytes) }

// add puts a room's next message into its history.
func (m *Broker) add(s *stripe, h *history, msg *broker.Message, owner fair.Owner, number uint64, now time.Duration) {
	n := size(msg)
	if h.box != nil {
		m.makeRoom(s, h, msg, n)
	}
	for h.kept.n >= h.keep.Messages { // it may have been allowed more before
		m.dropOldest(s, h)
	}
	of := s.shareOf(h, owner)
	of.bytes += n
	h.kept.push(kept{msg, now, of}, h.keep.Messages)
	if h.box != nil {
		h.box.count(h.kept.at(h.kept.n-1), 1)
	}
	h.head = msg.Offset
	h.touched = now
	h.bytes += n
	m.count.messages.Add(1)
	m.count.bytes.Add(n)
	for most := m.mostOf(h); h.bytes > most && h.kept.n > 1; {
		m.dropOldest(s, h)
	}
	for h.bytes > m.cfg.MaxBytes {
		m.dropOldest(s, h) // one room alone must fit, or there would be nothing to evict
	}
	s.spoke(h, number)
}
