package client

// This file is a room: joined once however often that is asked, and joined again after
// each cut.

import (
	"context"
	"encoding/json"
	"sync"
	"time"
)

const (
	joinTime  = 30 * time.Second
	leaveTime = 15 * time.Second
	// maxBytes is how much of a room's messages may wait for Next, beside Options.Buffer.
	maxBytes = 16 << 20
)

type roomState int

const (
	joining roomState = iota // also while there is no connection
	joined
	parked // left, until the events that wait are taken
	over
)

// Room is a room that the client is in, or wants to be in. Made by Client.Join.
type Room struct {
	client  *Client
	name    string
	options JoinOptions

	// Of run:
	state  roomState
	asked  bool // a join is under way
	once   bool // joined before
	tries  int
	stay   int    // tells the timers and answers of former tries from those of this one
	missed uint64 // messages that were in no history, dropped while there was no place
	stream stream

	mu     sync.Mutex
	wake   chan struct{} // has one when there is something to take
	events []waitingEvent
	bytes  int
	at     Position // behind the last event that was taken
	err    error    // what Next fails with once the events are taken
	hungry bool     // the room is parked: run wants to know when all is taken
}

type waitingEvent struct {
	event Event
	at    Position
	bytes int
}

func newRoom(c *Client, name string, o JoinOptions) *Room {
	r := &Room{client: c, name: name, options: o, wake: make(chan struct{}, 1)}
	r.stream = stream{room: r}
	if o.Since != nil {
		r.stream.at, r.at = *o.Since, *o.Since
	}
	return r
}

// Name is the room's name.
func (r *Room) Name() string { return r.name }

