// How often logins may be wrong.

package hooks

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"barrage/internal/bounds"
	"barrage/internal/refusal"
)

// guessSlots is a power of two.
const guessSlots = 1 << 14

// guesses counts wrong logins of the present minute; there may be some beyond the bounds, of
// those that are being asked about at the time. It has a fixed size: those whose
// names fall into the same slot share a count, which no flood of names can make grow. Any
// goroutine.
type guesses struct {
	now  func() time.Time
	seed maphash.Seed

	mu      sync.Mutex // guards what follows
	until   time.Time
	address [guessSlots]uint16
	user    [guessSlots]uint16
}

func newGuesses(now func() time.Time) *guesses { return &guesses{now: now, seed: maphash.MakeSeed()} }

// slots are those of an address, and of a user, "" for nobody.
func (g *guesses) slots(address netip.Addr, user string) (a, u uint64) {
	return maphash.Comparable(g.seed, address) % guessSlots, maphash.String(g.seed, user) % guessSlots
}

// check refuses another login of those that had too many wrong ones.
func (g *guesses) check(address netip.Addr, user string) error {
	a, u := g.slots(address, user)
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !now.Before(g.until) || g.address[a] < bounds.AddressLogins && (user == "" || g.user[u] < bounds.UserLogins) {
		return nil
	}
	return &failure{result: Guessed, no: refusal.TooMany("rate_limited", "There were too many wrong logins.", g.until.Sub(now))}
}

// wrong counts one.
func (g *guesses) wrong(address netip.Addr, user string) {
	a, u := g.slots(address, user)
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !now.Before(g.until) {
		g.until = now.Add(time.Minute)
		g.address, g.user = [guessSlots]uint16{}, [guessSlots]uint16{}
	}
	g.address[a]++
	if user != "" {
		g.user[u]++
	}
}
