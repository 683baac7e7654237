package client

// This file is the connection: when it is opened, and what comes after its end.
//
// Waits are random from nothing up to a bound that doubles, the first one too, as a server
// that stops loses all its clients in one moment.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	firstWait   = time.Second
	longestWait = 30 * time.Second
	connectTime = 10 * time.Second
	// steady is how long a connection must last to count as a success: a server that
	// welcomes and hangs up at once is still backed away from.
	steady = 5 * time.Second
	// late is by how much a timer was held back that proves nothing, as answers may wait
	// behind it.
	late       = 1500 * time.Millisecond
	tokenRetry = 5 * time.Second
)

// link belongs to run.
type link struct {
	now      *conn // the connection, or the try; nil: waiting for the next one
	ready    bool  // commands may be sent
	welcomed time.Time
	failures int
	timer    *time.Timer // of the next try, or of the end of this one
	renewal  *time.Timer // of the token
	refused  string      // a token that has expired

	pulse   *time.Timer
	heard   time.Time
	asked   bool
	planned time.Time
}

// ending is how a connection, or a try, ended.
type ending struct {
	code  int // 1006 without a close frame
	err   error
	token string        // the one it was made with
	wait  time.Duration // as the server asked
	old   bool          // the token has expired, or is not good yet
	final bool
}

func (c *Client) open() {
	k := &conn{client: c, out: make(chan []byte, 2*window)}
	k.ctx, k.cancel = context.WithCancel(c.ctx)
	c.link.now = k
	refused := c.link.refused
	c.link.timer = c.after(connectTime, func() {
		if c.link.now == k && !c.link.ready {
			c.lost(k, ending{code: 1006, err: fmt.Errorf("no answer within %v", connectTime)})
		}
	})
	c.wg.Go(func() { k.run(refused) })
}

// welcomed begins a connection, or what has to be said before.
func (c *Client) welcomed(w welcome) {
	l := &c.link
	if !l.welcomed.IsZero() {
		return
	}
	l.welcomed = time.Now()
	l.refused = ""
	c.expires(w)
	if w.Auth != "required" || l.now.token == "" {
		c.begin()
		return
	}
	c.auth(l.now.token, func(err *Error) {
		if err == nil {
			c.begin()
		} else if err.Code != "disconnected" {
			c.lost(l.now, ending{code: 4202, err: err})
		}
	})
}

func (c *Client) begin() {
	l := &c.link
	l.timer.Stop()
	l.ready = true
	l.heard = time.Now()
	c.planPulse(c.patience())
	c.tell(State{Open: true})
	for _, r := range c.rooms {
		r.up()
	}
	c.transmit()
	c.pump()
}

// auth says who this is, before anything else.
func (c *Client) auth(token string, then func(*Error)) {
	k := &call{command: command{Cmd: "auth", Token: token}, until: time.Now().Add(answerTime)}
	k.timer = c.after(answerTime, func() {
		if c.calls.forget(k) {
			then(&Error{Code: "timeout", Message: "no answer to auth in time"})
		}
	})
	k.done = func(ok json.RawMessage, err *Error) {
		var w welcome
		if err == nil && json.Unmarshal(ok, &w) == nil {
			w.Time = time.Now().UnixMilli()
			c.expires(w)
		}
		then(err)
	}
	c.fly(k)
}

// expires plans the renewal of the token: after three quarters of its time or a little
// later, so that tokens made in one moment are not renewed in one.
func (c *Client) expires(w welcome) {
	if w.Expires == 0 || c.opt.Token == nil {
		return
	}
	left := time.Duration(w.Expires-w.Time) * time.Millisecond
	c.renewAfter(time.Duration(float64(left) * (0.75 + 0.15*c.random())))
}

func (c *Client) renewAfter(wait time.Duration) {
	k := c.link.now
	c.link.renewal = c.after(wait, func() {
		if c.link.now != k {
			return
		}
		c.wg.Go(func() {
			token, err := c.opt.Token(k.ctx)
			c.post(func() { c.renewed(k, token, err) })
		})
	})
}

