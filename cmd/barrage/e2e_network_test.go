package main

// A network between a node and its Redis: slow, lossy, cut.

import (
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// network passes bytes on as TCP over a bad network would, in order at all times:
// a lost segment shows as a pause, in which what is behind it waits too.
type network struct {
	listener net.Listener
	target   string

	goroutines sync.WaitGroup

	mu     sync.Mutex // guards what follows
	is     quality
	rng    *rand.Rand
	conns  map[net.Conn]bool
	refuse bool          // new connections are reset
	open   chan struct{} // closed while bytes get through
	ended  bool
}

type quality struct {
	latency time.Duration // each way
	loss    float64       // share of the chunks that are lost
	again   time.Duration // after which a lost one is sent again
}

// newNetwork is a perfect one.
func newNetwork(t *testing.T, target string) *network {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &network{
		listener: l, target: target, rng: rand.New(rand.NewPCG(1, 2)),
		conns: make(map[net.Conn]bool), open: make(chan struct{}),
	}
	close(n.open)
	n.goroutines.Go(n.accept)
	t.Cleanup(n.close)
	return n
}

func (n *network) url() string { return "--redis=redis://" + n.listener.Addr().String() }

func (n *network) accept() {
	for {
		client, err := n.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", n.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		n.mu.Lock()
		if n.refuse || n.ended {
			n.mu.Unlock()
			reset(client, server)
			continue
		}
		n.conns[client], n.conns[server] = true, true
		n.mu.Unlock()
		// Four goroutines, which end with the connections. TCP's handshake is one
		// round trip before the first byte.
		n.carry(server, client, true)
		n.carry(client, server, false)
	}
}

type chunk struct {
	bytes []byte
	due   time.Time
}

// carry takes bytes from src to dst. With a handshake, the first ones come later.
func (n *network) carry(dst, src net.Conn, handshake bool) {
	chunks := make(chan chunk, 1024)
	n.goroutines.Go(func() {
		defer close(chunks)
		buf := make([]byte, 64<<10)
		var due time.Time
		for {
			k, err := src.Read(buf)
			if err != nil {
				return
			}
			if at := time.Now().Add(n.delay(handshake)); at.After(due) {
				due = at
			}
			handshake = false
			chunks <- chunk{append([]byte(nil), buf[:k]...), due}
		}
	})
	n.goroutines.Go(func() {
		defer n.hangUp(dst, src)
		for c := range chunks {
			time.Sleep(time.Until(c.due)) // this is the network, no verdict
			n.mu.Lock()
			open := n.open
			n.mu.Unlock()
			<-open
			if _, err := dst.Write(c.bytes); err != nil {
				break
			}
		}
		_ = src.Close() // ends the reader
		for range chunks {
		}
	})
}

// delay is what the next chunk takes.
func (n *network) delay(handshake bool) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.is.latency
	if handshake {
		d += 2 * n.is.latency
	}
	if n.rng.Float64() < n.is.loss {
		d += n.is.again
	}
	return d
}

// become changes the network from now on.
func (n *network) become(q quality) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.is = q
}

func (n *network) hangUp(conns ...net.Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range conns {
		delete(n.conns, c)
		_ = c.Close() // it may be closed already
	}
}

func reset(conns ...net.Conn) {
	for _, c := range conns {
		_ = c.(*net.TCPConn).SetLinger(0) // it may be closed already, as below
		_ = c.Close()
	}
}

// cutOff resets all connections, and every new one.
func (n *network) cutOff() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refuse = true
	for c := range n.conns {
		reset(c)
	}
}

// swallow lets nothing through, nor tell that it does not. What was sent meanwhile
// arrives when mend comes, as TCP sends it again.
func (n *network) swallow() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.open = make(chan struct{})
}

// mend ends cutOff and swallow.
func (n *network) mend() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refuse = false
	select {
	case <-n.open:
	default:
		close(n.open)
	}
}

func (n *network) close() {
	_ = n.listener.Close()
	n.mend()
	n.mu.Lock()
	n.ended = true
	for c := range n.conns {
		_ = c.Close()
	}
	n.mu.Unlock()
	n.goroutines.Wait()
}
