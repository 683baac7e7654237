package client

// This file is a hostile network between a client and the server: it cuts after any number
// of bytes, in either direction, and goes silent without closing.

import (
	"net"
	"sync"
	"testing"

	"barrage/edge/edgetest"
)

// fate is when a connection is cut: after so many bytes from the server or to it.
type fate struct{ down, up int }

type proxy struct {
	listener net.Listener
	wg       sync.WaitGroup

	mu       sync.Mutex
	target   string
	fates    []fate // of the next connections; after that they are let be
	live     map[net.Conn]bool
	mute     map[net.Conn]bool
	down, up int // bytes, of all connections
	count    int
}

func newProxy(t *testing.T, target string, fates ...fate) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	edgetest.Must(t, err)
	p := &proxy{listener: l, target: target, fates: fates, live: map[net.Conn]bool{}, mute: map[net.Conn]bool{}}
	p.wg.Go(p.serve)
	t.Cleanup(p.close)
	return p
}

func (p *proxy) address() string { return "ws://" + p.listener.Addr().String() }

func (p *proxy) close() {
	_ = p.listener.Close()
	p.cut()
	p.wg.Wait()
}

// cut ends what is open.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.live {
		_ = c.Close()
	}
}

// silence lets nothing through any more on what is open.
func (p *proxy) silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.live {
		p.mute[c] = true
	}
}

func (p *proxy) redirect(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// next is what the next connections meet.
func (p *proxy) next(fates ...fate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fates = fates
}

// connections is how many there were.
func (p *proxy) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

func (p *proxy) bytes() (down, up int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.down, p.up
}

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		target := p.target
		p.mu.Unlock()
		server, err := net.Dial("tcp", target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		var f fate
		if len(p.fates) > 0 {
			f, p.fates = p.fates[0], p.fates[1:]
		}
		p.live[client], p.live[server] = true, true
		p.count++
		p.mu.Unlock()
		p.wg.Go(func() { p.pass(server, client, f.down, &p.down) })
		p.wg.Go(func() { p.pass(client, server, f.up, &p.up) })
	}
}

// pass passes bytes on until the end, or so many; 0: all.
func (p *proxy) pass(from, to net.Conn, most int, sum *int) {
	defer func() {
		_, _ = from.Close(), to.Close()
		p.mu.Lock()
		delete(p.live, from)
		delete(p.mute, from)
		p.mu.Unlock()
	}()
	buf := make([]byte, 4096)
	for passed := 0; most == 0 || passed < most; {
		size := len(buf)
		if most > 0 {
			size = min(size, most-passed)
		}
		n, err := from.Read(buf[:size])
		p.mu.Lock()
		mute := p.mute[from]
		*sum += n
		p.mu.Unlock()
		passed += n
		if err != nil {
			return
		}
		if !mute {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
	}
}
