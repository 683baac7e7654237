// Listening sockets: one per loop and address (SO_REUSEPORT), accepting in bounded
// bursts and pausing when the process runs out of descriptors.

package netpoll

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	easygo "github.com/mailru/easygo/netpoll"
	"golang.org/x/sys/unix"
)

// ListenConfig holds what accepted sockets inherit from their listener.
type ListenConfig struct {
	Backlog     int           // accept queue; the kernel caps it at net.core.somaxconn (default 4096)
	KeepAlive   time.Duration // idle time before the kernel probes the peer; 0 is 60s, negative is off
	UserTimeout time.Duration // TCP_USER_TIMEOUT: unacknowledged bytes, or a peer that takes none, for this long ends the connection; 0 is off
	SendBuffer  int           // SO_SNDBUF in bytes; 0 leaves it to the kernel's autotuning
	Unsent      int           // TCP_NOTSENT_LOWAT: the kernel takes so many bytes, about, beyond what it has sent to the peer; 0 is as many as the send buffer has room for
}

// Listener is a bound and listening socket not yet given to a loop.
type Listener struct {
	fd   int
	addr netip.AddrPort
}

// Addr returns the bound address.
func (l *Listener) Addr() netip.AddrPort { return l.addr }

// Close closes a listener that was not given to a loop.
func (l *Listener) Close() error { return sysErr("close", unix.Close(l.fd)) }

// Listen opens n listeners on one address ("host:port", port 0 for any free
// one). Another process' socket on the address is an error: SO_REUSEPORT alone
// would let a second server of the same user take half of the connections.
func Listen(addr string, n int, cfg ListenConfig) ([]*Listener, error) {
	tcp, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("netpoll: listen on %q: %w", addr, err)
	}
	at := tcp.AddrPort()
	if !at.Addr().IsValid() {
		at = netip.AddrPortFrom(netip.IPv6Unspecified(), at.Port())
		if !haveIPv6() {
			at = netip.AddrPortFrom(netip.IPv4Unspecified(), at.Port())
		}
	}
	probe, err := bind(at, false, cfg)
	if err != nil {
		return nil, fmt.Errorf("netpoll: listen on %s: %w", addr, err)
	}
	at = probe.addr
	_ = probe.Close()
	var ls []*Listener
	for range n {
		l, err := bind(at, true, cfg)
		if err == nil {
			err = sysErr("listen", unix.Listen(l.fd, cfg.backlog()))
		}
		if err != nil {
			for _, l := range ls {
				_ = l.Close()
			}
			return nil, fmt.Errorf("netpoll: listen on %s: %w", addr, err)
		}
		ls = append(ls, l)
	}
	return ls, nil
}

func (c ListenConfig) backlog() int {
	if c.Backlog == 0 {
		return 4096
	}
	return c.Backlog
}

func haveIPv6() bool {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	_ = unix.Close(fd)
	return true
}

func bind(at netip.AddrPort, reusePort bool, cfg ListenConfig) (*Listener, error) {
	fd, err := unix.Socket(family(at), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, sysErr("socket", err)
	}
	l := &Listener{fd: fd}
	if err = l.configure(reusePort, cfg); err == nil {
		err = sysErr("bind", unix.Bind(fd, sockaddr(at)))
	}
	var sa unix.Sockaddr
	if err == nil {
		sa, err = unix.Getsockname(fd)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	l.addr = addrPort(sa)
	return l, nil
}

// configure sets what accepted sockets inherit, so that accepting costs one
// system call.
func (l *Listener) configure(reusePort bool, cfg ListenConfig) error {
	type opt struct {
		level, name, value int
		on                 bool
	}
	idle := cfg.KeepAlive
	if idle == 0 {
		idle = time.Minute
	}
	for _, o := range []opt{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1, true},
		{unix.SOL_SOCKET, unix.SO_REUSEPORT, 1, reusePort},
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1, true},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1, idle > 0},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, max(1, int(idle/time.Second)), idle > 0},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, max(1, int(idle/time.Second)/4), idle > 0},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 4, idle > 0},
		{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(cfg.UserTimeout / time.Millisecond), cfg.UserTimeout > 0},
		{unix.SOL_SOCKET, unix.SO_SNDBUF, cfg.SendBuffer, cfg.SendBuffer > 0},
		{unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, cfg.Unsent, cfg.Unsent > 0},
	} {
		if !o.on {
			continue
		}
		if err := unix.SetsockoptInt(l.fd, o.level, o.name, o.value); err != nil {
			return sysErr("setsockopt", err)
		}
	}
	return nil
}

