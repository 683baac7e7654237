// Who may have how much under way.

package fair

import (
	"net/netip"
	"sync"
)

// Slots are what is under way, of several routes R. Nobody gets more of them than they
// leave free: a route no more than are free in all, and in it an address or a user no more
// than are free to the route. So those who are greedy have equal shares, and whoever comes
// with less under way finds room, however slow the others' routes are. One alone gets a
// half, or if there are several routes a third, rounded up. Any goroutine.
type Slots[R comparable] struct {
	max    int
	routes int // how many there are; a single one need leave nothing to others

	mu    sync.Mutex // guards what follows
	used  int
	taken map[holder[R]]int // without those who have none
}

// holder is who has slots: a route, or with a user or an address one of its payers.
type holder[R comparable] struct {
	route   R
	user    string
	address netip.Addr
}

// NewSlots returns so many slots, for so many routes.
func NewSlots[R comparable](most, routes int) *Slots[R] {
	return &Slots[R]{max: most, routes: routes, taken: map[holder[R]]int{}}
}

// Take takes n slots at once, if there are as many for this route, user ("" is nobody) and
// address (the zero one is unknown).
func (s *Slots[R]) Take(n int, to R, user string, address netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	free := s.max - s.used
	if s.routes > 1 {
		own := s.taken[holder[R]{route: to}]
		if own+n > free {
			return false
		}
		free -= own
	}
	if n > free ||
		user != "" && s.taken[holder[R]{route: to, user: user}]+n > free ||
		address.IsValid() && s.taken[holder[R]{route: to, address: address}]+n > free {
		return false
	}
	s.addLocked(n, to, user, address)
	return true
}

// Give gives slots back.
func (s *Slots[R]) Give(n int, to R, user string, address netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addLocked(-n, to, user, address)
}

// Used is how many are taken.
func (s *Slots[R]) Used() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
}

func (s *Slots[R]) addLocked(n int, to R, user string, address netip.Addr) {
	s.used += n
	s.countLocked(n, holder[R]{route: to})
	if user != "" {
		s.countLocked(n, holder[R]{route: to, user: user})
	}
	if address.IsValid() {
		s.countLocked(n, holder[R]{route: to, address: address})
	}
}

func (s *Slots[R]) countLocked(n int, h holder[R]) {
	if s.taken[h] += n; s.taken[h] == 0 {
		delete(s.taken, h)
	}
}
