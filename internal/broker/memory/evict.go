// Who loses what when there is not enough memory: shares by address, user and room.

package memory

import (
	"cmp"
	"slices"

	"barrage/internal/broker"
	"barrage/internal/fair"
)

// A share is what an owner has of a room's history. It belongs to the stripe's lock.
type share struct {
	owner fair.Owner
	bytes int64
}

type shareKey struct {
	h     *history
	owner fair.Owner
}

// shareOf is the share that a message of h by an owner belongs to.
func (s *stripe) shareOf(h *history, owner fair.Owner) *share {
	if h.last != nil && h.last.owner == owner {
		return h.last
	}
	key := shareKey{h, owner}
	if h.last = s.find(key); h.last == nil {
		h.last = &h.main
		if h.main.bytes > 0 {
			h.last = new(share)
			s.shares.Put(key, h.last)
		}
		h.last.owner = owner
	}
	return h.last
}

// find returns a share, nil if the owner has nothing of the history.
func (s *stripe) find(key shareKey) *share {
	if main := &key.h.main; main.bytes > 0 && main.owner == key.owner {
		return main
	}
	return s.shares.Get(key)
}

// release takes a message's bytes out of its share.
func (s *stripe) release(h *history, of *share, n int64) {
	if of.bytes -= n; of.bytes > 0 {
		return
	}
	if of != &h.main {
		s.shares.Delete(shareKey{h, of.owner})
	}
	if h.last == of {
		h.last = nil
	}
}

// evictBatch is the part of a bound that is made free at a time, since looking for those
// who have most takes a walk over all shares.
const evictBatch = 16

// evict takes from those who have most until the bounds hold: of all addresses that have
// more than the others, their users that do, and of these the rooms that do
// ([fair.Level]). Rooms of single users come last. The caller holds no lock.
func (m *Broker) evict() {
	if !m.full() {
		return
	}
	m.evicting.Lock()
	defer m.evicting.Unlock()
	for m.full() {
		rooms := m.count.rooms.Load() > int64(m.cfg.MaxRooms)
		if rooms && m.dropOldestRoom(true) {
			continue
		}
		if !m.take(rooms, false) && !m.take(rooms, true) && !m.dropOldestRoom(false) {
			return // others have dropped all meanwhile
		}
	}
}

// A claim is a share that has too much, as it was when it was looked at.
type claim struct {
	s *stripe
	shareKey
	cost   int64
	number uint64 // of the history's newest message
}

// unit is what a room counts for, of which a share has the part that its bytes are of
// the room's.
const unit = 1 << 10

func (h *history) cost(of *share, rooms bool) int64 {
	if !rooms {
		return of.bytes
	}
	return max(of.bytes*unit/h.bytes, 1)
}

// take makes bytes free, or rooms, in mailboxes or all others. It returns false if there
// is nothing to take.
func (m *Broker) take(rooms, mailboxes bool) (taken bool) {
	excess := m.count.bytes.Load() - m.cfg.MaxBytes + m.cfg.MaxBytes/evictBatch
	if rooms {
		excess = unit * (m.count.rooms.Load() - int64(m.cfg.MaxRooms-m.cfg.MaxRooms/evictBatch))
	}
	totals, sum := make(map[fair.Owner]int64), int64(0) // by address
	m.eachShare(mailboxes, func(_ *stripe, h *history, of *share) {
		cost := h.cost(of, rooms)
		totals[fair.Owner{Address: of.owner.Address}] += cost
		sum += cost
	})
	if sum == 0 {
		return false
	}
	level := levelOf(totals, sum-excess)
	claims := make(map[fair.Owner]map[fair.Owner][]claim) // by address, and then by user
	m.eachShare(mailboxes, func(s *stripe, h *history, of *share) {
		address := fair.Owner{Address: of.owner.Address}
		if totals[address] <= level {
			return
		}
		if claims[address] == nil {
			claims[address] = make(map[fair.Owner][]claim)
		}
		claims[address][of.owner] = append(claims[address][of.owner], claim{s, shareKey{h, of.owner}, h.cost(of, rooms), h.number})
	})
	for _, users := range claims {
		totals := make(map[fair.Owner]int64, len(users))
		for user, list := range users {
			for _, c := range list {
				totals[user] += c.cost
			}
		}
		level := levelOf(totals, level)
		for user, list := range users {
			switch {
			case totals[user] <= level:
			case rooms:
				taken = m.dropRooms(list, totals[user]-level) || taken
			default:
				taken = m.cut(list, level) || taken
			}
		}
	}
	return taken
}

