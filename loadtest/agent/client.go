package agent

// This file is the controller's side of a session: calls, and how an agent is
// found to be lost.

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// timeLimit is how long a call may take. The time an agent needs for a call that
// was given up before counts, too.
func timeLimit(m method) time.Duration {
	switch m {
	case methodFinish:
		return 2 * time.Minute
	case methodPrepare:
		return 30 * time.Second
	}
	return 10 * time.Second
}

// Client is an agent as its controller sees it. See the package comment for who
// may call what.
type Client struct {
	// Fixed.
	name     string
	clock    Clock
	same     bool // the agent's clock is this one
	capacity int
	cores    int
	rw       io.ReadWriteCloser
	limit    func(method) time.Duration
	ended    func(context.Context) error // waits for the agent's end, and brings it about if ctx ends
	why      func(error) error           // finds a better reason for the end of rw

	turn   chan struct{}  // has a place for the call that is under way
	out    chan []byte    // to the writer
	lost   chan struct{}  // closed when err is set
	work   sync.WaitGroup // reader and writer: they end when lost is closed
	closed sync.Once

	mu      sync.Mutex // guards what follows; nothing else is done under it
	err     error      // why the agent is lost, or ErrClosed
	lastID  uint64
	pending *pending // the call that waits for an answer
	best    exchange // of the last Sync
}

// pending is a call under way. The Client's mu guards it.
type pending struct {
	id     uint64
	method method
	sent   int64       // of the Client's clock
	answer chan answer // has room for one
}

type answer struct {
	response
	sent, returned int64 // of the Client's clock
}

// newClient returns a Client that has yet to shake hands on rw.
func newClient(name string, rw io.ReadWriteCloser) *Client {
	return &Client{
		name: name, clock: ProcessClock(), rw: rw, limit: timeLimit,
		ended: func(context.Context) error { return nil },
		why:   func(err error) error { return err },
		turn:  make(chan struct{}, 1), out: make(chan []byte), lost: make(chan struct{}),
	}
}

// start makes calls possible, after the handshake.
func (c *Client) start() {
	c.work.Go(c.read)
	c.work.Go(c.write)
}

// Name tells agents apart: "local", a process's number, or an address.
func (c *Client) Name() string { return c.name }

// Capacity is how many connections the agent's limit of open files allows it.
func (c *Client) Capacity() int { return c.capacity }

// Cores is how many cores the agent may use.
func (c *Client) Cores() int { return c.cores }

// fail is err, as callers get it.
func (c *Client) fail(doing string, err error) error { return &Error{c.name, doing, err} }

// lose makes err the fate of all calls, unless they have one.
func (c *Client) lose(err error) {
	c.mu.Lock()
	first := c.err == nil
	if first {
		c.err = err
	}
	c.mu.Unlock()
	if first {
		close(c.lost)
		c.rw.Close()
	}
}

// fate is why calls fail; nil while they do not.
func (c *Client) fate() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// broken is the end of a goroutine that cannot use rw.
func (c *Client) broken(err error) {
	if c.fate() == nil { // else we have closed it
		c.lose(fmt.Errorf("%w: %w", ErrLost, c.why(err)))
	}
}

// write sends requests whole, whatever becomes of those who made them.
func (c *Client) write() {
	for {
		select {
		case <-c.lost:
			return
		case b := <-c.out:
			now := c.clock.Now()
			c.mu.Lock()
			if c.pending != nil {
				c.pending.sent = now
			}
			c.mu.Unlock()
			if _, err := c.rw.Write(b); err != nil {
				c.broken(err)
				return
			}
		}
	}
}

// read hands answers to calls.
func (c *Client) read() {
	r := bufio.NewReader(c.rw)
	for {
		body, err := readFrame(r, maxFrame)
		returned := c.clock.Now()
		if err != nil {
			c.broken(err)
			return
		}
		var resp response
		if err := json.Unmarshal(body, &resp); err != nil {
			c.lose(fmt.Errorf("%w: malformed answer: %w", ErrLost, err))
			return
		}
		p, err := c.take(resp.ID)
		if err != nil {
			c.lose(fmt.Errorf("%w: %w", ErrLost, err))
			return
		}
		if p == nil {
			continue
		}
		p.answer <- answer{resp, p.sent, returned}
		if p.method == methodClose { // the connection's end is no loss
			c.lose(ErrClosed)
			return
		}
	}
}

// take takes the call that an answer is to; there is none if it was given up.
func (c *Client) take(id uint64) (*pending, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.pending; p != nil && p.id == id {
		c.pending = nil
		return p, nil
	}
	if id == 0 || id > c.lastID {
		return nil, fmt.Errorf("an answer to request %d, which was never made", id)
	}
	return nil, nil
}

// orError is the error of an answer that says so.
func (a answer) orError() (answer, error) {
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}

var errNoAnswer = errors.New("no answer")

// ask makes one request and waits for its answer.
func (c *Client) ask(ctx context.Context, m method, params any) (answer, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return answer{}, context.Cause(ctx)
	}
	if err := c.fate(); err != nil {
		return answer{}, err
	}
	raw, err := json.Marshal(params)
	if err != nil {
		return answer{}, err
	}
	p := &pending{method: m, answer: make(chan answer, 1)}
	c.mu.Lock()
	c.lastID++
	p.id = c.lastID
	c.pending = p
	c.mu.Unlock()
	b, err := encode(request{ID: p.id, Method: m, Params: raw}, maxFrame)
	if err != nil {
		return answer{}, err
	}
	return c.await(ctx, m, p, b)
}

// await has a request sent and waits for its answer.
func (c *Client) await(ctx context.Context, m method, p *pending, b []byte) (answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.limit(m), errNoAnswer)
	defer cancel()
	out := c.out
	for {
		select {
		case out <- b:
			out = nil
		case a := <-p.answer:
			return a.orError()
		case <-c.lost:
			select {
			case a := <-p.answer: // came before the end
				return a.orError()
			default:
				return answer{}, c.fate()
			}
		case <-ctx.Done():
			err := context.Cause(ctx)
			if err == errNoAnswer {
				err = fmt.Errorf("%w: %w within %v", ErrLost, errNoAnswer, c.limit(m))
				c.lose(err)
			}
			return answer{}, err
		}
	}
}

// call makes a request whose result is an R.
func call[R any](ctx context.Context, c *Client, m method, params any) (result R, err error) {
	a, err := c.ask(ctx, m, params)
	if err == nil {
		err = json.Unmarshal(a.Result, &result)
	}
	if err != nil {
		return result, c.fail(string(m), err)
	}
	return result, nil
}

// Close ends the agent's test and the session, waits for the agent if it is a
// process of ours, and kills that if ctx ends. It returns why the agent was lost
// if it was; later calls return nil.
func (c *Client) Close(ctx context.Context) (err error) {
	c.closed.Do(func() {
		_, err = call[nothing](ctx, c, methodClose, nothing{})
		c.lose(ErrClosed)
		c.work.Wait()
		if end := c.ended(ctx); err == nil && end != nil {
			err = c.fail("end", end)
		}
	})
	return err
}
