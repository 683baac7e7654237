package client

// This file is the client: its settings, its life, and the goroutine that owns it.

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/text/unicode/norm"
)

// Options are settings of a client; all have a default.
type Options struct {
	// Token returns a JWT or a key: it is asked for before each connection, and in time
	// before the present one expires. Default: none.
	Token func(context.Context) (string, error)
	// Heartbeat is after how long a dead connection is noticed: default 10 s.
	Heartbeat time.Duration
	// Queue is how many messages may wait to be published: default 100. Beyond it the oldest
	// that was not sent yet fails with queue_full.
	Queue int
	// Buffer is how many events of a room may wait for Next: default 1024, at least 16.
	Buffer int
	// OnState is told each change of the connection, by the client's own goroutine: it must
	// not block, nor call the client.
	OnState func(State)
	// HTTPClient makes the handshake, without a Timeout of its own: default http.DefaultClient.
	HTTPClient *http.Client
}

// State is where the connection is.
type State struct {
	// Open: there is one. Otherwise the next try is after Wait, and Err says why.
	Open bool
	Wait time.Duration
	Err  error
}

// Client is a connection to a Barrage server that comes back by itself, until Close.
type Client struct {
	url    string
	opt    Options
	random func() float64 // from 0 to 1, for tests to decide

	do     chan func()
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	done   chan struct{} // closed when run has ended
	over   error         // why it ended; read it after done
	wg     sync.WaitGroup

	// All from here belongs to run.
	link   link
	calls  calls
	outbox outbox
	rooms  map[string]*Room
	leaves map[string]int // leaves under way: a join has to wait for them
}

// New starts a client of the server at address, such as wss://example.com/ws.
func New(address string, o Options) (*Client, error) { return start(address, o, rand.Float64) }

func start(address string, o Options, random func() float64) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	switch u.Scheme {
	case "ws", "wss", "http", "https":
	default:
		return nil, fmt.Errorf("client: address %q must begin with ws:// or wss://", u.Redacted())
	}
	u.Path = cmp.Or(u.Path, "/ws")
	query := u.Query()
	query.Set("batch", "1")
	u.RawQuery = query.Encode()
	o.Heartbeat = cmp.Or(o.Heartbeat, 10*time.Second)
	o.Queue = cmp.Or(o.Queue, 100)
	o.Buffer = max(16, cmp.Or(o.Buffer, 1024))
	if o.Heartbeat < 0 || o.Queue < 0 {
		return nil, fmt.Errorf("client: Heartbeat %v and Queue %d must not be negative", o.Heartbeat, o.Queue)
	}
	c := &Client{
		url: u.String(), opt: o, random: random, do: make(chan func()), done: make(chan struct{}),
		calls: newCalls(), rooms: map[string]*Room{}, leaves: map[string]int{},
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.wg.Go(c.run)
	return c, nil
}

// Close ends everything, for good, and waits until it has ended.
func (c *Client) Close() {
	c.cancel()
	c.wg.Wait()
}

// run is the goroutine that owns the client.
func (c *Client) run() {
	defer close(c.done)
	c.open()
	for c.over == nil {
		select {
		case f := <-c.do:
			f()
		case <-c.ctx.Done():
			c.end(ErrClosed)
		}
	}
	c.cancel()
}

// end fails all that waits.
func (c *Client) end(err error) {
	c.over = err
	if c.link.now != nil {
		c.drop()
	}
	for _, r := range c.rooms {
		r.end(err)
	}
	c.outbox.fail(err)
	c.calls.fail()
}

// post has run carry out f; false: it has ended.
func (c *Client) post(f func()) bool {
	select {
	case c.do <- f:
		return true
	case <-c.done:
		return false
	}
}

// wait has run carry out f, and waits until that is done; false: run has ended.
func (c *Client) wait(f func()) bool {
	ran := make(chan struct{})
	ok := c.post(func() { defer close(ran); f() })
	if ok {
		<-ran
	}
	return ok
}

// after has run carry out f later. It may come although the timer was stopped meanwhile.
func (c *Client) after(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() { c.post(f) })
}

// JoinOptions are how to be in a room.
type JoinOptions struct {
	// Since: go on behind this position, kept from before.
	Since *Position
	// History: bring so many messages of before (up to 1000), if there is no Since.
	History int
	// Load brings from elsewhere what the server has no more, within 10 seconds: messages
	// behind the gap wait for it. The Gap comes only if it gives nil, or fails. It has a
	// goroutine of its own.
	Load func(context.Context, Gap) ([]Message, error)
}

// Join returns the room of this name, joined as soon as there is a connection. It is the
// same one until it is left.
func (c *Client) Join(name string, o JoinOptions) (*Room, error) {
	name = norm.NFC.String(name)
	var room *Room
	ok := c.wait(func() {
		if room = c.rooms[name]; room != nil {
			return
		}
		room = newRoom(c, name, o)
		c.rooms[name] = room
		room.up()
	})
	if !ok {
		return nil, c.over
	}
	return room, nil
}

// take is what came from the server, on the present connection.
func (c *Client) take(what any) {
	switch v := what.(type) {
	case welcome:
		c.welcomed(v)
	case bye:
		c.link.now.bye = &v
	case reply:
		c.calls.answer(c, v)
	case Message:
		if r := c.rooms[v.Room]; r != nil && r.state == joined {
			r.stream.add(step{message: &v})
		}
	case Gap:
		if r := c.rooms[v.Room]; r != nil && r.state == joined {
			r.stream.add(step{gap: &v})
		}
	case left:
		if r := c.rooms[v.Room]; r != nil && r.state == joined {
			err := &Error{Code: "left", Message: v.Reason}
			if v.Error != nil {
				err = v.Error.error()
			}
			r.end(err)
		}
	}
}
