package client

// This file is commands and their replies.
//
// Numbers are never used again, so that a reply meets the command that it is of. A command
// that only asks may be sent again on the next connection, and when the server has no time
// at present; of others nobody knows, once the connection broke, whether they were done.

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// window is how many commands may be under way; others wait.
const window = 32

// again is whether a command may be sent more than once.
type again int

const (
	never    again = iota
	here           // when the server has no time at present
	anywhere       // on the next connection, too
)

type call struct {
	command command
	again   again
	until   time.Time
	done    func(ok json.RawMessage, err *Error)
	timer   *time.Timer // of its end
}

type calls struct {
	last    uint64
	flying  map[uint64]*call
	waiting []*call // in order
	resting map[*call]bool
}

func newCalls() calls {
	return calls{flying: map[uint64]*call{}, resting: map[*call]bool{}}
}

// send sends a command once there is a connection, and tells its reply. After patience it
// fails with timeout.
func (c *Client) send(cmd command, patience time.Duration, more again, done func(json.RawMessage, *Error)) {
	k := &call{command: cmd, again: more, until: time.Now().Add(patience), done: done}
	k.timer = c.after(patience, func() {
		if c.calls.forget(k) {
			k.done(nil, &Error{Code: "timeout", Message: "no answer to " + cmd.Cmd + " in time"})
			c.transmit()
		}
	})
	c.calls.waiting = append(c.calls.waiting, k)
	c.transmit()
}

// transmit sends what waits, while there is a connection and few are under way.
func (c *Client) transmit() {
	for s := &c.calls; c.link.ready && len(s.waiting) > 0 && len(s.flying) < window; {
		k := s.waiting[0]
		s.waiting = slices.Delete(s.waiting, 0, 1)
		c.fly(k)
	}
}

func (c *Client) fly(k *call) {
	c.calls.last++
	k.command.ID = c.calls.last
	c.calls.flying[k.command.ID] = k
	c.write(k.command)
}

func (s *calls) answer(c *Client, r reply) {
	k := s.flying[r.id]
	if k == nil {
		return
	}
	delete(s.flying, r.id)
	wait := time.Second
	if r.error != nil && r.error.RetryAfter > 0 {
		wait = r.error.RetryAfter
	}
	if r.error != nil && k.again != never && passing(r.error) && time.Now().Add(wait).Before(k.until) {
		s.resting[k] = true
		c.after(wait, func() {
			if s.resting[k] {
				delete(s.resting, k)
				s.waiting = append(s.waiting, k)
				c.transmit()
			}
		})
	} else {
		k.timer.Stop()
		k.done(r.ok, r.error)
	}
	c.transmit()
}

// forget reports whether the call was not answered yet.
func (s *calls) forget(k *call) bool {
	if s.flying[k.command.ID] == k {
		delete(s.flying, k.command.ID)
		return true
	}
	if s.resting[k] {
		delete(s.resting, k)
		return true
	}
	at := slices.Index(s.waiting, k)
	if at >= 0 {
		s.waiting = slices.Delete(s.waiting, at, at+1)
	}
	return at >= 0
}

// down is the end of a connection: what only asks waits for the next one.
func (s *calls) down() {
	all := slices.SortedFunc(maps.Values(s.flying), func(a, b *call) int { return cmp.Compare(a.command.ID, b.command.ID) })
	all = append(all, s.waiting...)
	for k := range s.resting {
		if k.again == here {
			all = append(all, k)
			delete(s.resting, k)
		}
	}
	clear(s.flying)
	s.waiting = nil
	var lost []*call
	for _, k := range all {
		if k.again == anywhere {
			s.waiting = append(s.waiting, k)
		} else {
			lost = append(lost, k)
		}
	}
	for _, k := range lost {
		k.timer.Stop()
		k.done(nil, &Error{Code: "disconnected", Message: "the connection broke before the answer"})
	}
}

// fail stops the timers of all; nobody waits for them any more.
func (s *calls) fail() {
	for _, k := range s.waiting {
		k.timer.Stop()
	}
	for k := range s.resting {
		k.timer.Stop()
	}
}
