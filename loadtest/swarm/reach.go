// Which address of a target's name is connected to.

package swarm

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// reachTime bounds the look at one address of several.
const reachTime = 2 * time.Second

// lookup is net.Resolver.LookupNetIP.
type lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

// reach gives a target's address: of a name with several the first that takes a
// connection, IPv4 before IPv6. If none does, it is the first: the connections will fail,
// and say why.
func reach(find lookup, target string) (netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(target)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := net.LookupPort("tcp", service)
	if err != nil {
		return netip.AddrPort{}, err
	}
	addresses, err := find(context.Background(), "ip", host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if len(addresses) == 0 {
		return netip.AddrPort{}, fmt.Errorf("%s has no address", host)
	}
	for i, a := range addresses {
		addresses[i] = a.Unmap()
	}
	slices.SortStableFunc(addresses, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
	addresses = slices.Compact(addresses)
	first := netip.AddrPortFrom(addresses[0], uint16(port))
	if len(addresses) == 1 {
		return first, nil // nothing to choose, so the server is not bothered
	}
	for _, a := range addresses {
		at := netip.AddrPortFrom(a, uint16(port))
		if conn, err := net.DialTimeout("tcp", at.String(), reachTime); err == nil {
			_ = conn.Close()
			return at, nil
		}
	}
	return first, nil
}
