// Upgrades that a backend is asked about.

package handshake

import (
	"net/http"
	"slices"

	"barrage/edge/conn"
	"barrage/edge/hooks"
	"barrage/frame"
	"barrage/internal/refusal"
)

// who is for whom a question counts.
func (d *Door) who(id conn.ID, u *upgrade) hooks.Who {
	w := hooks.Who{Address: d.loop.Network(id), Conn: uint64(id)}
	if u.Identity != nil {
		w.User, w.Key = u.Identity.User, u.Rights.Key()
	}
	return w
}

// ask has a backend say whose an upgrade is.
func (d *Door) ask(id conn.ID, req *frame.Request, u *upgrade, token string) error {
	connect := d.cfg.Node.Hooks.Connect()
	kept := d.hold(id, u, d.cfg.Timeout+connect.Longest())
	if err := connect.AskRequest(d.who(id, u), req, token, kept.Rooms, func(said *hooks.Decision, err error) {
		d.goOn(id, kept, func() { d.onDecision(id, kept, said, err) })
	}); err != nil {
		d.release(id)
		return err
	}
	d.loop.Holds(id, len(kept.rest)+len(kept.body))
	return nil
}

func (d *Door) onDecision(id conn.ID, u *upgrade, said *hooks.Decision, err error) {
	d.release(id)
	if err == nil {
		err = d.decided(u, said)
	}
	if err == nil {
		err = d.enter(id, u)
	}
	if err != nil {
		d.turnAway(id, u, err)
	}
}

// decided takes over what a backend says.
func (d *Door) decided(u *upgrade, said *hooks.Decision) error {
	u.Welcome = said.Welcome
	if u.Identity, u.Rights = said.Identity, d.guest; u.Identity == nil {
		u.Identity, u.Guest = d.cfg.Guest, true
	} else {
		u.Rights = u.Identity.Rights()
	}
	if u.protocol.Serve != nil {
		return nil // a request is in no room
	}
	for _, room := range said.Join {
		if !slices.Contains(u.Rooms, room) {
			u.Rooms = append(u.Rooms, room)
		}
	}
	if len(u.Rooms) > d.cfg.Node.MaxRooms {
		return refusal.New(http.StatusForbidden, "too_many_rooms", "the request and the backend name too many rooms")
	}
	return nil
}

// askToJoin has backends say whether an upgrade may join its rooms.
func (d *Door) askToJoin(id conn.ID, u *upgrade) {
	kept := d.hold(id, u, d.cfg.Timeout+d.cfg.Node.Hooks.Longest())
	d.cfg.Node.Hooks.Join(d.who(id, kept), kept.Identity.Name, kept.Rooms, func(err error) {
		d.goOn(id, kept, func() { d.onAllowed(id, kept, err) })
	})
	d.loop.Holds(id, len(kept.rest)+len(kept.body))
}

func (d *Door) onAllowed(id conn.ID, u *upgrade, err error) {
	d.release(id)
	if err == nil {
		err = d.mayEnter(id, u) // sent out while it waited
	}
	if err == nil {
		err = d.await(id, u)
	}
	if err != nil {
		d.turnAway(id, u, err)
	}
}
