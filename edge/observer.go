// Who comes and goes: what backends and the presence of rooms are told.

package edge

import (
	"context"
	"time"

	"barrage/edge/conn"
	"barrage/edge/events"
)

// observer implements conn.Observer. Any loop's goroutine.
type observer struct{ s *Server }

// Connected implements conn.Observer.
func (o observer) Connected(c *conn.Client, from conn.Remote) {
	if o.s.node.Clustered { // should this node end without a word
		o.saw(c)
	}
	if o.s.cfg.Events.Wants(events.Connect, "") {
		o.tell(c, &events.Event{Type: events.Connect, Remote: from.String(), Hidden: c.Hidden(), Device: o.s.node.Loops.Of(c).Device(c)})
	}
}

// Disconnected implements conn.Observer.
func (o observer) Disconnected(c *conn.Client, reason conn.Reason) {
	o.saw(c)
	o.tell(c, &events.Event{Type: events.Disconnect, Reason: reason.String()})
}

// Joined implements conn.Observer.
func (o observer) Joined(c *conn.Client, room string, hidden bool) {
	if c == nil {
		o.s.node.Presence.Join(room, nil)
		return
	}
	o.tell(c, &events.Event{Type: events.Join, Room: room, Hidden: hidden})
	if !hidden {
		o.s.node.Presence.Join(room, c.Who())
	}
}

// Left implements conn.Observer.
func (o observer) Left(c *conn.Client, room string, hidden bool) {
	if c == nil {
		o.s.node.Presence.Leave(room, "")
		return
	}
	o.tell(c, &events.Event{Type: events.Leave, Room: room, Hidden: hidden})
	if !hidden {
		o.s.node.Presence.Leave(room, c.User())
	}
}

// Renamed implements conn.Observer.
func (o observer) Renamed(c *conn.Client, room, before string, wasHidden, hidden bool) {
	if !hidden {
		o.s.node.Presence.Join(room, c.Who())
	}
	if !wasHidden {
		o.s.node.Presence.Leave(room, before)
	}
}

// saw notes that a client's user was here, if others may know.
func (o observer) saw(c *conn.Client) {
	if c.User() != "" && !c.Hidden() {
		o.s.node.Presence.Saw(c.User())
	}
}

func (o observer) tell(c *conn.Client, e *events.Event) {
	if to := o.s.cfg.Events; to.Wants(e.Type, e.Room) {
		e.User, e.Conn, e.Key = c.User(), o.s.node.Loops.ConnName(c.Serial), c.Rights.Key()
		to.Emit(e)
	}
}

// presenceTick is how often protocols are told who has come and gone.
const presenceTick = 100 * time.Millisecond

// announce tells them until ctx ends. It goes on where no protocol wants to be told: the
// registry keeps a room until this has been looked into.
func (s *Server) announce(ctx context.Context) {
	tick := time.NewTicker(presenceTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for _, c := range s.node.Presence.Due(now) {
				for _, tell := range s.node.Announce {
					tell(&c)
				}
			}
		}
	}
}
