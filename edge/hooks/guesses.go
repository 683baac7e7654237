// How often logins may be wrong.

package hooks

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"barrage/internal/refusal"
)

const (
	// AddressGuesses and UserGuesses are how many wrong logins a minute there may be from
	// an address and of a user; those that are asked count until they are answered.
	AddressGuesses = 60
	UserGuesses    = 10

	guessSlots = 1 << 14 // a power of two
)

// guesses counts wrong logins of the present minute. It has a fixed size: those whose
// names fall into the same slot share a count, which no flood of names can make grow. Any
// goroutine.
type guesses struct {
	now  func() time.Time
	seed maphash.Seed

	mu      sync.Mutex // guards what follows
	until   time.Time
	minute  uint64 // which it is
	address [guessSlots]uint16
	user    [guessSlots]uint16
}

func newGuesses(now func() time.Time) *guesses { return &guesses{now: now, seed: maphash.MakeSeed()} }

// take counts a login as wrong, until back is called; or refuses it. user may be "".
func (g *guesses) take(address netip.Addr, user string) (back func(), err error) {
	a, u := maphash.Comparable(g.seed, address)%guessSlots, maphash.String(g.seed, user)%guessSlots
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !now.Before(g.until) {
		g.until, g.minute = now.Add(time.Minute), g.minute+1
		g.address, g.user = [guessSlots]uint16{}, [guessSlots]uint16{}
	}
	if g.address[a] >= AddressGuesses || user != "" && g.user[u] >= UserGuesses {
		return nil, refusal.TooMany("rate_limited", "There were too many wrong logins.", g.until.Sub(now))
	}
	g.address[a]++
	if user != "" {
		g.user[u]++
	}
	minute := g.minute
	return func() { g.back(minute, a, u, user != "") }, nil
}

func (g *guesses) back(minute, a, u uint64, named bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.minute != minute {
		return
	}
	g.address[a]--
	if named {
		g.user[u]--
	}
}
