// What mailboxes need of this protocol.

package v1

import (
	"time"

	"barrage/edge/conn"
	"barrage/internal/broker"
)

// mailHost implements mailbox.Host.
type mailHost struct{ *protocol }

func (h mailHost) In(c *conn.Client, room string) bool      { return h.loop.In(c.ID, room) }
func (h mailHost) Joining(c *conn.Client, room string) bool { return h.at(c).joining(room) != nil }

func (h mailHost) Join(c *conn.Client, room string, since *broker.Position) {
	h.join(nil, &joining{c: h.at(c), room: room, since: since})
}

func (h mailHost) WaitFor(c *conn.Client, room string, f func()) (cancel func()) {
	w := h.waits.For([]string{room}, h.Now(), func() { h.loop.Guard(c.ID, f) })
	if w == nil {
		return nil
	}
	return func() { h.waits.Cancel(w) }
}

func (h mailHost) Push(c *conn.Client, m *broker.Message) { h.push(nil, h.at(c), pushTo(h.loop, c, m)) }

func (h mailHost) Own(c *conn.Client, m *broker.Message, to, device string) {
	if !h.loop.TakesOwn(c) || isFrom(h.loop, c, m) || !h.loop.HasRoom(c.ID) {
		return
	}
	j := pushTo(h.loop, c, m)
	j.Receiver, j.Device = to, device
	h.push(nil, h.at(c), j)
}

// Give implements conn.Protocol.
func (p *protocol) Give(id conn.ID, m *broker.Message) bool {
	c := p.clients.Get(id)
	p.push(nil, c, givenTo(p.loop, &c.Client, m))
	return true
}

// givenTo is a message as a push to a client that it is for alone.
func givenTo(l *conn.Loop, c *conn.Client, m *broker.Message) *messageJSON {
	j := pushTo(l, c, m)
	if m.Room != "" {
		j.Device = l.Device(c)
		return j
	}
	j.Conn = l.Loops().ConnName(c.Serial)
	if user := c.User(); user != "" {
		j.Room = broker.UserRoom(user)
	}
	return j
}

// pushTo is a message as a push to one client alone, which can be told that it is its own.
func pushTo(l *conn.Loop, c *conn.Client, m *broker.Message) *messageJSON {
	j := pushOf(m)
	j.Self = c.User() != "" && m.Sender.User == c.User() || isFrom(l, c, m)
	return j
}

// isFrom tells whether a message is the client's own.
func isFrom(l *conn.Loop, c *conn.Client, m *broker.Message) bool {
	return m.Sender.Conn != "" && m.Sender.Conn == l.Loops().ConnName(c.Serial)
}

func (h mailHost) Repeat(c *conn.Client, messages []*broker.Message) (n int) {
	if h.loop.Blocked(c.ID) {
		return 0
	}
	left := h.room(nil, h.at(c))
	for _, m := range messages {
		j := pushTo(h.loop, c, m)
		j.Repeat = true
		if left -= j.size(); left < 0 && n > 0 {
			break
		}
		h.push(nil, h.at(c), j)
		n++
	}
	return n
}

func (h mailHost) Now() time.Duration            { return h.node.Loops.Now() }
func (h mailHost) Post(c *conn.Client, f func()) { h.loop.Post(c, f) }
func (h mailHost) Do(f func())                   { h.loop.Do(f) }