func (c *Client) renewed(k *conn, token string, err error) {
	again := func() { c.renewAfter(time.Duration(float64(tokenRetry) * (1 + c.random()))) }
	if c.link.now != k {
		return
	}
	if err != nil || !c.link.ready {
		again()
		return
	}
	k.token = token
	c.auth(token, func(err *Error) {
		if err != nil && c.link.now == k {
			again()
		}
	})
}

// lost decides what comes after a connection, or a try.
func (c *Client) lost(k *conn, how ending) {
	l := &c.link
	if l.now != k || c.over != nil {
		return
	}
	if !l.welcomed.IsZero() && time.Since(l.welcomed) >= steady {
		l.failures = 0
	}
	c.drop()
	wait, asked := how.wait, how.wait > 0
	back := !how.final && !final(how.code)
	if b := k.bye; b != nil {
		how.code, back = b.Code, b.Reconnect
		how.err = fmt.Errorf("the server ended the connection with %d: %s", b.Code, b.Reason)
		how.old = how.code == 4101 || b.Error == "token_expired" || strings.HasPrefix(b.Error, "token_not_yet")
		if asked = b.Wait != nil; asked {
			wait = time.Duration(*b.Wait) * time.Millisecond
		}
		if b.Error == "token_not_yet_valid" {
			how.token = ""
		}
	}
	if how.old = how.old || how.code == 4101; how.old {
		back = c.opt.Token != nil
		l.refused = how.token
	}
	if !back {
		c.end(&Error{Code: "stopped", Message: how.err.Error()})
		return
	}
	most := min(longestWait, firstWait<<min(l.failures, 5))
	l.failures++
	if !asked {
		wait = time.Duration(c.random() * float64(most))
	}
	l.timer = c.after(wait, func() {
		if l.now == nil {
			c.open()
		}
	})
	c.tell(State{Wait: wait, Err: how.err})
}

// drop gives the connection up: nothing of it is heard from now on.
func (c *Client) drop() {
	l := &c.link
	for _, t := range []*time.Timer{l.timer, l.renewal, l.pulse} {
		if t != nil {
			t.Stop()
		}
	}
	l.now.cancel()
	l.now, l.ready, l.welcomed = nil, false, time.Time{}
	for _, r := range c.rooms {
		r.down()
	}
	clear(c.leaves)
	c.calls.down()
}

func (c *Client) tell(s State) {
	if c.opt.OnState != nil {
		c.opt.OnState(s)
	}
}

// final reports a close code that means: do not come back as you are.
func final(code int) bool {
	switch code {
	case 1002, 1003, 1007, 1008, 1009:
		return true
	}
	return code >= 4200 && code <= 4999
}

// write sends one command on the present connection.
func (c *Client) write(cmd command) {
	k := c.link.now
	bytes, err := json.Marshal(cmd)
	if err == nil {
		select {
		case k.out <- bytes:
			return
		default:
			err = errors.New("the server does not take what is sent")
		}
	}
	// Not at once: who sends is in the middle of its own work.
	c.after(0, func() { c.lost(k, ending{code: 1006, err: err, token: k.token}) })
}

// patience is how long a silence may be, and then how long an answer may take.
func (c *Client) patience() time.Duration { return c.opt.Heartbeat * 42 / 100 }

func (c *Client) planPulse(wait time.Duration) {
	k := c.link.now
	c.link.planned = time.Now().Add(wait)
	c.link.pulse = c.after(wait, func() {
		if c.link.now == k {
			c.beat(k)
		}
	})
}

// beat asks after a silence, and gives up after one more.
func (c *Client) beat(k *conn) {
	l := &c.link
	now := time.Now()
	silence := now.Sub(l.heard)
	switch {
	case silence < c.patience():
		c.planPulse(c.patience() - silence)
	case l.asked && now.Sub(l.planned) <= late:
		c.lost(k, ending{code: 1006, err: fmt.Errorf("the server said nothing for %v", silence.Round(time.Millisecond)), token: k.token})
	default:
		l.asked = true
		c.planPulse(c.patience())
		c.calls.last++
		c.write(command{ID: c.calls.last, Cmd: "ping"})
	}
}
