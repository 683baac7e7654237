// Bans of addresses: networks that nobody may come from.

package moderation

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gaissmai/bart"

	"barrage/edge/moderation/replica"
	"barrage/edge/publish"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// addressEntry begins the names of entries: behind it is the network.
const addressEntry = "address "

// addresses are the replica's bans of networks, as every handshake asks for them: who is
// in none of them takes no lock. Any goroutine.
type addresses struct {
	table atomic.Pointer[bart.Table[time.Time]] // until when; copied with each change

	mu   sync.Mutex // held by who changes it
	full int        // so many networks are looked through for bans that are over
}

// set keeps a network out until then; the zero time lets it in.
func (a *addresses) set(p netip.Prefix, until time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.table.Load()
	if t == nil {
		t = new(bart.Table[time.Time])
	}
	if t.Size() > a.full {
		live := new(bart.Table[time.Time])
		for p, until := range t.All() {
			if time.Until(until) > 0 {
				live.Insert(p, until)
			}
		}
		t, a.full = live, 2*live.Size()+64
	}
	if until.IsZero() {
		t = t.DeletePersist(p)
	} else {
		t = t.InsertPersist(p, until)
	}
	a.table.Store(t)
}

// until is when an address may come again, at the latest of all that it has to wait for;
// the zero time is now.
func (a *addresses) until(ip netip.Addr) (until time.Time) {
	t := a.table.Load()
	if t == nil || !t.Contains(ip) {
		return time.Time{}
	}
	for _, u := range t.Supernets(netip.PrefixFrom(ip, ip.BitLen())) {
		if time.Until(u) > 0 && u.After(until) {
			until = u
		}
	}
	return until
}

// network is the network that an operator names. An IPv6 address alone stands for all
// that count as one address with it.
func (m *Moderation) network(address string) (netip.Prefix, error) {
	p, err := broker.ParseNetwork(address)
	if err != nil || strings.Contains(address, "/") {
		return p, err
	}
	return m.cfg.Loops.NetworkOf(p.Addr()), nil
}

// BanAddress ends all connections from an address, or a network in CIDR notation, on all
// nodes, and refuses new ones for a time. It returns the network, and when that is over.
func (m *Moderation) BanAddress(ctx context.Context, address, reason string, keep time.Duration) (broker.Ban, error) {
	p, err := m.network(address)
	if err != nil {
		return broker.Ban{}, err
	}
	o := &order{Address: p.String(), Reason: reason}
	err = m.keepOut(ctx, o, keep)
	return broker.Ban{Address: o.Address, Reason: reason, Until: time.UnixMilli(o.Until)}, err
}

// LiftAddress lets an address or a network come again, on all nodes. What wider or
// narrower networks are kept out of is not lifted.
func (m *Moderation) LiftAddress(ctx context.Context, address string) error {
	p, err := m.network(address)
	if err != nil {
		return err
	}
	if err := m.replica.Sync(ctx); err != nil {
		return publish.Refuse(err)
	}
	if _, ok := m.replica.Get(addressEntry + p.String()); !ok {
		return refusal.New(http.StatusNotFound, "not_banned", "this address is not kept out")
	}
	return m.give(ctx, &order{Address: p.String(), Lift: true})
}

// KeepsAddressesOut tells whether AddressBanned may be a refusal: if not, there is no need
// to find out where somebody comes from.
func (m *Moderation) KeepsAddressesOut() bool {
	t := m.addresses.table.Load()
	return t != nil && t.Size() > 0
}

// AddressBanned is a refusal if nobody may come from an address now; the zero one is
// unknown.
func (m *Moderation) AddressBanned(ip netip.Addr) error {
	if until := m.addresses.until(ip); !until.IsZero() {
		return refusal.Retry(http.StatusForbidden, "banned", "you have been sent out", time.Until(until))
	}
	return nil
}

// changedAddress takes an entry of an address from the replica.
func (m *Moderation) changedAddress(address string, e replica.Entry, o *order) {
	p, err := netip.ParsePrefix(address)
	switch {
	case err != nil: // of a newer node
	case e.Value == "":
		m.addresses.set(p, time.Time{})
	case o.Address == address:
		m.addresses.set(p, e.Until)
		m.sendAway(o)
	}
}
