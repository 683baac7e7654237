// Who may have how many requests under way.

package events

import (
	"net/netip"
	"sync"
)

// slots are the requests under way. Nobody gets more of them than they leave free: a
// route no more than are free in all, and in it an address or a user no more than are
// free to the route. So those who are greedy have equal shares, and whoever comes with
// less under way finds room, however slow the others' backends are. One alone gets a
// half, or if there are several routes a third.
type slots struct {
	max    int
	routes int // how many there are; a single one need leave nothing to others

	mu    sync.Mutex // guards what follows
	used  int
	taken map[payer]int // without those who have none
}

// payer is who has a slot: a route, or with a user or an address one of its payers.
type payer struct {
	route   *route
	user    string
	address netip.Addr
}

func newSlots(most, routes int) *slots {
	return &slots{max: most, routes: routes, taken: map[payer]int{}}
}

// take takes a slot, if there is one for this route, user ("" is nobody) and address (the
// zero one is unknown).
func (s *slots) take(to *route, user string, address netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	free := s.max - s.used
	if s.routes > 1 {
		own := s.taken[payer{route: to}]
		if own >= free {
			return false
		}
		free -= own
	}
	if free <= 0 ||
		user != "" && s.taken[payer{route: to, user: user}] >= free ||
		address.IsValid() && s.taken[payer{route: to, address: address}] >= free {
		return false
	}
	s.addLocked(1, to, user, address)
	return true
}

// give gives a slot back.
func (s *slots) give(to *route, user string, address netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addLocked(-1, to, user, address)
}

func (s *slots) addLocked(n int, to *route, user string, address netip.Addr) {
	s.used += n
	s.countLocked(n, payer{route: to})
	if user != "" {
		s.countLocked(n, payer{route: to, user: user})
	}
	if address.IsValid() {
		s.countLocked(n, payer{route: to, address: address})
	}
}

func (s *slots) countLocked(n int, p payer) {
	if s.taken[p] += n; s.taken[p] == 0 {
		delete(s.taken, p)
	}
}
