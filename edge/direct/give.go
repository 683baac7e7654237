// Giving messages to connections of this node.

package direct

import (
	"sync/atomic"

	"barrage/edge/conn"
	"barrage/internal/broker"
)

// gift is a message for those of the connections here that it is for.
type gift struct {
	m      *broker.Message
	serial uint64 // of the connection; 0: it is for a device
	user   string
	device string

	loops atomic.Int32 // that have not given it yet
	given atomic.Int32
	done  func(given int)
}

// give has the loops give a message to a connection, or without one to the connections of a
// device of the user whose room the message is of. done is called by the last loop.
func (c *Courier) give(m *broker.Message, name, device string, done func(given int)) {
	g := &gift{m: broker.Sanitize(m), device: device, done: done}
	g.user, _ = broker.UserOf(m.Room)
	if name != "" {
		g.serial = c.cfg.Loops.Serial(name)
	}
	all := c.cfg.Loops.All()
	g.loops.Store(int32(len(all)))
	for i, l := range all {
		if c.queues[i].Add(g) {
			l.Do(func() { give(l, c.queues[i].Take()) })
		}
	}
}

// give goes through a loop's connections once for all that has come: they cannot be found by
// their names. Devices can.
func give(l *conn.Loop, gifts []*gift) {
	named := make(map[uint64][]*gift)
	for _, g := range gifts {
		switch {
		case g.serial != 0:
			named[g.serial] = append(named[g.serial], g)
		case g.device != "":
			for _, c := range l.OfDevice(g.user, g.device) {
				g.giveTo(l, c)
			}
		}
	}
	if len(named) > 0 {
		for c := range l.Clients() {
			for _, g := range named[c.Serial] {
				g.giveTo(l, c)
			}
		}
	}
	for _, g := range gifts {
		if g.loops.Add(-1) == 0 {
			g.done(int(g.given.Load()))
		}
	}
}

func (g *gift) giveTo(l *conn.Loop, c *conn.Client) {
	if !g.m.Expired() && l.Alive(c) && l.Give(c.ID, g.m) {
		g.given.Add(1)
	}
}
