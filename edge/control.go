// Orders of operators to all nodes: who must leave, and what is closed. They go
// through the broker as messages of a room that every node wants and nobody can
// join.

package edge

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"barrage/edge/standing"
	"barrage/internal/broker"
	"barrage/netpoll"
)

// Kinds of messages between nodes; no kind of the outside begins so.
const (
	kindPresence = "\x00presence"
	kindControl  = "\x00control"
)

const controlRoom = "@control" // not a name that CheckRoom allows

// order is one of them. A field that is "" is any. Those that last (see standing.go)
// are kept first, and the nodes are told that they are.
type order struct {
	Room      string `json:"room,omitempty"` // leave this room; "": the connection ends
	User      string `json:"user,omitempty"`
	Conn      string `json:"conn,omitempty"`
	Reason    string `json:"reason,omitempty"`
	Reconnect bool   `json:"reconnect,omitempty"`
	Given     int64  `json:"given,omitempty"` // when, in Unix milliseconds, by the clock of the node that was told
	Until     int64  `json:"until,omitempty"` // by that clock: not before, again
	Everybody bool   `json:"everybody,omitempty"`

	Settings *RoomSettings `json:"settings,omitempty"` // of Room; nobody leaves
	Lift     bool          `json:"lift,omitempty"`     // User may come again

	Previous uint64 `json:"previous,omitempty"` // as standing.Change
	Version  uint64 `json:"version,omitempty"`
}

// Kick takes a user out of a room, on all nodes, and keeps them out for a time.
func (s *Server) Kick(ctx context.Context, room, user, reason string, keep time.Duration) error {
	if err := broker.CheckRoom(room); err != nil {
		return err
	}
	if err := broker.CheckUser(user); err != nil {
		return err
	}
	return s.keepOut(ctx, &order{Room: room, User: user, Reason: reason}, keep)
}

// DisconnectUser ends all connections of a user, on all nodes, and refuses new
// ones for a time.
func (s *Server) DisconnectUser(ctx context.Context, user, reason string, reconnect bool, keep time.Duration) error {
	if err := broker.CheckUser(user); err != nil {
		return err
	}
	return s.keepOut(ctx, &order{User: user, Reason: reason, Reconnect: reconnect}, keep)
}

// DisconnectConn ends one connection, wherever it is.
func (s *Server) DisconnectConn(ctx context.Context, conn, reason string, reconnect bool) error {
	return s.order(ctx, &order{Conn: conn, Reason: reason, Reconnect: reconnect})
}

// order tells it to all nodes. If it lasts, it is kept before: an error then leaves
// open whether it holds.
func (s *Server) order(ctx context.Context, o *order) error {
	if e, lasts := o.entry(); lasts {
		c, err := s.book.Put(ctx, e)
		if err != nil {
			return brokerError(err)
		}
		o.Previous, o.Version = c.Previous, c.Version
	}
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_, err = s.broker.Publish(ctx, &broker.Publication{Room: controlRoom, Kind: kindControl, Format: broker.JSON, Payload: body, Forget: true})
	if err != nil {
		return brokerError(err)
	}
	return nil
}

// obey is called for orders, those of this node among them.
func (s *Server) obey(m *broker.Message) {
	var o order
	if json.Unmarshal(m.Payload, &o) != nil {
		return // of a newer node
	}
	if e, lasts := o.entry(); lasts {
		s.book.Heard(e, standing.Change{Previous: o.Previous, Version: o.Version})
		return
	}
	s.sendAway(&o)
}

// sendAway has all connections here obey.
func (s *Server) sendAway(o *order) {
	if o.User == "" && o.Conn == "" && !o.Everybody {
		return // of a newer node: it cannot mean everybody
	}
	if !s.started.Load() {
		return // nobody is here
	}
	for _, sh := range s.shards {
		if sh.orders.add(o) {
			sh.loop.Post(sh.obey)
		}
	}
}

// orderQueue holds what a loop has still to obey. Any goroutine.
type orderQueue struct {
	mu sync.Mutex // guards q
	q  []*order
}

// add tells whether it is the first.
func (q *orderQueue) add(o *order) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.q = append(q.q, o)
	return len(q.q) == 1
}

func (q *orderQueue) take() []*order {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.q
	q.q = nil
	return all
}

// obey goes through the shard's connections, once for all orders that have come:
// a node that was cut off may learn of a hundred thousand.
func (s *shard) obey() {
	of, others := make(map[string][]*order), []*order(nil) // by user
	for _, o := range s.orders.take() {
		if o.User != "" {
			of[o.User] = append(of[o.User], o)
		} else {
			others = append(others, o)
		}
	}
	for id, c := range s.clients.all() {
		for _, list := range [...][]*order{of[c.user()], others} {
			for _, o := range list {
				if s.sessions.at(id).state == stateOpen && (o.Conn == "" || o.Conn == s.srv.connName(c.serial)) {
					s.guard(id, func() { s.sendOut(c, o) })
				}
			}
		}
	}
	for _, o := range others {
		if o.Everybody {
			s.closeRaw(o)
		}
	}
}

// sendOut has a client obey.
func (s *shard) sendOut(c *client, o *order) {
	switch {
	case o.Room == "":
		s.dismissed(c, o)
	case s.leave(c, o.Room) != nil:
	case c.json:
		s.push(c, &leftJSON{Push: "left", Room: o.Room, Reason: o.Reason})
	default:
		s.part(c.id, CloseKicked, o.Reason, closeKicked, 0)
	}
}

func (s *shard) dismissed(c *client, o *order) {
	if o.Reconnect {
		s.part(c.id, CloseDismissed, o.Reason, closeKicked, s.reconnectWait())
		return
	}
	s.part(c.id, CloseKicked, o.Reason, closeKicked, 0)
}

// closeRaw ends the connections of a room that are no clients.
func (s *shard) closeRaw(o *order) {
	for i := range len(s.sessions.pages) * sessionPage {
		id := netpoll.ID(i)
		if s.sessions.at(id).state == stateOpen && s.fan.In(uint32(id), o.Room) {
			s.guard(id, func() { s.fail(id, CloseKicked, o.Reason, closeKicked) })
		}
	}
}
