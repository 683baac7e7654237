// What backends are asked about messages of raw connections.

package raw

import (
	"slices"

	"barrage/edge/conn"
	"barrage/edge/hooks"
	"barrage/edge/publish"
	"barrage/internal/broker"
)

// askToPublish has a backend say what becomes of a message, behind those before it. A client
// is not told.
func (p *protocol) askToPublish(id conn.ID, c *conn.Client, m broker.Publication) {
	line := p.lines.Get(id)
	if line == nil {
		line = new(hooks.Line)
		p.lines.Put(id, line)
	}
	m.Payload = slices.Clone(m.Payload)
	who := hooks.Who{User: m.Sender.User, Address: p.loop.Network(id), Conn: uint64(id)}
	if line.Publish(p.node.Hooks, who, &m,
		func(f func()) {
			p.loop.Do(func() {
				if p.lines.Get(id) == line {
					p.loop.Guard(id, f)
				}
			})
		},
		func(m *broker.Publication, err error) { p.onMayPublish(id, line, c, m, err) }) != nil {
		p.node.Publisher.Refused.Add(publish.Overload)
		p.lineMoved(id, line)
	}
}

func (p *protocol) onMayPublish(id conn.ID, line *hooks.Line, c *conn.Client, m *broker.Publication, err error) {
	switch {
	case err != nil:
		p.node.Publisher.Refused.Add(publish.Backend)
	case p.mayPublish(c, m.Room, p.node.Publisher.Permits): // that may have changed
		p.publish(id, m)
	}
	p.lineMoved(id, line)
}

// lineMoved forgets a line that is empty.
func (p *protocol) lineMoved(id conn.ID, line *hooks.Line) {
	if line.Empty() {
		p.lines.Delete(id)
	}
}
