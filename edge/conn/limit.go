// Limits: of rates per connection, of connections per address.

package conn

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"barrage/internal/fair"
)

// Errors of Loop.Take.
var (
	ErrFull    = errors.New("edge: the server is full")
	ErrAddress = errors.New("edge: too many connections from this address")
)

// Rate is a token bucket in the form of GCRA (the generic cell rate algorithm): its
// state is one word, the theoretical arrival time. golang.org/x/time/rate would be 64
// bytes and a lock for each connection.
type Rate struct {
	interval time.Duration // between messages at the allowed rate; 0 allows nothing
	slack    time.Duration // how far ahead of now the arrival time may be
}

// NewRate allows perSecond, and burst at once.
func NewRate(perSecond float64, burst int) Rate {
	if perSecond <= 0 {
		return Rate{}
	}
	iv := time.Duration(float64(time.Second) / perSecond)
	return Rate{interval: iv, slack: iv * time.Duration(burst-1)}
}

// Take takes n at once, or none, from the bucket whose state is tat, at time now.
func (r Rate) Take(tat *time.Duration, now time.Duration, n int) bool {
	if r.interval == 0 || r.Wait(*tat, now, n) > 0 {
		return false
	}
	*tat = max(*tat, now) + time.Duration(n)*r.interval
	return true
}

// Return gives back n of those that were taken.
func (r Rate) Return(tat *time.Duration, n int) { *tat -= time.Duration(n) * r.interval }

// Spend takes one that costs so much time of the rate, one message's at least.
func (r Rate) Spend(tat *time.Duration, now, cost time.Duration) bool {
	if r.interval == 0 || r.Wait(*tat, now, 1) > 0 {
		return false
	}
	*tat = max(*tat, now) + max(cost, r.interval)
	return true
}

// Wait is how long until n could be taken.
func (r Rate) Wait(tat, now time.Duration, n int) time.Duration {
	return max(0, max(tat, now)+time.Duration(n-1)*r.interval-now-r.slack)
}

// Charge takes n from the bucket that have been used already: what is lacking is lacking
// for those who come next.
func (r Rate) Charge(tat *time.Duration, now time.Duration, n int) {
	*tat = max(*tat, now) + time.Duration(n)*r.interval
}

// addressLimit counts connections per address. Any goroutine.
type addressLimit struct {
	max    int // 0 is no limit
	v6Bits int
	mu     sync.Mutex // guards n
	n      map[netip.Addr]int
}

// network is what counts as one address: an IPv6 host has a whole network of its own.
func (l *addressLimit) network(a netip.Addr) netip.Addr {
	if a.Is6() {
		p, _ := a.Prefix(l.v6Bits) // cannot fail: the setting is within bounds
		return p.Addr()
	}
	return a
}

// Network is where a connection comes from, as far as it counts as one address; zero if
// it is gone already.
func (l *Loop) Network(id ID) netip.Addr {
	return l.loops.addresses.network(l.Source(id).Addr())
}

// NetworkOf is the network that counts as one address with a.
func (s *Loops) NetworkOf(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = s.addresses.v6Bits
	}
	return netip.PrefixFrom(a, bits).Masked()
}

// From is Network for what a connection publishes. One that is gone already is nowhere,
// but never a backend, which has no address.
func (l *Loop) From(id ID) netip.Addr {
	if a := l.Network(id); a.IsValid() {
		return a
	}
	return netip.IPv6Unspecified()
}

// Payer is whom what a client asks for is charged to.
func (l *Loop) Payer(c *Client) fair.Payer {
	return fair.Payer{Address: l.Network(c.ID), Conn: c.Serial}
}

// PayerOf is Payer for a connection without a record.
func (l *Loop) PayerOf(id ID) fair.Payer {
	return fair.Payer{Address: l.Network(id), Conn: uint64(id)}
}

func (l *addressLimit) take(a netip.Addr) bool {
	a = l.network(a)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n[a] >= l.max {
		return false
	}
	if l.n == nil {
		l.n = make(map[netip.Addr]int)
	}
	l.n[a]++
	return true
}

func (l *addressLimit) release(a netip.Addr) {
	a = l.network(a)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n[a]--; l.n[a] == 0 {
		delete(l.n, a)
	}
}
