// Package raw is the protocol of clients that ask for none: what is published to a room
// is one message with just that payload, text as text and binary as binary, and what a
// client sends is published to the first room that it named. Any WebSocket client speaks
// it. Most of its connections have no record: only those do that have a token, or are not to
// get what they send themselves.
package raw

import (
	"unicode/utf8"

	"github.com/valyala/bytebufferpool"

	"barrage/edge/auth"
	"barrage/edge/conn"
	"barrage/edge/hooks"
	"barrage/edge/node"
	"barrage/edge/publish"
	"barrage/internal/broker"
	"barrage/internal/paged"
	"barrage/internal/shrinkmap"
)

// floodFactor is how far over the publish rate, in bursts, a connection is closed.
const floodFactor = 5

// Protocol is raw as a server knows it.
func Protocol() node.Protocol {
	return node.Protocol{Name: "raw", Path: "/ws", Alias: "barrage.raw", Rooms: node.AtOnce, LoginByMessage: true, Codec: codec{}, Start: start}
}

func start(n *node.Node) func(*conn.Loop) conn.Protocol {
	return func(l *conn.Loop) conn.Protocol { return &protocol{node: n, loop: l} }
}

// protocol is that of one loop's connections.
type protocol struct {
	conn.Silent
	node    *node.Node
	loop    *conn.Loop
	clients paged.Table[conn.ID, *conn.Client]  // those with a record
	lines   shrinkmap.Map[conn.ID, *hooks.Line] // of those about whose messages backends are asked
	logins  shrinkmap.Map[conn.ID, *login]      // those that have still to say who they are, or are not in their rooms yet
}

// Open implements conn.Protocol. It joins before the answer is out, so that a
// client that has read it misses nothing. The room named first is joined last: it is the one published
// to.
func (p *protocol) Open(o *conn.Opening) {
	if o.Identity == nil {
		p.beginLogin(o)
		return
	}
	var c *conn.Client
	if !o.Guest || o.NoEcho {
		c = new(conn.Client)
		p.loop.NewClient(c, o, 0)
		*p.clients.Make(o.ID) = c
	}
	for i := len(o.Rooms) - 1; i >= 0; i-- {
		p.loop.Join(o.ID, o.Rooms[i], o.Encoding, false)
		p.loop.Arrive(c, o.Rooms[i])
	}
	if o.NoEcho {
		p.loop.SetEcho(c, o.Rooms[0], false) // the room that it publishes to
	}
	o.Answer()
	if o.Welcome != "" {
		p.loop.Write(nil, o.ID, false, []byte(o.Welcome))
	}
}

// Message implements conn.Protocol.
func (p *protocol) Message(r *conn.Read, binary bool, payload []byte) error {
	if p.logins.Len() > 0 {
		if l := p.logins.Get(r.ID); l != nil {
			return p.login(r, l, binary, payload)
		}
	}
	p.node.Publisher.Received.Add(1)
	if ok, _ := r.TakePublish(len(payload)); !ok {
		return p.overRate(r)
	}
	r.Forgive()
	if len(payload) > p.node.MaxPublish {
		p.node.Publisher.Refused.Add(publish.TooBig)
		return nil
	}
	m := broker.Publication{Room: p.loop.LastJoined(r.ID), From: p.loop.From(r.ID), Format: broker.Text, Payload: payload}
	if binary {
		m.Format = broker.Binary
	}
	c := p.clients.Get(r.ID)
	if c != nil {
		m.Sender, m.NoEcho, m.Via = p.loop.Sender(c), !p.loop.Echoes(c, m.Room), c.Rights.Key()
	}
	if !p.mayPublish(c, m.Room, p.node.Publisher.Allowed) {
		return nil
	}
	if p.lines.Get(r.ID) != nil || p.node.Hooks.AsksToPublish(m.Room) {
		p.askToPublish(r.ID, c, m)
		return nil
	}
	p.publish(r.ID, &m)
	return nil
}

// publish gives the broker a message of a client, who sees it even if nobody else does.
func (p *protocol) publish(id conn.ID, m *broker.Publication) {
	var done func(broker.Receipt, error)
	if own := p.node.Publisher.Own(m); own != nil {
		done = func(got broker.Receipt, err error) {
			if err == nil && got.Sampled {
				p.loop.Do(func() { p.loop.Guard(id, func() { p.showOwn(id, own) }) })
			}
		}
	}
	p.node.Publisher.Try(m, done)
}

