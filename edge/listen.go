// What the server listens on: the public address, and those of plain connections.

package edge

import (
	"fmt"
	"net/netip"
	"strings"

	"barrage/edge/conn"
	"barrage/internal/bounds"
	"barrage/netpoll"
)

// listen opens the listeners, by loop. After an error none is left.
func (s *Server) listen() (loops [][]conn.Listener, err error) {
	cfg := netpoll.ListenConfig{
		Backlog: s.cfg.Backlog, UserTimeout: s.cfg.UserTimeout, SendBuffer: s.cfg.SendBuffer, Unsent: bounds.UnsentBytes,
	}
	loops = make([][]conn.Listener, s.cfg.Shards)
	defer func() {
		if err == nil {
			return
		}
		s.removeFiles()
		for _, l := range loops {
			for _, l := range l {
				_ = l.Close()
			}
		}
	}()
	add := func(ls []*netpoll.Listener, plain bool) {
		for i, l := range ls {
			loops[i] = append(loops[i], conn.Listener{Listener: l, Plain: plain})
		}
	}
	ls, err := netpoll.Listen(s.cfg.Listen, s.cfg.Shards, cfg)
	if err != nil {
		return loops, err
	}
	s.addr = ls[0].Addr()
	add(ls, false)
	for _, addr := range s.cfg.ListenTCP {
		ls, at, err := s.listenPlain(addr, cfg)
		if err != nil {
			return loops, fmt.Errorf("edge: ListenTCP (listen_tcp): %w", err)
		}
		s.plainAddrs = append(s.plainAddrs, at)
		add(ls, true)
	}
	return loops, nil
}

// listenPlain opens a plain listener for all loops. at is its address as it turned out.
func (s *Server) listenPlain(addr string, cfg netpoll.ListenConfig) (ls []*netpoll.Listener, at string, err error) {
	path, local := strings.CutPrefix(addr, netpoll.UnixPrefix)
	if !local {
		if ls, err = netpoll.Listen(addr, s.cfg.Shards, cfg); err != nil {
			return nil, "", err
		}
		return ls, ls[0].Addr().String(), nil
	}
	ls, file, err := netpoll.ListenUnix(path, s.cfg.SocketMode, s.cfg.Shards, cfg)
	if err != nil {
		return nil, "", err
	}
	s.files = append(s.files, file)
	return ls, addr, nil
}

// removeFiles removes the files of Unix sockets, so that nobody comes any more.
func (s *Server) removeFiles() {
	s.removed.Do(func() {
		for _, f := range s.files {
			if err := f.Remove(); err != nil {
				s.cfg.Logger.Warn("the file of a Unix socket stays behind", "err", err)
			}
		}
	})
}

// Addr returns the public address.
func (s *Server) Addr() netip.AddrPort { return s.addr }

// PlainAddrs are the addresses of plain connections, in the order of Config.ListenTCP.
func (s *Server) PlainAddrs() []string { return s.plainAddrs }
