package client

// This file is what is to be published: kept until it is answered, or its context ends.
//
// Each room is a lane with one message under way at a time, so that a refusal that passes
// ("too fast") does not let a later message overtake. It waits for the join of its room,
// which would otherwise begin behind it. A message is sent again with its key after a
// broken connection; the server remembers keys for five minutes, so nothing is repeated
// later than that.

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"golang.org/x/text/unicode/norm"
)

const (
	// keyLife is how long after the first try a message may be sent again.
	keyLife       = 4 * time.Minute
	answerTime    = 15 * time.Second
	firstRest     = time.Second
	longestRest   = 10 * time.Second
	maxRestShifts = 4
)

// PublishOptions are how to publish.
type PublishOptions struct {
	// Kind is what it is: up to 64 printable ASCII characters.
	Kind string
	// Key: repetitions with the same one are one message. Default a random one.
	Key string
	// TTL: it is of no use after so long; whole milliseconds.
	TTL time.Duration
	// Forget keeps it out of the history.
	Forget bool
}

type outcome struct {
	Published
	err error
}

type entry struct {
	command command
	result  chan outcome // takes one without waiting
	first   time.Time    // when it was sent first
	flying  bool
	tries   int
	resting bool
}

type outbox struct{ entries []*entry }

// Publish publishes any JSON value, or bytes ([]byte), and waits until that is answered. It
// is queued while there is no connection, and sent again until ctx ends, or four minutes
// after the first try. Whether a message that ctx ended was published is not known.
func (c *Client) Publish(ctx context.Context, room string, data any, o PublishOptions) (Published, error) {
	e := &entry{result: make(chan outcome, 1)}
	var err error
	if e.command, err = publishCommand(room, data, o); err != nil {
		return Published{}, err
	}
	if err := ctx.Err(); err != nil {
		return Published{}, err
	}
	if !c.post(func() { c.enqueue(e) }) {
		return Published{}, c.over
	}
	select {
	case r := <-e.result:
		return r.Published, r.err
	case <-ctx.Done():
	}
	c.post(func() { c.finish(e, outcome{err: ctx.Err()}) })
	r := <-e.result // of end, if run has ended
	return r.Published, r.err
}

func publishCommand(room string, data any, o PublishOptions) (command, error) {
	cmd := command{Cmd: "publish", Room: norm.NFC.String(room), Kind: o.Kind, Key: o.Key, TTL: o.TTL.Milliseconds(), Forget: o.Forget}
	if o.TTL != 0 && cmd.TTL <= 0 {
		return cmd, fmt.Errorf("client: TTL is %v, want 1ms or more", o.TTL)
	}
	if cmd.Key == "" {
		cmd.Key = rand.Text()
	}
	if bytes, ok := data.([]byte); ok && len(bytes) > 0 {
		cmd.Bytes = slices.Clone(bytes)
		return cmd, nil
	} else if ok {
		return cmd, fmt.Errorf("client: bytes to publish must not be empty")
	}
	var err error
	if cmd.Data, err = json.Marshal(data); err != nil {
		return cmd, fmt.Errorf("client: encoding what is to be published: %w", err)
	}
	return cmd, nil
}

func (c *Client) enqueue(e *entry) {
	c.outbox.entries = append(c.outbox.entries, e)
	if len(c.outbox.entries) > c.opt.Queue {
		oldest := e
		if at := slices.IndexFunc(c.outbox.entries, func(e *entry) bool { return e.first.IsZero() }); at >= 0 {
			oldest = c.outbox.entries[at]
		}
		c.finish(oldest, outcome{err: &Error{Code: "queue_full", Message: fmt.Sprintf("more than %d messages wait to be published", c.opt.Queue)}})
	}
	c.pump()
}

// pump sends what may be sent.
func (c *Client) pump() {
	busy := map[string]bool{}
	for _, e := range slices.Clone(c.outbox.entries) {
		lane := e.command.Room
		if !busy[lane] && !e.flying && !e.resting && c.link.ready && !c.joining(lane) {
			c.try(e)
		}
		busy[lane] = true
	}
}

func (c *Client) joining(room string) bool {
	r := c.rooms[room]
	return r != nil && r.state == joining
}

func (c *Client) try(e *entry) {
	if e.first.IsZero() {
		e.first = time.Now()
	}
	// The wall clock goes on while a machine sleeps, and may jump back: whichever says that
	// more time has passed is believed.
	now := time.Now()
	if max(now.Sub(e.first), now.Round(0).Sub(e.first.Round(0))) > keyLife {
		c.finish(e, outcome{err: &Error{Code: "timeout", Message: "no answer while the server knows the key; it may have been published"}})
		return
	}
	e.flying = true
	c.send(e.command, answerTime, never, func(ok json.RawMessage, err *Error) { c.published(e, ok, err) })
}

func (c *Client) published(e *entry, ok json.RawMessage, err *Error) {
	e.flying = false
	switch {
	case !slices.Contains(c.outbox.entries, e):
	case err == nil:
		var r outcome
		if wrong := json.Unmarshal(ok, &r.Published); wrong != nil {
			r.err = fmt.Errorf("client: the reply to a publish: %w", wrong)
		}
		c.finish(e, r)
	case err.Code == "disconnected": // again on the next connection
	case err.Code == "timeout" || passing(err):
		wait := err.RetryAfter
		if wait == 0 {
			most := min(longestRest, firstRest<<min(e.tries, maxRestShifts))
			wait = time.Duration(float64(most) * (0.5 + c.random()/2))
		}
		e.tries++
		e.resting = true
		c.after(wait, func() { e.resting = false; c.pump() })
	default:
		c.finish(e, outcome{err: err})
	}
	c.pump()
}

// finish tells what became of an entry, unless that was told.
func (c *Client) finish(e *entry, r outcome) {
	at := slices.Index(c.outbox.entries, e)
	if at < 0 {
		return
	}
	c.outbox.entries = slices.Delete(c.outbox.entries, at, at+1)
	e.result <- r
	c.pump()
}

func (o *outbox) fail(err error) {
	for _, e := range o.entries {
		e.result <- outcome{err: err}
	}
	o.entries = nil
}