func (p *protocol) showOwn(id conn.ID, own *broker.Message) {
	if p.loop.IsOpen(id) && p.loop.LastJoined(id) == own.Room {
		p.loop.Write(nil, id, isBinary(own), own.Payload)
	}
}

// mayPublish looks at the identity of those who have one, by the publisher's Allowed or
// Permits. What is refused is counted.
func (p *protocol) mayPublish(c *conn.Client, room string, allowed func(string, auth.Rights, string) error) bool {
	if c != nil {
		return allowed(c.User(), c.Rights, room) == nil
	}
	if room != "" && !p.node.Moderation.Muted(room) {
		return true
	}
	p.node.Publisher.Refused.Add(publish.Forbidden)
	return false
}

// overRate drops a message. There is no way to tell the client, but one that keeps
// flooding is closed.
func (p *protocol) overRate(r *conn.Read) error {
	p.node.Publisher.Refused.Add(publish.Rate)
	if p.node.PublishRate == 0 {
		return nil // not a flood: it may not know that it is a viewer only
	}
	if r.Overrun(1, floodFactor*p.node.PublishBurst) {
		p.loop.Close(r, r.ID, conn.CodePolicy, "publish rate exceeded", conn.Flood, 0)
		return conn.ErrClosed
	}
	return nil
}

// Skipped implements conn.Protocol.
func (p *protocol) Skipped(id conn.ID, _ string, _, _, _ uint64) { p.loop.TooSlow(id) }

// Give implements conn.Protocol. Who has still to log in takes texts for answers.
func (p *protocol) Give(id conn.ID, m *broker.Message) bool {
	if p.logins.Get(id) != nil {
		return false
	}
	p.loop.Write(nil, id, isBinary(m), m.Payload)
	return true
}

// Evict implements conn.Protocol.
func (p *protocol) Evict(id conn.ID, room, reason string) {
	if p.loop.Leave(id, room) {
		p.loop.Depart(p.clients.Get(id), room)
		p.loop.Close(nil, id, conn.CodeKicked, reason, conn.Kicked, 0)
	}
}

// Closed implements conn.Protocol.
func (p *protocol) Closed(id conn.ID, _ conn.Reason) {
	c := p.clients.Get(id)
	p.endLogin(id)
	p.loop.LeaveAll(id, c, func(string) bool { return true })
	if c != nil {
		*p.clients.Make(id) = nil
	}
	if line := p.lines.Get(id); line != nil {
		line.Close()
		p.lines.Delete(id)
	}
}

// Client implements conn.Protocol.
func (p *protocol) Client(id conn.ID) *conn.Client { return p.clients.Get(id) }

// Describe implements conn.Describer. What is said before the login is answered is a login,
// or may be one.
func (p *protocol) Describe(id conn.ID, got, binary bool, _ []byte) conn.Words {
	w := conn.Plain(binary)
	switch {
	case got && p.logins.Get(id) != nil:
		return conn.Words{What: "login", Secret: true}
	case got:
		w.Room = p.loop.LastJoined(id)
	default:
		for room := range p.loop.Rooms(id) {
			if w.Room != "" {
				w.Room = "" // it is in several, and what it gets does not say which one it is of
				break
			}
			w.Room = room
		}
	}
	return w
}

// codec writes payloads as they are.
type codec struct{}

// Message implements delivery.Codec.
func (codec) Message(_ *bytebufferpool.ByteBuffer, m *broker.Message) (binary bool, payload []byte) {
	return isBinary(m), m.Payload
}

// LeftOut implements delivery.Codec: there are no words for it.
func (codec) LeftOut(*bytebufferpool.ByteBuffer, string, uint64) ([]byte, bool) { return nil, false }

// Gap implements delivery.Codec: nor for that.
func (codec) Gap(*bytebufferpool.ByteBuffer, string, *broker.Gap) ([]byte, bool) { return nil, false }

// isBinary tells what a message must go out as: what others wrote into the store may call itself
// text and be none, which would end the connections that get it (RFC 6455, 8.1).
func isBinary(m *broker.Message) bool { return m.Format == broker.Binary || !utf8.Valid(m.Payload) }
