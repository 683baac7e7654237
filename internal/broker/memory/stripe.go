// A stripe: rooms that share a lock, in the order in which they spoke, and how
// histories begin and end.

package memory

import (
	"container/list"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"barrage/internal/broker"
	"barrage/internal/broker/sampling"
	"barrage/internal/broker/turns"
	"barrage/internal/random"
	"barrage/internal/shrinkmap"
)

type stripe struct {
	// oldest is the number of the history at the old end, none without one.
	// Written under mu, read by evict without.
	oldest atomic.Uint64

	mu     sync.Mutex // guards what follows
	rooms  shrinkmap.Map[string, *history]
	order  list.List // of *history, the oldest first; those that never spoke are the oldest
	turns  turns.Rooms[delivery]
	shares shrinkmap.Map[shareKey, *share]       // but histories' main ones
	hot    shrinkmap.Map[string, *sampling.Room] // those that are sampled
	idle   sync.Cond                             // told when a turn is over, once the broker is closed
}

// lock returns the room's stripe, locked, and its history without what is too old by
// now, nil if there is none. If keep is on, the history keeps that from now on.
//
// While a room has members its history stays when it is over, empty: they would
// otherwise be told of a gap after each reconnect, although nothing was said that
// they have missed. The receiver is asked without the lock, and the answer used only
// if nobody has read the history or spoken meanwhile.
func (m *Broker) lock(room string, keep broker.Retention) (s *stripe, h *history, now time.Time) {
	s = m.stripes.Of(room)
	s.mu.Lock()
	now = m.cfg.Now() // under the lock, so that a room's times do not go back
	if h = s.rooms.Get(room); h == nil {
		return s, nil, now
	}
	if keep.On() {
		h.keep = keep
	}
	if !m.trim(s, h, now) {
		return s, h, now
	}
	reads := h.reads
	s.mu.Unlock()
	members := m.receiver.Members(room)
	s.mu.Lock()
	now = m.cfg.Now()
	again := s.rooms.Get(room)
	if again == h && m.trim(s, h, now) && h.reads == reads && members == 0 {
		m.drop(s, h)
		return s, nil, now
	}
	return s, again, now
}

// begin begins a room's history, which has none.
func (m *Broker) begin(s *stripe, room string, keep broker.Retention, now time.Time) *history {
	h := &history{room: strings.Clone(room), epoch: random.Name(), keep: keep, touched: m.age(now)}
	if _, mailbox := broker.UserOf(room); mailbox {
		h.box = new(box)
	}
	s.rooms.Put(h.room, h)
	h.at = s.order.PushFront(h)
	s.tellOldest()
	m.count.rooms.Add(1)
	return h
}

// trim drops messages that are too old, and tells whether the history is over.
func (m *Broker) trim(s *stripe, h *history, now time.Time) (over bool) {
	age := m.age(now)
	for h.kept.n > 0 && age-h.kept.at(0).at >= h.keep.Age {
		m.dropOldest(s, h)
	}
	return age-h.touched >= h.keep.Age
}

// dropOldest removes the oldest message of a history that has one.
func (m *Broker) dropOldest(s *stripe, h *history) { m.dropped(s, h, h.kept.pop()) }

// dropAt removes the i-th oldest message of a mailbox.
func (m *Broker) dropAt(s *stripe, h *history, i int) { m.dropped(s, h, h.kept.remove(i)) }

// dropped accounts for a message that is not kept any more.
func (m *Broker) dropped(s *stripe, h *history, k kept) {
	msg, n := k.message, size(k.message)
	if h.box != nil && msg.Offset > h.box.settled {
		h.box.count(k, -1)
	}
	h.bytes -= n
	m.mail.give(h.room, k.share.owner, &msg.Sender, msg.Kind, msg.Payload)
	s.release(h, k.share, n)
	m.count.messages.Add(-1)
	m.count.bytes.Add(-n)
}

// drop ends a history.
func (m *Broker) drop(s *stripe, h *history) {
	s.rooms.Delete(h.room)
	s.order.Remove(h.at)
	s.tellOldest()
	m.count.rooms.Add(-1)
	for h.kept.n > 0 {
		m.dropOldest(s, h)
	}
}

// spoke moves a history to the young end.
func (s *stripe) spoke(h *history, number uint64) {
	h.number = number
	s.order.MoveToBack(h.at)
	s.tellOldest()
}

// first is the history at the old end, nil without one.
func (s *stripe) first() *history {
	if e := s.order.Front(); e != nil {
		return e.Value.(*history)
	}
	return nil
}

func (s *stripe) tellOldest() {
	number := uint64(none)
	if h := s.first(); h != nil {
		number = h.number
	}
	s.oldest.Store(number)
}

// sweep is the goroutine that forgets what nobody asks for any more, a few stripes
// at a time.
func (m *Broker) sweep() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		n := 0
		for s := range m.stripes.All() {
			if n%sweepStripes == 0 {
				select {
				case <-m.ending:
					return
				case <-tick.C:
				}
				m.keys.Expire(m.age(m.cfg.Now()))
			}
			n++
			m.sweepStripe(s)
		}
	}
}

func (m *Broker) sweepStripe(s *stripe) {
	var over []string
	now := m.cfg.Now()
	s.mu.Lock()
	for e := s.order.Front(); e != nil; e = e.Next() {
		if h := e.Value.(*history); m.trim(s, h, now) {
			over = append(over, h.room)
		}
	}
	s.forgetIdle(now.UnixMilli())
	s.mu.Unlock()
	for _, room := range over {
		m.lock(room, asItIs) // ends it, if nobody is there
		s.mu.Unlock()
	}
}
