// What the tests of package memory_test see of the inside.

package memory

import (
	"fmt"
	"maps"
	"slices"
	"unsafe"

	"barrage/internal/broker"
)

// SweepAll is one round of the sweeper.
func (m *Broker) SweepAll() {
	for s := range m.stripes.All() {
		m.sweepStripe(s)
	}
	m.keys.Expire(m.age(m.cfg.Now()))
}

// Histories returns the rooms that have one, sorted.
func (m *Broker) Histories() []string {
	list := []string{}
	for s := range m.stripes.All() {
		s.mu.Lock()
		for e := s.order.Front(); e != nil; e = e.Next() {
			h := e.Value.(*history)
			list = append(list, h.room)
		}
		s.mu.Unlock()
	}
	slices.Sort(list)
	return list
}

// Audit counts again what is counted, while nothing else is going on.
func (m *Broker) Audit() error {
	var rooms, messages, bytes, mailed int64
	i := 0
	for s := range m.stripes.All() {
		i++
		count, last := 0, uint64(0)
		shares, mains := make(map[*share]int64), 0
		for e := s.order.Front(); e != nil; e = e.Next() {
			h := e.Value.(*history)
			count++
			if h.main.bytes > 0 {
				mains++
			}
			if s.rooms.Get(h.room) != h || h.number < last {
				return fmt.Errorf("stripe %d: room %s is out of order or not in the map", i, h.room)
			}
			last = h.number
			own := int64(0)
			for k := range h.kept.n {
				kept := h.kept.at(k)
				own += size(kept.message)
				if _, mailbox := broker.UserOf(h.room); mailbox && kept.share.owner.Address.IsValid() {
					mailed += mailSize(&kept.message.Sender, kept.message.Kind, kept.message.Payload)
				}
				shares[kept.share] += size(kept.message)
				if s.find(shareKey{h, kept.share.owner}) != kept.share {
					return fmt.Errorf("room %s: a message's share is not its owner's", h.room)
				}
			}
			if h.box != nil {
				again := box{settled: h.box.settled}
				for k := h.behind(h.acked); k < h.kept.n; k++ {
					again.count(h.kept.at(k), 1)
				}
				if h.box.settled != h.acked || again.clients != h.box.clients || again.backends != h.box.backends ||
					again.mortal != h.box.mortal || !maps.Equal(again.senders, h.box.senders) {
					return fmt.Errorf("room %s: the box has %+v, counted %+v", h.room, *h.box, again)
				}
			}
			if own != h.bytes || h.kept.n > h.keep.Messages {
				return fmt.Errorf("room %s: %d messages of %d bytes, counted %d", h.room, h.kept.n, own, h.bytes)
			}
			messages += int64(h.kept.n)
			bytes += own
		}
		for of, n := range shares {
			if of.bytes != n {
				return fmt.Errorf("stripe %d: a share counts %d bytes and has %d", i, of.bytes, n)
			}
		}
		if len(shares) != s.shares.Len()+mains {
			return fmt.Errorf("stripe %d: %d shares, %d in use", i, s.shares.Len()+mains, len(shares))
		}
		if count != s.rooms.Len() {
			return fmt.Errorf("stripe %d: %d rooms in order, %d in the map", i, count, s.rooms.Len())
		}
		rooms += int64(count)
	}
	if got := m.Stats(); got.Rooms != rooms || got.Messages != messages || got.Bytes != bytes {
		return fmt.Errorf("stats %+v, counted %d rooms, %d messages, %d bytes", got, rooms, messages, bytes)
	}
	if got := m.mail.places.Taken(); got != mailed {
		return fmt.Errorf("%d bytes of mailboxes are taken, %d used", got, mailed)
	}
	if messageOverhead != unsafe.Sizeof(broker.Message{})+unsafe.Sizeof(kept{}) {
		return fmt.Errorf("messageOverhead is %d, should be %d", messageOverhead, unsafe.Sizeof(broker.Message{})+unsafe.Sizeof(kept{}))
	}
	return nil
}
