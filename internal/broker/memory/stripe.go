// A stripe: rooms that share a lock, in the order in which they spoke, and how
// histories begin and end.

package memory

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"barrage/internal/shrinkmap"
)

type stripe struct {
	// oldest is the number of the history at the old end, none without one.
	// Written under mu, read by evict without.
	oldest atomic.Uint64

	mu         sync.Mutex // guards what follows
	rooms      shrinkmap.Map[string, *history]
	old, young *history // the ends of the order; those that never spoke are the oldest
}

// find returns a room's history without what is too old, nil if there is none.
func (m *Broker) find(s *stripe, room string, now time.Duration) *history {
	h := s.rooms.Get(room)
	if h == nil || m.expire(s, h, now) {
		return nil
	}
	return h
}

// open is find, but begins a history, and has it keep what the room may keep at
// present. It returns nil if that is nothing: what was kept before then waits for
// the room to be allowed again, or for its time to be over.
func (m *Broker) open(s *stripe, room string, now time.Duration) *history {
	keep := m.cfg.Retention(room)
	if !keep.On() {
		return nil
	}
	if h := s.rooms.Get(room); h != nil {
		h.keep = keep
		if !m.expire(s, h, now) {
			return h
		}
	}
	h := &history{room: strings.Clone(room), epoch: randomName(), keep: keep, touched: now}
	s.rooms.Put(h.room, h)
	s.link(h, nil, s.old)
	m.count.rooms.Add(1)
	return h
}

// expire drops messages that are too old, and then a history that is over. While
// the room has members it stays, empty: they would otherwise be told of a gap
// after each reconnect, although nothing was said that they have missed.
func (m *Broker) expire(s *stripe, h *history, now time.Duration) (ended bool) {
	for h.kept.n > 0 && now-h.kept.at(0).at >= h.keep.Age {
		m.dropOldest(h)
	}
	if !h.over(now) || m.receiver.Members(h.room) > 0 {
		return false
	}
	m.drop(s, h)
	m.count.expired.Add(1)
	return true
}

// dropOldest removes the oldest message of a history that has one.
func (m *Broker) dropOldest(h *history) {
	n := size(h.kept.pop().message)
	h.bytes -= n
	m.count.messages.Add(-1)
	m.count.bytes.Add(-n)
}

// drop ends a history.
func (m *Broker) drop(s *stripe, h *history) {
	s.rooms.Delete(h.room)
	s.unlink(h)
	m.count.rooms.Add(-1)
	m.count.messages.Add(-int64(h.kept.n))
	m.count.bytes.Add(-h.bytes)
}

// spoke moves a history to the young end.
func (s *stripe) spoke(h *history, number uint64) {
	s.unlink(h)
	h.number = number
	s.link(h, s.young, nil)
}

// link puts h between two neighbours, nil being an end.
func (s *stripe) link(h, older, younger *history) {
	h.older, h.younger = older, younger
	*s.after(older), *s.before(younger) = h, h
	s.tellOldest()
}

func (s *stripe) unlink(h *history) {
	*s.after(h.older), *s.before(h.younger) = h.younger, h.older
	h.older, h.younger = nil, nil
	s.tellOldest()
}

func (s *stripe) after(h *history) **history {
	if h == nil {
		return &s.old
	}
	return &h.younger
}

func (s *stripe) before(h *history) **history {
	if h == nil {
		return &s.young
	}
	return &h.older
}

func (s *stripe) tellOldest() {
	number := uint64(none)
	if s.old != nil {
		number = s.old.number
	}
	s.oldest.Store(number)
}

// evict drops the histories of those rooms that spoke least recently until the
// bounds hold. The caller holds no lock.
func (m *Broker) evict() {
	if !m.full() {
		return
	}
	m.evicting.Lock()
	defer m.evicting.Unlock()
	for m.full() {
		oldest := &m.stripes[0]
		number := oldest.oldest.Load()
		for i := range m.stripes {
			if n := m.stripes[i].oldest.Load(); n < number {
				oldest, number = &m.stripes[i], n
			}
		}
		if number == none {
			return // others have dropped all meanwhile
		}
		oldest.mu.Lock()
		if h := oldest.old; h != nil && h.number == number { // else it has spoken: look again
			m.drop(oldest, h)
			m.count.evicted.Add(1)
		}
		oldest.mu.Unlock()
	}
}

func (m *Broker) full() bool {
	return m.count.rooms.Load() > int64(m.cfg.MaxRooms) || m.count.bytes.Load() > m.cfg.MaxBytes
}

// sweep is the goroutine that forgets what nobody asks for any more.
func (m *Broker) sweep() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for next := 0; ; next = (next + sweepStripes) % stripes {
		select {
		case <-m.ending:
			return
		case <-tick.C:
			m.sweepPart(next)
		}
	}
}

// sweepPart sweeps a few stripes, and the keys.
func (m *Broker) sweepPart(first int) {
	now := m.age(m.cfg.Now())
	for i := range sweepStripes {
		s := &m.stripes[first+i]
		s.mu.Lock()
		for h := s.old; h != nil; {
			younger := h.younger // h may be unlinked
			m.expire(s, h, now)
			h = younger
		}
		s.mu.Unlock()
	}
	m.keys.expire(now)
}