// Next waits for the next event. It fails with ctx, or when the room is over: because the
// server took the client out or did not let it in, or after Leave or Close. One goroutine
// at a time may wait.
func (r *Room) Next(ctx context.Context) (Event, error) {
	for {
		event, err, resume := r.pop()
		if resume {
			r.client.post(r.resume)
		}
		if event != nil || err != nil {
			return event, err
		}
		select {
		case <-r.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (r *Room) pop() (event Event, err error, resume bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.events) == 0 {
		return nil, r.err, false
	}
	first := r.events[0]
	r.events[0] = waitingEvent{}
	r.events = r.events[1:]
	r.at = first.at
	r.bytes -= first.bytes
	resume = r.hungry && len(r.events) == 0
	r.hungry = r.hungry && !resume
	return first.event, nil, resume
}

// Position is behind the last event that Next returned: what to join behind later. Its
// epoch is empty if there is none yet.
func (r *Room) Position() Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

// Publish is Client.Publish, into this room.
func (r *Room) Publish(ctx context.Context, data any, o PublishOptions) (Published, error) {
	return r.client.Publish(ctx, r.name, data, o)
}

// Leave leaves. Next tells of nothing more from now on. It returns when the server has
// taken note, or will not hear of the room again; offline at once.
func (r *Room) Leave(ctx context.Context) error {
	told := make(chan struct{})
	ok := r.client.post(func() {
		sent := r.asked || r.state == joined
		r.end(&Error{Code: "left", Message: "the room " + r.name + " was left"})
		r.mu.Lock()
		r.events = nil
		r.mu.Unlock()
		if !sent || !r.client.link.ready {
			close(told)
			return
		}
		r.client.leave(r.name, func() { close(told) })
	})
	if !ok {
		return nil
	}
	select {
	case <-told:
		return nil
	case <-r.client.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leave has the server take this connection out of a room, of which there may be another
// stay meanwhile, that begins after it.
func (c *Client) leave(name string, then func()) {
	c.leaves[name]++
	now := c.link.now
	c.send(command{Cmd: "leave", Room: name}, leaveTime, never, func(_ json.RawMessage, err *Error) {
		if c.link.now == now {
			if err != nil && passing(err) && c.link.ready {
				c.after(max(err.RetryAfter, 100*time.Millisecond), func() { c.leaveAgain(now, name, then) })
				return
			}
			c.leaves[name]--
			if c.leaves[name] == 0 {
				delete(c.leaves, name)
			}
			if r := c.rooms[name]; r != nil {
				r.up()
			}
		}
		then()
	})
}

func (c *Client) leaveAgain(now *conn, name string, then func()) {
	if c.link.now != now {
		then()
		return
	}
	c.leaves[name]--
	c.leave(name, then)
}

// up joins, if there is a connection.
func (r *Room) up() {
	c := r.client
	if r.asked || r.state != joining || !c.link.ready || c.leaves[r.name] > 0 {
		return
	}
	r.asked = true
	r.stay++
	stay := r.stay
	cmd := command{Cmd: "join", Room: r.name}
	if at := r.stream.at; at.Epoch != "" {
		cmd.Since = &at
	} else if !r.once {
		cmd.History = r.options.History
	}
	c.send(cmd, joinTime, never, func(ok json.RawMessage, err *Error) {
		if r.stay == stay {
			r.answered(ok, err)
		}
	})
}

func (r *Room) answered(ok json.RawMessage, err *Error) {
	r.asked = false
	if r.state != joining {
		return
	}
	var p page
	switch {
	case err == nil:
		if wrong := json.Unmarshal(ok, &p); wrong != nil {
			r.end(&Error{Code: "bad_reply", Message: "the reply to a join: " + wrong.Error()})
			return
		}
		r.begin(&p)
	case err.Code == "already_joined":
		// By the address, or by the server itself: where that began is not known.
		r.client.leave(r.name, func() {})
	case err.Code == "timeout" || passing(err):
		wait := err.RetryAfter
		if wait == 0 {
			wait = time.Duration(r.client.random() * float64(min(longestWait, firstWait<<min(r.tries, 5))))
		}
		r.tries++
		stay := r.stay
		r.client.after(wait, func() {
			if r.stay == stay {
				r.up()
			}
		})
	case err.Code == "disconnected":
	default:
		r.end(err)
	}
}

// begin takes the reply of a join.
func (r *Room) begin(p *page) {
	again := r.once
	r.state, r.once, r.tries = joined, true, 0
	r.put(Joined{Room: r.name, Resumed: p.Resumed}, 0)
	if r.missed > 0 {
		gap := Gap{Room: r.name, Reason: "slow", Count: r.missed}
		r.missed = 0
		r.put(gap, 0)
	}
	switch s := &r.stream; {
	case p.Gap != nil:
		s.add(step{gap: p.Gap})
	case again && !p.Resumed && s.at.Epoch == "" && p.Offset > 0:
		s.add(step{gap: &Gap{Reason: "unknown", Epoch: p.Epoch, To: p.Offset}})
	}
	for i := range p.Messages {
		m := &p.Messages[i]
		m.Past = true
		if m.Epoch == "" && m.Offset > 0 {
			m.Epoch = p.Epoch
		}
		r.stream.add(step{message: m})
	}
	if p.Epoch != "" {
		r.stream.add(step{head: Position{p.Epoch, p.Offset}})
	}
	r.client.pump()
}

// down is the end of the connection.
func (r *Room) down() {
	r.asked = false
	r.stay++
	if r.state == joined {
		r.stream.down()
	}
	if r.state == joined {
		r.state = joining
	}
}

// put has Next return an event. If there is no place for it, the room is left until those
// that wait are taken; it is joined again behind the last that was put.
func (r *Room) put(event Event, bytes int) bool {
	r.mu.Lock()
	full := len(r.events) >= r.client.opt.Buffer || r.bytes+bytes > maxBytes && len(r.events) > 0
	if !full {
		r.events = append(r.events, waitingEvent{event, r.stream.at, bytes})
		r.bytes += bytes
	} else {
		r.hungry = true
	}
	r.mu.Unlock()
	if full {
		r.park()
		return false
	}
	r.signal()
	return true
}

func (r *Room) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *Room) park() {
	r.state = parked
	r.stream.stop()
	if r.client.link.ready {
		r.client.leave(r.name, func() {})
	}
}

// resume joins again, after all that waited was taken.
func (r *Room) resume() {
	if r.state == parked {
		r.state = joining
		r.up()
	}
}

// end is the end of the room, for good.
func (r *Room) end(err error) {
	r.state = over
	r.stay++
	r.stream.stop()
	if r.client.rooms[r.name] == r {
		delete(r.client.rooms, r.name)
	}
	r.mu.Lock()
	if r.err == nil {
		r.err = err
	}
	if err == ErrClosed {
		r.events = nil
	}
	r.mu.Unlock()
	r.signal()
	r.client.pump()
}

// reached moves the position behind the events that wait, without an event of its own.
func (r *Room) reached(p Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.events); n > 0 {
		r.events[n-1].at = p
	} else {
		r.at = p
	}
}
