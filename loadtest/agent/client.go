// The controller's side of a session: calls, and how an agent is
// found to be lost.

package agent

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

	turn   chan struct{} // has a place for the request under way, which owns the next two
	in     *bufio.Reader // of rw
	lastID uint64        // of requests
	closed sync.Once

	mu   sync.Mutex // guards what follows; nothing else is done under it
	err  error      // why the agent is lost, or ErrClosed
	best exchange   // of the last Sync
}

type answer struct {
	response[json.RawMessage]
	sent, returned int64 // of the Client's clock
	err            error
}

// newClient returns a Client that has yet to shake hands on rw.
func newClient(name string, rw io.ReadWriteCloser) *Client {
	return &Client{
		name: name, clock: ProcessClock(), rw: rw, limit: timeLimit,
		ended: func(context.Context) error { return nil },
		why:   func(err error) error { return err },
		turn:  make(chan struct{}, 1), in: bufio.NewReader(rw),
	}
}

// Name tells agents apart: "local", a process's number, or an address.
func (c *Client) Name() string { return c.name }

// Capacity is how many connections the agent's limit of open files allows it.
func (c *Client) Capacity() int { return c.capacity }

// Cores is how many cores the agent may use.
func (c *Client) Cores() int { return c.cores }

// fail is err, as callers get it.
func (c *Client) fail(doing string, err error) error { return &Error{c.name, doing, err} }

// lose makes err the fate of all calls, unless they have one, which it returns.
func (c *Client) lose(err error) error {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
	}
	err = c.err
	c.mu.Unlock()
	c.rw.Close() // again, perhaps
	return err
}

// fate is why calls fail; nil while they do not.
func (c *Client) fate() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

var errNoAnswer = errors.New("no answer")

// ask makes one request and waits for its answer. A request that is given up keeps
// its turn until it is answered, so that no answer is taken for another's.
func (c *Client) ask(ctx context.Context, m method, params any) (answer, error) {
	raw, err := json.Marshal(params)
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.limit(m), errNoAnswer)
	defer cancel()
	answered := make(chan answer, 1)
	select {
	case c.turn <- struct{}{}:
		go func() { // ends with the answer, or with rw; Close waits for it
			answered <- c.roundTrip(request{Method: m, Params: raw})
			<-c.turn
		}()
	case <-ctx.Done():
	}
	select {
	case a := <-answered:
		return a, a.err
	case <-ctx.Done():
		err := context.Cause(ctx)
		if err == errNoAnswer {
			err = c.lose(fmt.Errorf("%w: %w within %v", ErrLost, errNoAnswer, c.limit(m)))
		}
		return answer{}, err
	}
}

// roundTrip sends a request and reads the answer. It has the turn.
func (c *Client) roundTrip(req request) (a answer) {
	if a.err = c.fate(); a.err != nil {
		return a
	}
	c.lastID++
	req.ID = c.lastID
	b, err := encode(req, maxFrame)
	if err != nil {
		a.err = err
		return a
	}
	a.sent = c.clock.Now()
	var body []byte
	if _, err = c.rw.Write(b); err == nil {
		body, err = readFrame(c.in, maxFrame)
	}
	a.returned = c.clock.Now()
	if err != nil {
		err = c.why(err)
	} else if err = json.Unmarshal(body, &a.response); err != nil {
		err = fmt.Errorf("malformed answer: %w", err)
	} else if a.ID != req.ID {
		err = fmt.Errorf("an answer to request %d, which was never made", a.ID)
	}
	switch {
	case err != nil:
		a.err = c.lose(fmt.Errorf("%w: %w", ErrLost, err))
	case a.Error != "":
		a.err = errors.New(a.Error)
	}
	return a
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
		c.turn <- struct{}{} // nothing is under way any more
		<-c.turn
		if end := c.ended(ctx); err == nil && end != nil {
			err = c.fail("end", end)
		}
	})
	return err
}
