// Where connections come from: from their peer's address, or, through a proxy, from
// the viewer's.

package conn

import (
	"net/netip"

	"barrage/netpoll"
)

// source is where a connection comes from. There is none, that is a zero one, for those
// whose peer the kernel is to be asked for. It is kept free of pointers, as sessions are.
// Owner: the loop's goroutine.
type source struct {
	addr  [16]byte
	port  uint16
	flags uint8
}

const (
	sourceKnown   uint8 = 1 << iota
	sourceShared        // the address is many viewers': none of it is limited
	sourceCounted       // counts against Loops.addresses
)

func (o *source) set(a netip.AddrPort, flags uint8) {
	*o = source{addr: a.Addr().As16(), port: a.Port(), flags: flags | sourceKnown}
}

func (o *source) address() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(o.addr).Unmap(), o.port)
}

// Source is the address that a connection comes from: what SetSource said, or else its
// peer's. It is not valid if the peer is gone already.
func (l *Loop) Source(id ID) netip.AddrPort {
	if o := l.sources.Get(id); o.flags != 0 {
		return o.address()
	}
	return l.recentPeer(id)
}

// recentPeers bounds a cache of peers' addresses: who publishes does so again, and the kernel
// is asked for all others. A table of all would cost those who say nothing.
const recentPeers = 256

type recentPeer struct {
	id   ID
	addr netip.AddrPort // not valid: of nobody
}

func (l *Loop) recentPeer(id ID) netip.AddrPort {
	r := &l.peers[id%recentPeers]
	if r.id != id || !r.addr.IsValid() {
		*r = recentPeer{id, l.net.Peer(id)}
	}
	return r.addr
}

// Own is the address of Source, where it is the viewer's alone as far as is known: zero
// if it is a proxy's.
func (l *Loop) Own(id ID) netip.Addr {
	if l.sources.Get(id).flags&sourceShared != 0 {
		return netip.Addr{}
	}
	return l.Source(id).Addr()
}

// Peer is the address at the other end of a connection's socket: a viewer's or a proxy's.
func (l *Loop) Peer(id ID) netip.AddrPort { return l.net.Peer(id) }

// SetSource says where a connection comes from whose peer is a proxy; a port of 0 is not
// known. A shared address is the proxy's own, since it has not said whose the connection
// is: then no limit of addresses holds for it. Before Take.
func (l *Loop) SetSource(id ID, a netip.AddrPort, shared bool) {
	flags := uint8(0)
	if shared {
		flags = sourceShared
	}
	l.sources.Make(id).set(a, flags)
}

// takeAddress counts a connection against the limit of its address, and tells whether
// that was within it.
func (l *Loop) takeAddress(id ID) bool {
	limit := &l.loops.addresses
	if limit.max == 0 || l.sources.Get(id).flags&sourceShared != 0 {
		return true
	}
	a := l.Source(id)
	if !a.IsValid() {
		return true // the peer is gone, and so is the connection in a moment
	}
	if !limit.take(a.Addr()) {
		return false
	}
	l.sources.Make(id).set(a, sourceCounted)
	return true
}

// giveAddress undoes takeAddress.
func (l *Loop) giveAddress(id ID) {
	if o := l.sources.Get(id); o.flags&sourceCounted != 0 {
		l.loops.addresses.release(o.address().Addr())
		l.sources.At(id).flags &^= sourceCounted
	}
}

// forgetSource is for a connection that is gone.
func (l *Loop) forgetSource(id ID) {
	l.giveAddress(id)
	if r := &l.peers[id%recentPeers]; r.id == id {
		*r = recentPeer{}
	}
	if l.sources.Get(id).flags != 0 {
		*l.sources.At(id) = source{}
	}
}

// Remote is where a connection comes from, for those who may want to know: it is looked
// up when it is asked.
type Remote struct {
	loop *Loop
	id   ID
}

// Remote is to be asked while the connection is here.
func (l *Loop) Remote(id ID) Remote { return Remote{l, id} }

// String is the address, with the port if that is known; "local" of a Unix socket, "" if
// the connection is gone already. The loop's goroutine.
func (r Remote) String() string {
	switch a := r.loop.Source(r.id); {
	case !a.IsValid():
		return ""
	case a == netpoll.Local:
		return "local"
	case a.Port() == 0:
		return a.Addr().String()
	default:
		return a.String()
	}
}