func levelOf(totals map[fair.Owner]int64, total int64) int64 {
	wants := make([]int64, 0, len(totals))
	for _, n := range totals {
		wants = append(wants, n)
	}
	return fair.Level(wants, total)
}

// eachShare calls f with the shares of mailboxes, or of all others, under their stripes'
// locks.
func (m *Broker) eachShare(mailboxes bool, f func(*stripe, *history, *share)) {
	for s := range m.stripes.All() {
		s.mu.Lock()
		for room, h := range s.rooms.All() {
			if _, mailbox := broker.UserOf(room); mailbox == mailboxes && h.main.bytes > 0 {
				f(s, h, &h.main)
			}
		}
		for key, of := range s.shares.All() {
			if _, mailbox := broker.UserOf(key.h.room); mailbox == mailboxes {
				f(s, key.h, of)
			}
		}
		s.mu.Unlock()
	}
}

// cut leaves an owner so much in all their rooms together: the oldest messages go of
// those that have most, with those of others between them, since a history that is no
// mailbox has no holes.
func (m *Broker) cut(list []claim, left int64) (taken bool) {
	wants := make([]int64, len(list))
	for i, c := range list {
		wants[i] = c.cost
	}
	level := fair.Level(wants, left)
	for _, c := range list {
		if c.cost <= level {
			continue
		}
		c.s.mu.Lock()
		if of := c.s.find(c.shareKey); of != nil && of.bytes > level {
			for i := 0; of.bytes > level && i < c.h.kept.n; {
				if c.h.box != nil && c.h.kept.at(i).share != of {
					i++
					continue
				}
				m.dropAt(c.s, c.h, i)
			}
			m.count.evicted.Add(1)
			taken = true
		}
		c.s.mu.Unlock()
	}
	return taken
}

// dropRooms ends histories of an owner: those first that are theirs alone, and of these
// the ones that spoke least recently.
func (m *Broker) dropRooms(list []claim, excess int64) (taken bool) {
	slices.SortFunc(list, func(a, b claim) int {
		return cmp.Or(cmp.Compare(b.cost, a.cost), cmp.Compare(a.number, b.number))
	})
	for _, c := range list {
		if excess <= 0 {
			break
		}
		c.s.mu.Lock()
		if c.s.find(c.shareKey) != nil {
			m.drop(c.s, c.h)
			m.count.evicted.Add(1)
			taken = true
		}
		c.s.mu.Unlock()
		excess -= c.cost
	}
	return taken
}

// dropOldestRoom ends the history of the room that spoke least recently, or only one
// that never spoke. It returns false if there is none.
func (m *Broker) dropOldestRoom(silent bool) bool {
	for {
		var oldest *stripe
		number := uint64(none)
		for s := range m.stripes.All() {
			if n := s.oldest.Load(); n < number {
				oldest, number = s, n
			}
		}
		if oldest == nil || silent && number != 0 {
			return false
		}
		oldest.mu.Lock()
		h := oldest.first()
		same := h != nil && h.number == number // else it has spoken: look again
		if same {
			m.drop(oldest, h)
			m.count.evicted.Add(1)
		}
		oldest.mu.Unlock()
		if same {
			return true
		}
	}
}

func (m *Broker) full() bool {
	return m.count.rooms.Load() > int64(m.cfg.MaxRooms) || m.count.bytes.Load() > m.cfg.MaxBytes
}
