// What backends are asked before a client joins or publishes.

package v1

import (
	"barrage/edge/hooks"
	"barrage/edge/publish"
	"barrage/internal/broker"
)

// who is for whom a question counts.
func (p *protocol) who(c *client) hooks.Who {
	return hooks.Who{User: c.User(), Key: c.Rights.Key(), Address: p.loop.Network(c.ID), Conn: c.Serial}
}

// mayLook checks a client's right to look into a room: where a backend says who joins, it
// must have joined.
func (p *protocol) mayLook(c *client, room string) error {
	if err := p.mayJoin(c, room); err != nil {
		return err
	}
	if !c.owns(room) && p.node.Hooks.AsksToJoin(room) && (!p.loop.In(c.ID, room) || c.joining(room) != nil) {
		return notJoined(room)
	}
	return nil
}

// askToJoin has a backend say whether a join goes on.
func (p *protocol) askToJoin(j *joining) {
	name := ""
	if who := j.c.Who(); who != nil {
		name = who.Name
	}
	p.node.Hooks.Join(p.who(j.c), name, []string{j.room}, func(err error) {
		p.loop.Post(&j.c.Client, func() { p.onMayJoin(j, err) })
	})
}

func (p *protocol) onMayJoin(j *joining, err error) {
	if !j.under() {
		return // left meanwhile
	}
	if err == nil {
		err = p.mayJoin(j.c, j.room) // its token may be another by now
	}
	if err != nil {
		p.refuseJoin(nil, j, err)
		return
	}
	p.await(nil, j)
}

// askToPublish has a backend say what becomes of a message, behind those before it.
func (p *protocol) askToPublish(c *client, id uint64, to string, m *broker.Publication) error {
	d := c.begin()
	if d.line == nil {
		d.line = new(hooks.Line)
	}
	err := d.line.Publish(p.node.Hooks, p.who(c), m,
		func(f func()) { p.loop.Post(&c.Client, f) },
		func(m *broker.Publication, err error) { p.onMayPublish(c, id, to, m, err) })
	p.lineMoved(c)
	if err != nil {
		p.node.Publisher.Refused.Add(publish.Overload)
	}
	return err
}

func (p *protocol) onMayPublish(c *client, id uint64, to string, m *broker.Publication, err error) {
	if err != nil {
		p.node.Publisher.Refused.Add(publish.Backend)
	} else if err = p.node.Publisher.Permits(c.User(), c.Rights, m.Room); err == nil { // that may have changed
		err = p.publish(c, id, to, m)
	}
	p.lineMoved(c)
	if err != nil {
		p.replyError(nil, c, id, err)
	}
}

// lineMoved forgets a line that is empty.
func (p *protocol) lineMoved(c *client) {
	if d := c.pending; d != nil && d.line != nil && d.line.Empty() {
		d.line = nil
		c.ended()
	}
}
