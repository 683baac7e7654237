// Orders: how they are given and obeyed.

package moderation

import (
	"context"
	"encoding/json"
	"net/netip"
	"time"

	"github.com/gaissmai/bart"

	"barrage/edge/conn"
	"barrage/edge/moderation/replica"
	"barrage/edge/publish"
	"barrage/internal/broker"
)

// order is one of them, as the nodes tell each other. A field that is "" is any. What
// is persistent is in the store first, and the order says so.
type order struct {
	Room      string `json:"room,omitempty"` // leave this room; "": the connection ends
	User      string `json:"user,omitempty"`
	Conn      string `json:"conn,omitempty"`
	Address   string `json:"address,omitempty"` // a network, instead of room, user and conn
	Key       string `json:"key,omitempty"`     // the connections that have this key; none comes again
	Reason    string `json:"reason,omitempty"`
	Reconnect bool   `json:"reconnect,omitempty"`
	Given     int64  `json:"given,omitempty"` // when, in Unix milliseconds, by the clock of the node that was told
	Until     int64  `json:"until,omitempty"` // by that clock: not before, again
	Everybody bool   `json:"everybody,omitempty"`

	Settings *broker.RoomSettings `json:"settings,omitempty"` // of Room; nobody leaves
	Lift     bool                 `json:"lift,omitempty"`     // User, or who has Key, may come again

	Previous uint64 `json:"previous,omitempty"` // as replica.Change
	Version  uint64 `json:"version,omitempty"`
}

// Kick takes a user out of a room, on all nodes, and keeps them out for a time.
func (m *Moderation) Kick(ctx context.Context, room, user, reason string, keep time.Duration) error {
	room, err := broker.RoomName(room)
	if err != nil {
		return err
	}
	if user, err = broker.UserID(user); err != nil {
		return err
	}
	return m.keepOut(ctx, &order{Room: room, User: user, Reason: reason}, keep)
}

// DisconnectUser ends all connections of a user, on all nodes, and refuses new ones for
// a time.
func (m *Moderation) DisconnectUser(ctx context.Context, user, reason string, reconnect bool, keep time.Duration) error {
	user, err := broker.UserID(user)
	if err != nil {
		return err
	}
	return m.keepOut(ctx, &order{User: user, Reason: reason, Reconnect: reconnect}, keep)
}

// DisconnectConn ends one connection, wherever it is.
func (m *Moderation) DisconnectConn(ctx context.Context, conn, reason string, reconnect bool) error {
	return m.give(ctx, &order{Conn: conn, Reason: reason, Reconnect: reconnect})
}

// give tells an order to all nodes. A persistent one is kept before: an error then
// leaves open whether it holds.
func (m *Moderation) give(ctx context.Context, o *order) error {
	if e, persistent := o.entry(); persistent {
		c, err := m.replica.Put(ctx, e)
		if err != nil {
			return publish.Refuse(err)
		}
		o.Previous, o.Version = c.Previous, c.Version
	}
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_, err = m.broker.Publish(ctx, &broker.Publication{Room: ControlRoom, Kind: KindControl, Format: broker.JSON, Payload: body, Forget: true})
	if err != nil {
		return publish.Refuse(err)
	}
	return nil
}

// Obey takes a message of ControlRoom.
func (m *Moderation) Obey(msg *broker.Message) {
	var o order
	if msg.Room != ControlRoom || json.Unmarshal(msg.Payload, &o) != nil {
		return // of nobody who could order, or of a newer node
	}
	if e, persistent := o.entry(); persistent {
		m.replica.Heard(e, replica.Change{Previous: o.Previous, Version: o.Version})
		return
	}
	m.sendAway(&o)
}

// sendAway has all connections here obey.
func (m *Moderation) sendAway(o *order) {
	if o.User == "" && o.Conn == "" && o.Address == "" && o.Key == "" && !o.Everybody {
		return // of a newer node: it cannot mean everybody
	}
	for i, l := range m.cfg.Loops.All() {
		if m.queues[i].Add(o) {
			l.Do(func() { m.obeyOn(l, m.queues[i].Take()) })
		}
	}
}

// obeyOn goes through a loop's connections, once for all orders that have come: a node
// that was cut off may learn of a hundred thousand.
func (m *Moderation) obeyOn(l *conn.Loop, orders []*order) {
	byUser, others, byAddress := make(map[string][]*order), []*order(nil), new(bart.Table[*order])
	for _, o := range orders {
		switch {
		case o.User != "":
			byUser[o.User] = append(byUser[o.User], o)
		case o.Address != "":
			byAddress.Insert(netip.MustParsePrefix(o.Address), o) // changedAddress has looked at it
		default:
			others = append(others, o)
		}
	}
	for id := range l.OpenIDs() {
		if byAddress.Size() > 0 {
			if o, ok := byAddress.Lookup(l.Own(id)); ok {
				obey(l, id, o)
				continue
			}
		}
		c := l.Client(id)
		for _, o := range others {
			if o.Everybody || c != nil && (o.Key != "" && o.Key == c.Rights.Key() || o.Conn != "" && o.Conn == m.cfg.Loops.ConnName(c.Serial)) {
				obey(l, id, o)
			}
		}
		if c == nil {
			continue
		}
		for _, o := range byUser[c.User()] {
			if o.Conn == "" || o.Conn == m.cfg.Loops.ConnName(c.Serial) {
				obey(l, id, o)
			}
		}
	}
}

// obey has one connection obey, unless it is closed by now.
func obey(l *conn.Loop, id conn.ID, o *order) {
	if !l.IsOpen(id) {
		return
	}
	l.Guard(id, func() {
		switch {
		case o.Room != "":
			l.Evict(id, o.Room, o.Reason)
		case o.Reconnect:
			l.Close(nil, id, conn.CodeDismissed, o.Reason, conn.Kicked, conn.Spread())
		default:
			l.Close(nil, id, conn.CodeKicked, o.Reason, conn.Kicked, 0)
		}
	})
}
