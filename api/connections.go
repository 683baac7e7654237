// The bound on the listener's connections.

package api

import (
	"container/list"
	"net"
	"net/http"
	"sync"
)

// connections is a listener with a bound on its connections. At the bound the one that
// has been idle for longest makes room for the next; while none is idle, the next waits
// to be accepted. So neither clients that keep connections nor those that open many can
// take the descriptors that the rest of the process needs, or keep a health check out.
type connections struct {
	net.Listener
	max     int
	metrics *metrics

	mu     sync.Mutex // guards what follows
	all    map[net.Conn]*list.Element
	idle   list.List  // of net.Conn, those without a request, the longest so first
	room   *sync.Cond // one has gone, or is idle, or closed is true
	closed bool
}

// limited bounds l. Its onState is to be the http.Server's ConnState.
func limited(l net.Listener, most int, m *metrics) *connections {
	c := &connections{Listener: l, max: most, metrics: m, all: make(map[net.Conn]*list.Element)}
	c.room = sync.NewCond(&c.mu)
	return c
}

func (c *connections) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	unwanted, err := c.makeRoom(conn)
	if unwanted != nil {
		_ = unwanted.Close() // an idle one's goroutine notices, and tells onState
	}
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// makeRoom takes conn in, when there is room. What it returns is to be closed.
func (c *connections) makeRoom(conn net.Conn) (unwanted net.Conn, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.all) >= c.max && c.idle.Len() == 0 && !c.closed {
		c.room.Wait()
	}
	if c.closed {
		return conn, net.ErrClosed
	}
	if len(c.all) >= c.max {
		unwanted = c.idle.Remove(c.idle.Front()).(net.Conn)
		delete(c.all, unwanted)
		c.metrics.evicted.Inc()
	}
	c.all[conn] = c.idle.PushBack(conn)
	c.metrics.open.Set(float64(len(c.all)))
	return unwanted, nil
}

// Close closes the listener; connections stay.
func (c *connections) Close() error {
	c.mu.Lock()
	c.closed = true
	c.room.Broadcast()
	c.mu.Unlock()
	return c.Listener.Close()
}

// onState follows the connections.
func (c *connections) onState(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ours := c.all[conn]
	if !ours {
		return // it has made room
	}
	if at != nil {
		c.idle.Remove(at)
		c.all[conn] = nil
	}
	switch state {
	case http.StateNew, http.StateIdle:
		c.all[conn] = c.idle.PushBack(conn)
		c.room.Signal()
	case http.StateClosed, http.StateHijacked:
		delete(c.all, conn)
		c.metrics.open.Set(float64(len(c.all)))
		c.room.Signal()
	}
}
