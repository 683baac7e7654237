// The protocol of one loop's connections.

package v1

import (
	"time"

	"github.com/valyala/bytebufferpool"

	"barrage/edge/conn"
	"barrage/edge/delivery"
	"barrage/edge/history"
	"barrage/edge/mailbox"
	"barrage/edge/node"
	"barrage/edge/wait"
	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/paged"
	"barrage/internal/refusal"
	"barrage/internal/shrinkmap"
)

// Subprotocol is the name under which clients ask for it.
const Subprotocol = "barrage.v1"

// Protocol is barrage.v1 as a server knows it.
func Protocol() node.Protocol {
	return node.Protocol{
		Name: Subprotocol, Path: "/ws", Subprotocol: Subprotocol, Rooms: node.ByDemand, AuthByMessage: true, LoginByMessage: true,
		Unread: Unread,
		Farewell: func(code uint16, no *refusal.Error) []byte {
			b := bye(code, no.Error(), no.RetryAfter())
			b.Error = no.Code()
			return appendJSON(new(bytebufferpool.ByteBuffer), b)
		},
		Codec: codec{}, Start: start,
	}
}

func start(n *node.Node) func(*conn.Loop) conn.Protocol {
	announce(n)
	pages := readers(n)
	rate := conn.NewRate(bounds.CommandsPerSecond+n.PublishRate, bounds.CommandBurst+n.PublishBurst)
	return func(l *conn.Loop) conn.Protocol {
		p := &protocol{node: n, loop: l, rate: rate, waits: n.Waits[l.Index()], pages: pages()}
		p.mail = n.Mailboxes.Attach(l.Index(), mailHost{p})
		l.OnTick(p.mail.Tick)
		l.OnTick(p.forgetAnswers)
		return p
	}
}

// protocol implements conn.Protocol. Owner: the loop's goroutine.
type protocol struct {
	node    *node.Node
	loop    *conn.Loop
	rate    conn.Rate // of commands, in pings
	waits   *wait.List
	mail    *mailbox.Box
	pages   *history.Reader[*page]
	clients paged.Table[conn.ID, *client]
	answers shrinkmap.Map[conn.ID, time.Duration] // of answerRate, of those that had large ones of late
}

// client is a connection. There may be as many as users: it is kept at 64 bytes.
type client struct {
	conn.Client
	tat     time.Duration // of protocol.rate
	pending *pending      // nil while it has nothing under way
}

// at is the client of a connection that is open.
func (p *protocol) at(c *conn.Client) *client { return p.clients.Get(c.ID) }

// mayJoin checks a room's name and the client's right to it.
func (p *protocol) mayJoin(c *client, room string) error {
	if _, err := broker.RoomName(room); err != nil {
		return err
	}
	return p.node.Moderation.MayJoin(c.User(), c.Rights, room)
}

// Open implements conn.Protocol. The rooms named in the URL follow, each with a push.
func (p *protocol) Open(o *conn.Opening) {
	c := new(client)
	p.loop.NewClient(&c.Client, o, p.node.AuthTimeout)
	p.loop.SetOwn(&c.Client, o.Own)
	*p.clients.Make(o.ID) = c
	o.Answer()
	hello := &welcomePush{Push: "welcome", Conn: p.node.Loops.ConnName(c.Serial), Device: p.loop.Device(&c.Client), Time: time.Now().UnixMilli()}
	if o.Identity == nil {
		hello.Auth = "required"
		p.push(nil, c, hello)
		return
	}
	hello.User, hello.Name, hello.Rooms, hello.Message = o.Identity.User, o.Identity.Name, o.Rooms, o.Welcome
	if !o.Identity.Expires.IsZero() {
		hello.Expires = o.Identity.Expires.UnixMilli()
	}
	p.openMailbox(c) // who is welcomed gets what is written from then on
	p.push(nil, c, hello)
	for _, room := range o.Rooms {
		p.join(nil, &joining{c: c, room: room, noEcho: o.NoEcho})
	}
}

func (p *protocol) openMailbox(c *client) {
	if c.User() != "" {
		p.mail.Open(&c.Client)
	}
}

// Message implements conn.Protocol.
func (p *protocol) Message(r *conn.Read, binary bool, payload []byte) error {
	p.command(r, p.clients.Get(r.ID), binary, payload)
	if !p.loop.IsOpen(r.ID) {
		return conn.ErrClosed
	}
	return nil
}

// Skipped implements conn.Protocol.
func (p *protocol) Skipped(id conn.ID, room string, n, from, to uint64) {
	c, lost := p.clients.Get(id), delivery.Skips{N: n, From: from, To: to}
	if j := c.joining(room); j != nil {
		j.lost.Add(lost) // it is held, and the history may still have them
		return
	}
	p.skipped(c, room, lost)
}

// Writable implements conn.Protocol.
func (p *protocol) Writable(id conn.ID) {
	c := p.clients.Get(id)
	p.tellGaps(c)
	p.feed(nil, c)
}

// Farewell implements conn.Protocol.
func (p *protocol) Farewell(r *conn.Read, id conn.ID, code uint16, text string, wait time.Duration) {
	c := p.clients.Get(id)
	if s := c.serving(); s != nil && s.dismissed {
		return // it was told
	}
	p.push(r, c, bye(code, text, wait))
}

func bye(code uint16, reason string, wait time.Duration) *byePush {
	return &byePush{Push: "bye", Code: code, Reason: reason, Reconnect: conn.MayReconnect(code), Wait: wait.Milliseconds()}
}

// Evict implements conn.Protocol.
func (p *protocol) Evict(id conn.ID, room, reason string) {
	if c := p.clients.Get(id); p.leave(nil, c, room) == nil {
		p.push(nil, c, &leftPush{Push: "left", Room: room, Reason: reason})
	}
}

// Closed implements conn.Protocol.
func (p *protocol) Closed(id conn.ID, _ conn.Reason) {
	c := p.clients.Get(id)
	p.loop.LeaveAll(id, &c.Client, func(room string) bool { return c.joining(room) == nil && !c.owns(room) })
	for _, j := range c.joins() {
		p.waits.Cancel(j.wait)
		j.gone.Store(true)
	}
	p.mail.Close(&c.Client)
	if c.pending != nil && c.pending.line != nil {
		c.pending.line.Close()
	}
	if s := c.serving(); s != nil {
		s.Close()
	}
	if c.pending != nil && c.pending.leave != nil {
		c.pending.leave()
	}
	*p.clients.Make(id) = nil
	p.answers.Delete(id)
}

// Client implements conn.Protocol.
func (p *protocol) Client(id conn.ID) *conn.Client {
	if c := p.clients.Get(id); c != nil {
		return &c.Client
	}
	return nil
}

// owns tells whether a room is the client's user's.
func (c *client) owns(room string) bool {
	user, ok := broker.UserOf(room)
	return ok && user == c.User()
}

// arrive tells that the client is in a room now, and depart that it is not any more,
// unless the room is its user's own: Box.Open has told of that.
func (p *protocol) arrive(c *client, room string) {
	if !c.owns(room) {
		p.loop.Arrive(&c.Client, room)
	}
}

func (p *protocol) depart(c *client, room string) {
	if !c.owns(room) {
		p.loop.Depart(&c.Client, room)
	}
}
