package redisbridge

// Calls of the receiver: each room's in order, by whoever has the room's turn, under
// no lock.

import (
	"math"
	"sync"

	"barrage/internal/broker"
	"barrage/internal/broker/turns"
)

// othersTold is how many calls for others a goroutine makes behind its own, for the
// reader has more to do. A goroutine makes the rest.
const othersTold = 8

// A stripe is rooms that share a lock. After it may come: interest.mu, inflight.mu.
type stripe struct {
	mu    sync.Mutex // guards what follows, and the tracks of its rooms
	turns turns.Rooms[call]
	begun *turns.Turn[call]   // by whoever holds mu, to be done when it unlocks
	full  chan broker.Receipt // whoever holds mu has put more than may wait, and waits for this
}

// A call is what the receiver is to be told in a room: a message, a gap, a message
// that Redis did not take, or else that the room is ready.
type call struct {
	room    string
	message *broker.Message
	gap     *broker.Gap
	local   *outgoing
	told    chan broker.Receipt // gets local's receipt, or anything for another; nil: nobody waits
}

func (c *call) bytes() int {
	if c.message == nil {
		return heldOverhead
	}
	return heldOverhead + len(c.message.Payload)
}

// putLocked has a call made behind all others for its room.
func (s *stripe) putLocked(c call) {
	t := s.turns.Of(c.room)
	switch {
	case t == nil:
		t = s.turns.Begin(c.room)
		s.begun = t
	case t != s.begun && t.Full() && c.told == nil:
		// The reader then stops reading, and Redis sees it.
		c.told = make(chan broker.Receipt, 1)
		s.full = c.told
	}
	t.Put(c, c.bytes())
}

// unlock unlocks a stripe, and makes the calls that were put before, unless another
// goroutine has the room's turn.
func (b *Bridge) unlock(s *stripe) {
	t, full := s.begun, s.full
	s.begun, s.full = nil, nil
	if t == nil {
		s.mu.Unlock()
		if full != nil {
			<-full
		}
		return
	}
	own := t.Waiting()
	c, _ := s.turns.Next(t)
	s.mu.Unlock()
	defer b.callOthers(s, t, own-1+othersTold) // even if the receiver panics
	b.call(&c)
}

// callOthers makes the calls that wait, up to a number.
func (b *Bridge) callOthers(s *stripe, t *turns.Turn[call], most int) {
	for n := 0; ; n++ {
		s.mu.Lock()
		c, ok := s.turns.Next(t)
		s.mu.Unlock()
		switch {
		case !ok:
			return
		case n == most:
			b.calls.Add(1)
			go b.callRest(s, t, c)
			return
		}
		b.call(&c)
	}
}

// callRest is a goroutine. It ends when nothing waits any more; Close waits for it.
func (b *Bridge) callRest(s *stripe, t *turns.Turn[call], c call) {
	defer b.calls.Done()
	b.call(&c)
	b.callOthers(s, t, math.MaxInt)
}

// call makes one call, in its room's turn.
func (b *Bridge) call(c *call) {
	var r broker.Receipt
	switch {
	case c.message != nil:
		r.Members = b.receiver.Deliver(c.message)
	case c.gap != nil:
		b.receiver.Lost(c.room, *c.gap)
	case c.local != nil:
		r = b.deliverInTurn(c.local)
	default:
		b.receiver.Ready(c.room)
	}
	if c.told != nil {
		c.told <- r // it has room for one
	}
}

// put is putLocked for a single call.
func (b *Bridge) put(c call) {
	s := b.stripes.Of(c.room)
	s.mu.Lock()
	s.putLocked(c)
	b.unlock(s)
}

// ready tells that the room's messages are coming.
func (b *Bridge) ready(room string) { b.put(call{room: room}) }

// received delivers a message that is in no history.
func (b *Bridge) received(m *broker.Message) {
	b.count.received.Add(1)
	b.count.receivedBytes.Add(uint64(len(m.Payload)))
	b.put(call{room: m.Room, message: m})
}

// deliverLocally delivers a message that Redis does not get, or may not have got, to
// the members here. It is refused if its key could not be remembered.
func (b *Bridge) deliverLocally(m *outgoing) (broker.Receipt, error) {
	told := make(chan broker.Receipt, 1)
	b.put(call{room: m.room, local: m, told: told})
	r := <-told
	if r.ID == "" {
		b.count.refused.Add(1)
		return r, broker.SpentKeys(b.local.Free(b.now()))
	}
	return r, nil
}

// deliverInTurn is deliverLocally's work. In the room's turn nobody else looks for
// the key. The zero Receipt: there is no place for it.
func (b *Bridge) deliverInTurn(m *outgoing) broker.Receipt {
	if first, again := b.repeated(m); again {
		return first
	}
	if m.keyed && !b.local.Take(m.owner, b.now()) {
		return broker.Receipt{}
	}
	b.count.localOnly.Add(1)
	r := broker.Receipt{ID: m.id, LocalOnly: true, Members: b.receiver.Deliver(m.local())}
	if m.keyed {
		b.local.Put(m.result, m.owner, r, b.now())
	}
	return r
}

// repeated finds the receipt of a message that was delivered locally, with the
// same key: that is all that becomes of it, here and, Redis being back, elsewhere.
func (b *Bridge) repeated(m *outgoing) (broker.Receipt, bool) {
	if !m.keyed {
		return broker.Receipt{}, false
	}
	first := b.local.Find(m.result, b.now())
	if first == nil {
		return broker.Receipt{}, false
	}
	r := first.Receipt // it is complete when it is put
	r.Replayed = true
	return r, true
}
