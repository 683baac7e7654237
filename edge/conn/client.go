// Clients: connections with an identity, or whose protocol needs one.

package conn

import (
	"container/heap"
	"time"

	"barrage/edge/auth"
	"barrage/edge/presence"
	"barrage/fanout"
	"barrage/internal/broker"
)

// Client is the record of a connection with an identity, or of one that has to say
// yet who it is. There may be as many as users, so it is kept small: the protocol
// embeds it in what it keeps of the connection. Owner: the loop's goroutine, but for
// User while it is in a UserIndex.
type Client struct {
	ID       ID
	expiry   int32           // index in Loop.expiries; -1: it may stay for ever
	Since    uint32          // when it was let in, in seconds of Loops.Now
	Encoding fanout.Encoding // in which it gets messages
	loop     uint8
	indexed  bool           // is in a UserIndex
	hidden   bool           // see Hidden
	Serial   uint64         // see Loops.ConnName
	Rights   auth.Rights    // zero: it has not said yet who it is
	who      *presence.User // what it points to is immutable; nil: anonymous
	next     *Client        // in its chain of a UserIndex
}

// Known tells whether the client has an identity, if only an anonymous one.
func (c *Client) Known() bool { return c.Rights != auth.Rights{} }

// MayJoin tells whether its rights allow the client to join a room.
func (c *Client) MayJoin(room string) bool { return c.Rights.MayJoin(c.User(), room) }

// Who is the user with name and avatar; nil for an anonymous client, or one that has
// not said yet who it is.
func (c *Client) Who() *presence.User { return c.who }

// Hidden tells whether the client is in no list and no count that others see, whatever room
// it is in; see Members.Hides.
func (c *Client) Hidden() bool { return c.hidden }

// Loop is the index of the client's loop among Loops.All.
func (c *Client) Loop() int { return int(c.loop) }

// User is the user's id, "" for none.
func (c *Client) User() string {
	if c.who == nil {
		return ""
	}
	return c.who.ID
}

// NewClient fills in the record of a connection that is being opened. Without an
// identity it has authLimit to say who it is.
func (l *Loop) NewClient(c *Client, o *Opening, authLimit time.Duration) {
	*c = Client{
		ID: o.ID, expiry: -1, Since: l.loops.seconds(), Encoding: o.Encoding, loop: l.index,
		Serial: l.loops.serial.Add(1),
	}
	l.loops.clients.Add(1)
	l.SetDevice(c, o.Device)
	if o.Identity == nil {
		l.expiries.set(c, l.loops.Now(), authLimit)
		return
	}
	l.Identify(c, o.Identity, o.Rights, nil) // it is in no room yet
}

// forget ends a client whose connection is gone.
func (l *Loop) forget(c *Client, reason Reason) {
	l.loops.clients.Add(-1)
	l.expiries.clear(c)
	l.SetOwn(c, false)
	l.unlist(c)
	l.few.Delete(c.Serial)
	if c.Known() { // else nobody was told of its coming either
		l.observer.Disconnected(c, reason)
	}
}

// Identify gives a client an identity, or a newer one of the same user. arrived tells
// which of its rooms know already that it is there.
func (l *Loop) Identify(c *Client, ident *auth.Identity, rights auth.Rights, arrived func(room string) bool) {
	c.Rights = rights
	l.SetDevice(c, ident.Device)
	if ident.Expires.IsZero() {
		l.expiries.clear(c)
	} else {
		l.expiries.set(c, l.loops.Now(), time.Until(ident.Expires))
	}
	who := c.who
	if ident.User != "" {
		who = &presence.User{ID: ident.User, Name: ident.Name, Avatar: ident.Avatar}
	}
	if c.hidden == ident.Hidden && (who == c.who || c.who != nil && *c.who == *who) {
		return
	}
	before, wasHidden := c.User(), c.hidden
	if c.indexed {
		l.loops.Users.replace(c, who, ident.Hidden)
	} else {
		c.who, c.hidden = who, ident.Hidden
	}
	if before == "" {
		l.list(c)
	}
	for room := range l.Rooms(c.ID) {
		if arrived(room) {
			l.observer.Renamed(c, room, before, wasHidden || l.hidesIn(c, room), l.Hides(c, room))
		}
	}
}

// Connected tells that the identity of a client is known now that had none.
func (l *Loop) Connected(c *Client) {
	l.observer.Connected(c, l.Remote(c.ID))
	if l.tracer != nil {
		l.tracer.Identified(c)
	}
}

// Sender is who messages of the client come from.
func (l *Loop) Sender(c *Client) broker.Sender {
	from := broker.Sender{Conn: l.loops.ConnName(c.Serial)}
	if c.who != nil {
		from.User, from.Name, from.Avatar = c.who.ID, c.who.Name, c.who.Avatar
	}
	return from
}

// Client is the record of a connection, nil if it has none.
func (l *Loop) Client(id ID) *Client {
	if k := l.kind(id); k != nil {
		return k.Client(id)
	}
	return nil
}

// Alive tells whether the client's connection is still open: its ID may long be
// another's.
func (l *Loop) Alive(c *Client) bool { return l.IsOpen(c.ID) && l.Client(c.ID) == c }

// IsOpen tells whether the connection takes messages.
func (l *Loop) IsOpen(id ID) bool { return l.sessions.At(id).is(stateOpen) }

// Post has f run on the loop if the client is still there then. A panic of f costs
// only this client. Any goroutine.
func (l *Loop) Post(c *Client, f func()) {
	l.net.Post(func() {
		if l.Alive(c) {
			l.Guard(c.ID, f)
		}
	})
}

// expiries is a heap (container/heap) of the times at which clients end, the next one
// first.
type expiries []expiry

type expiry struct {
	at time.Duration // of Loops.Now
	c  *Client
}

func (h expiries) Len() int           { return len(h) }
func (h expiries) Less(i, j int) bool { return h[i].at < h[j].at }

func (h expiries) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].c.expiry, h[j].c.expiry = int32(i), int32(j)
}

func (h *expiries) Push(x any) {
	e := x.(expiry)
	e.c.expiry = int32(len(*h))
	*h = append(*h, e)
}

func (h *expiries) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = expiry{}
	*h, e.c.expiry = (*h)[:last], -1
	return e
}

// set has the client end d after now, instead of when it had to end before: by then it
// must have a token, or a newer one.
func (h *expiries) set(c *Client, now, d time.Duration) {
	h.clear(c)
	heap.Push(h, expiry{now + min(d, 1<<61), c})
}

func (h *expiries) clear(c *Client) {
	if c.expiry >= 0 {
		heap.Remove(h, int(c.expiry))
	}
}

// expire ends the clients whose time is over: without a token in time, or with one
// that is not good any more.
func (l *Loop) expire() {
	now := l.loops.Now()
	for len(l.expiries) > 0 && l.expiries[0].at <= now {
		c := heap.Pop(&l.expiries).(expiry).c
		if !l.Alive(c) {
			continue
		}
		code, text, reason := uint16(CodeNoAuth), "no token or login in time", NoAuth
		if c.Known() {
			code, text, reason = CodeTokenExpired, "the token has expired", TokenExpired
		}
		l.Guard(c.ID, func() { l.Close(nil, c.ID, code, text, reason, 0) })
	}
}
