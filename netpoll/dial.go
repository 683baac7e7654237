// Dialling: connections that this side begins.

package netpoll

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// ErrStopped is returned by Dial on a loop that is being stopped, for example
// from Handler.Closed.
var ErrStopped = errors.New("netpoll: loop is stopped")

// DialConfig holds what a dialled socket gets.
type DialConfig struct {
	Local         netip.Addr // source address; the zero value leaves it to the kernel
	ReceiveBuffer int        // SO_RCVBUF in bytes, capped by net.core.rmem_max; 0 leaves it to the kernel's autotuning
}

// Dial starts connecting to remote and returns the connection's ID. Handler.Opened
// is called when it is connected, never before Dial returns. If it cannot be,
// Handler.Closed is called without Opened: with Refused, or PeerLost when there
// is no answer or no way there. There is no time limit but the kernel's, of
// about two minutes, unless SetDeadline sets one. Until Opened nothing can be
// sent and the connection counts as blocked; Close, Abort and Shutdown end it.
//
// An error means that there is no connection and that Closed will not be
// called. It wraps the kernel's: EMFILE, and EADDRNOTAVAIL when all ports of the
// source address are in use towards remote or the address is not this machine's.
//
// On the loop goroutine.
func (l *Loop) Dial(remote netip.AddrPort, cfg DialConfig) (ID, error) {
	if l.stopping {
		return 0, ErrStopped
	}
	fd, err := startConnect(remote, cfg)
	if err != nil {
		return 0, fmt.Errorf("netpoll: dial %s: %w", remote, err)
	}
	// A socket that connects is one that is full: it becomes writable when the
	// matter is decided, and the path of every event needs no case of its own.
	id, err := l.enter(fd, stateConnecting, flagIn|flagOut|flagBlocked)
	if err != nil {
		_ = unix.Close(fd)
		return 0, fmt.Errorf("netpoll: dial %s: %w", remote, err)
	}
	return id, nil
}

// startConnect returns a socket that is connecting, or is connected already.
func startConnect(remote netip.AddrPort, cfg DialConfig) (fd int, err error) {
	if !remote.IsValid() {
		return -1, sysErr("connect", unix.EDESTADDRREQ)
	}
	fd, err = unix.Socket(family(remote), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, sysErr("socket", err)
	}
	if err = cfg.configure(fd); err == nil {
		if err = unix.Connect(fd, sockaddr(remote)); err == unix.EINPROGRESS {
			err = nil
		}
		err = sysErr("connect", err)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (c DialConfig) configure(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return sysErr("setsockopt", err)
	}
	if c.ReceiveBuffer > 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, c.ReceiveBuffer); err != nil {
			return sysErr("setsockopt", err)
		}
	}
	if !c.Local.IsValid() {
		return nil
	}
	// Without it bind would take a port that is free towards everybody, and all
	// remotes together could be dialled only as often as there are ports.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return sysErr("setsockopt", err)
	}
	return sysErr("bind", unix.Bind(fd, sockaddr(netip.AddrPortFrom(c.Local, 0))))
}

// onConnected ends the state of connecting: the socket is writable or broken.
func (l *Loop) onConnected(id ID, c *conn) {
	errno, err := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR)
	switch {
	case err != nil:
		l.Close(id, SocketError)
	case errno != 0:
		l.Close(id, reasonOf(unix.Errno(errno)))
	case selfConnected(int(c.fd)):
		l.Abort(id, Refused) // a FIN would keep the port in TIME_WAIT
	default:
		c.state = stateOpen
		l.h.Opened(id)
	}
}

// selfConnected reports whether the socket is its own peer. If nobody listens on
// a port of this machine that is in the range of source ports, the kernel may
// choose that very port for the source, and TCP lets the two SYNs meet
// (simultaneous open, RFC 9293 section 3.5). The socket would then keep the port
// from the server that is to be started there.
func selfConnected(fd int) bool {
	local, err := unix.Getsockname(fd)
	if err != nil {
		return false
	}
	peer, err := unix.Getpeername(fd)
	return err == nil && addrPort(local) == addrPort(peer)
}
