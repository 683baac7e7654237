// What few clients have beside their record, which is kept small for the many.

package conn

import (
	"slices"
	"strings"
)

// few is what a client has said that only few say. Owner: the loop's goroutine.
type few struct {
	id     ID
	spared bool     // it is not sent its own messages that say so
	silent []string // rooms that it joined so: what it sends there comes from it without an echo
	hidden []string // rooms in which others do not see it
	device string   // which of its user's it is; "": not said
	listed int      // its place among those of the device, from 1; 0: none
	own    bool     // it is given what its user's other connections write to users
}

// fewOf is where such things are noted of a client.
func (m *Members) fewOf(c *Client) *few {
	f := m.few.Get(c.Serial)
	if f == nil {
		f = &few{id: c.ID}
		m.few.Put(c.Serial, f)
	}
	return f
}

// HideIn has others not see the client in a room that it is about to arrive in, until it
// departs.
func (m *Members) HideIn(c *Client, room string) {
	if f := m.fewOf(c); !slices.Contains(f.hidden, room) {
		f.hidden = append(f.hidden, strings.Clone(room))
	}
}

// Hides tells whether others do not see a client in a room; c is nil for one without a
// record.
func (m *Members) Hides(c *Client, room string) bool {
	return c != nil && (c.hidden || m.hidesIn(c, room))
}

func (m *Members) hidesIn(c *Client, room string) bool {
	f := m.few.Get(c.Serial)
	return f != nil && slices.Contains(f.hidden, room)
}

// HiddenIn are the rooms that HideIn was called for.
func (m *Members) HiddenIn(c *Client) []string {
	if f := m.few.Get(c.Serial); f != nil {
		return slices.Clone(f.hidden)
	}
	return nil
}

func (m *Members) unhide(c *Client, room string) {
	if c == nil {
		return
	}
	if f := m.few.Get(c.Serial); f != nil {
		f.hidden = slices.DeleteFunc(f.hidden, func(r string) bool { return r == room })
	}
}

// TakesOwn tells what Loop.SetOwn said last.
func (m *Members) TakesOwn(c *Client) bool {
	f := m.few.Get(c.Serial)
	return f != nil && f.own
}

// SetOwn says whether the client is given what its user's other connections write to users.
func (l *Loop) SetOwn(c *Client, own bool) {
	if own == l.TakesOwn(c) {
		return
	}
	l.fewOf(c).own = own
	if !own {
		l.loops.own.Add(-1)
		return
	}
	if l.loops.own.Add(1) == 1 {
		select {
		case l.loops.ownBegins <- struct{}{}:
		default: // whoever is to hear of it has not looked yet
		}
	}
}

// OwnBegins has something whenever there is a client that SetOwn said so of, and was none.
func (s *Loops) OwnBegins() <-chan struct{} { return s.ownBegins }

// TakeOwn is how many clients do; see Loop.SetOwn.
func (s *Loops) TakeOwn() int64 { return s.own.Load() }