func family(a netip.AddrPort) int {
	if a.Addr().Unmap().Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	sa := &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	if ifi, err := net.InterfaceByName(a.Addr().Zone()); err == nil {
		sa.ZoneId = uint32(ifi.Index)
	}
	return sa
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrUnix:
		return Local
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// listener is a Listener in a loop. Owner: the loop goroutine.
type listener struct {
	l       *Loop
	fd      int // -1: closed
	opened  func(ID)
	backoff time.Duration // how long accepting is paused for want of descriptors
	resume  time.Time     // zero while accepting
}

const (
	minBackoff = 100 * time.Millisecond
	maxBackoff = time.Second
)

// Accept gives a listener to the loop, which closes it at CloseListeners or Stop. opened
// is told of its connections; nil is Handler.Opened. On the loop goroutine.
func (l *Loop) Accept(lis *Listener, opened func(ID)) error {
	a := &listener{l: l, fd: lis.fd, opened: opened}
	if opened == nil {
		a.opened = l.h.Opened
	}
	if err := l.p.add(lis.fd, interestIn, func(easygo.EpollEvent) { _ = a.accept() }); err != nil {
		return err
	}
	l.listeners = append(l.listeners, a)
	return nil
}

// CloseListeners stops accepting. Connections that the kernel has completed already are
// accepted first: closing would reset them.
func (l *Loop) CloseListeners() {
	for _, a := range l.listeners {
		for a.accept() {
		}
		l.p.del(a.fd)
		_ = unix.Close(a.fd)
		a.fd = -1
	}
	l.listeners = nil
}

// accept takes one burst of connections and reports whether more may wait.
func (a *listener) accept() (more bool) {
	l := a.l
	if a.fd < 0 {
		return false // an event fetched in the same batch as CloseListeners
	}
	defer l.reap()
	for range l.cfg.AcceptMax {
		fd, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(a.fd), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		switch errno {
		case 0:
			l.open(int(fd), a.opened)
		case unix.EAGAIN:
			a.backoff = 0
			return false
		case unix.EINTR, unix.ECONNABORTED, unix.EPROTO:
		case unix.EMFILE, unix.ENFILE:
			l.stats.acceptNoFile.Add(1)
			a.pause()
			return false
		default:
			l.stats.acceptErrors.Add(1)
			a.pause()
			return false
		}
	}
	return true
}

// pause takes the listener out of epoll's interest: level-triggered, it would
// report the waiting connection again and again.
func (a *listener) pause() {
	a.backoff = min(max(2*a.backoff, minBackoff), maxBackoff)
	a.resume = time.Now().Add(a.backoff)
	if err := a.l.p.mod(a.fd, 0); err != nil {
		a.l.cfg.OnFatal(fmt.Errorf("netpoll: pause the listener: %w", err))
	}
}

func (a *listener) tick() {
	if a.resume.IsZero() || time.Now().Before(a.resume) {
		return
	}
	a.resume = time.Time{}
	if err := a.l.p.mod(a.fd, interestIn); err != nil {
		a.l.cfg.OnFatal(fmt.Errorf("netpoll: resume the listener: %w", err))
	}
}

// open takes over an accepted descriptor.
func (l *Loop) open(fd int, opened func(ID)) {
	id, err := l.enter(fd, stateOpen, flagIn)
	if err != nil {
		l.stats.acceptErrors.Add(1)
		_ = unix.Close(fd)
		return
	}
	l.stats.accepted.Add(1)
	l.Guard(id, opened)
}

// enter enters a descriptor into the table and epoll. After an error it still
// belongs to the caller, and there is no trace of it.
func (l *Loop) enter(fd int, state connState, flags uint8) (ID, error) {
	id := l.table.alloc()
	c := l.table.At(id)
	gen := c.gen
	*c = conn{fd: int32(fd), gen: gen, state: state, flags: flags}
	if err := l.p.add(fd, interest(flags), func(ev easygo.EpollEvent) { l.onEvent(id, gen, ev) }); err != nil {
		l.table.release(id)
		return 0, err
	}
	l.stats.conns.Add(1)
	return id, nil
}
