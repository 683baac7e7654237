// Places: what owners hold for as long as they like, such as memory.

package fair

import "net/netip"

// Owner is who holds something that outlives a connection.
type Owner struct {
	Address netip.Addr // of an IPv6 host its network
	User    string     // "" is anybody there
}

// Places are shared out like those in a [Queue]: an address may hold as many as are
// free, and a user as many as their address may still have: one user alone a third, rounded
// up, so that of one place, too, somebody may have it. It has no lock: its owner
// calls it from one goroutine at a time.
type Places struct {
	all, taken int64
	addresses  map[netip.Addr]int64
	owners     map[Owner]int64
}

// NewPlaces returns so many, all of them free.
func NewPlaces(n int64) *Places {
	return &Places{all: n, addresses: make(map[netip.Addr]int64), owners: make(map[Owner]int64)}
}

// Take takes n places. It returns false if o would hold more than it may.
func (p *Places) Take(o Owner, n int64) bool {
	if !p.Fits(o, n) {
		return false
	}
	p.Add(o, n)
	return true
}

// Fits tells whether o may hold n more. Fewer are always allowed.
func (p *Places) Fits(o Owner, n int64) bool {
	free := p.all - p.taken
	at := p.addresses[o.Address]
	return n <= 0 || at+n <= free && p.owners[o]+n <= free-at
}

// Add takes n places, whether or not o may hold them.
func (p *Places) Add(o Owner, n int64) {
	p.taken += n
	p.addresses[o.Address] += n
	p.owners[o] += n
}

// Give gives back n places that o has taken.
func (p *Places) Give(o Owner, n int64) {
	p.taken -= n
	if p.addresses[o.Address] -= n; p.addresses[o.Address] == 0 {
		delete(p.addresses, o.Address)
	}
	if p.owners[o] -= n; p.owners[o] == 0 {
		delete(p.owners, o)
	}
}

// Taken is how many are.
func (p *Places) Taken() int64 { return p.taken }
