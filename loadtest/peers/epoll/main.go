// Epoll is the design of the talk "A Million WebSockets and Go" and of the
// programs that followed it: github.com/gobwas/ws, one epoll with one goroutine
// that reads what connections say, and a loop that writes each message to each
// member.
//
// Choices: the frame is compiled once for all, and as many goroutines as there are
// cores write it, each to its share of the members. A write waits while a member's
// socket is full, so that nothing is lost without a queue; after 30 seconds the
// member is closed. A read waits too, for at most a second: the known weakness of
// this design, which no run of the bench touches.
package main

import (
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"runtime"
	"sync"
	"syscall"
	"time"

	"barrage/loadtest/peers/peer"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"golang.org/x/sys/unix"
)

const (
	readWait  = time.Second
	writeWait = 30 * time.Second
)

func main() {
	poller, err := newPoller()
	if err != nil {
		peer.Fail(err)
	}
	go poller.run() // ends with the process
	hub := peer.NewHub(runtime.GOMAXPROCS(0), poller.deliver)
	peer.Serve(peer.Handler(func(w http.ResponseWriter, r *http.Request, room string) {
		conn, _, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return // UpgradeHTTP has answered
		}
		m := &member{conn: conn}
		m.leave = hub.Join(room, m)
		if err := poller.add(m); err != nil {
			m.leave()
			conn.Close()
		}
	}, hub.Publish))
}

// member is one connection.
type member struct {
	conn  net.Conn
	fd    int
	leave func()
}

// poller is one epoll and the connections in it.
type poller struct {
	fd int

	mu      sync.Mutex // guards what follows
	members map[int]*member
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	return &poller{fd: fd, members: make(map[int]*member)}, nil
}

func (p *poller) add(m *member) error {
	raw, err := m.conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var failed error
	err = raw.Control(func(fd uintptr) {
		m.fd = int(fd)
		event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(fd)}
		failed = unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, m.fd, &event)
	})
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	p.members[m.fd] = m
	return nil
}

// remove closes a member once. The descriptor leaves the map before it can be
// used again.
func (p *poller) remove(m *member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.members[m.fd] != m {
		return
	}
	delete(p.members, m.fd)
	m.conn.Close() // which takes the descriptor out of the epoll
	m.leave()
}

func (p *poller) run() {
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(p.fd, events, -1)
		if err != nil && err != unix.EINTR {
			peer.Fail(fmt.Errorf("epoll_wait: %w", err))
		}
		for i := range max(n, 0) {
			p.mu.Lock()
			m := p.members[int(events[i].Fd)]
			p.mu.Unlock()
			if m != nil {
				p.read(m)
			}
		}
	}
}

// read reads one message and forgets it. It answers pings and closes.
func (p *poller) read(m *member) {
	m.conn.SetReadDeadline(time.Now().Add(readWait))
	if _, _, err := wsutil.ReadClientData(m.conn); err != nil {
		p.remove(m)
	}
}

// deliver writes one message to all.
func (p *poller) deliver(members iter.Seq[*member], payload []byte) {
	frame, err := ws.CompileFrame(ws.NewTextFrame(payload))
	if err != nil {
		return
	}
	for m := range members {
		m.conn.SetWriteDeadline(time.Now().Add(writeWait))
		if _, err := m.conn.Write(frame); err != nil {
			p.remove(m)
		}
	}
}
