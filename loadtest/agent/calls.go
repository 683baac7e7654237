// The calls of a Client.

package agent

import (
	"context"
	"encoding/json"
	"time"

	"barrage/loadtest/swarm"
)

// exchanges is how often an agent's clock is asked for: the more, the likelier
// that one exchange met no queue.
const exchanges = 24

// Sync measures the offset of the agent's clock anew and tells the agent.
func (c *Client) Sync(ctx context.Context) error {
	if c.same {
		return nil
	}
	var best exchange
	for i := range exchanges {
		a, err := c.ask(ctx, methodTime, nothing{})
		var t timeResult
		if err == nil {
			err = json.Unmarshal(a.Result, &t)
		}
		if err != nil {
			return c.fail("measure its clock", err)
		}
		e := exchange{sent: a.sent, received: t.Received, answered: t.Answered, returned: a.returned}
		if i == 0 || e.rtt() < best.rtt() {
			best = e
		}
	}
	if _, err := call[nothing](ctx, c, methodOffset, best.offset()); err != nil {
		return err
	}
	c.mu.Lock()
	c.best = best
	c.mu.Unlock()
	return nil
}

// Offset is the agent's clock less the controller's as last measured, and the
// round trip of that measure: the offset is wrong by at most half of it. Both
// are 0 for an agent in this process.
func (c *Client) Offset() (offset, rtt time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(c.best.offset()), time.Duration(c.best.rtt())
}

// Prepare gives the agent its part of a test; it ends the one before.
func (c *Client) Prepare(ctx context.Context, job Job) error {
	_, err := call[nothing](ctx, c, methodPrepare, job)
	return err
}

// Connect raises the number of connections that the agent is to have. They are
// opened in the background.
func (c *Client) Connect(ctx context.Context, upto int) error {
	_, err := call[nothing](ctx, c, methodConnect, upto)
	return err
}

// Begin begins a window.
func (c *Client) Begin(ctx context.Context, w Window) error {
	_, err := call[nothing](ctx, c, methodBegin, w)
	return err
}

// Storm has the agent drop all connections and connect all again.
func (c *Client) Storm(ctx context.Context) error {
	_, err := call[nothing](ctx, c, methodStorm, nothing{})
	return err
}

// Snapshot returns the agent's state. Its latencies are given out once: those of
// a call that is given up are lost.
func (c *Client) Snapshot(ctx context.Context) (swarm.Snapshot, error) {
	return call[swarm.Snapshot](ctx, c, methodSnapshot, nothing{})
}

// Finish ends the window and returns the final counts.
func (c *Client) Finish(ctx context.Context, failed []swarm.Failure) (swarm.Snapshot, error) {
	return call[swarm.Snapshot](ctx, c, methodFinish, failed)
}
