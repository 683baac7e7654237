// Orders of operators to all nodes: who must leave, and what is closed. They go
// through the broker as messages of a room that every node wants and nobody can
// join.

package edge

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"barrage/edge/broker"
	"barrage/edge/events"
	"barrage/netpoll"
)

// Kinds of messages between nodes; no kind of the outside begins so.
const (
	kindPresence = "\x00presence"
	kindControl  = "\x00control"
)

const (
	controlRoom = "@control" // not a name that CheckRoom allows
	maxBans     = 100_000    // remembered by a node
)

// order is one of them. A field that is "" is any.
type order struct {
	Room      string `json:"room,omitempty"` // leave this room; "": the connection ends
	User      string `json:"user,omitempty"`
	Conn      string `json:"conn,omitempty"`
	Reason    string `json:"reason,omitempty"`
	Reconnect bool   `json:"reconnect,omitempty"`
	Until     int64  `json:"until,omitempty"` // Unix milliseconds: not before, again
	Everybody bool   `json:"everybody,omitempty"`

	Settings *RoomSettings `json:"settings,omitempty"` // of Room; nobody leaves
}

// Kick takes a user out of a room, on all nodes, and keeps them out for a time.
func (s *Server) Kick(ctx context.Context, room, user, reason string, keep time.Duration) error {
	if err := CheckRoom(room); err != nil {
		return err
	}
	if err := CheckUser(user); err != nil {
		return err
	}
	return s.order(ctx, &order{Room: room, User: user, Reason: reason, Until: until(keep)})
}

// DisconnectUser ends all connections of a user, on all nodes, and refuses new
// ones for a time.
func (s *Server) DisconnectUser(ctx context.Context, user, reason string, reconnect bool, keep time.Duration) error {
	if err := CheckUser(user); err != nil {
		return err
	}
	return s.order(ctx, &order{User: user, Reason: reason, Reconnect: reconnect, Until: until(keep)})
}

// DisconnectConn ends one connection, wherever it is.
func (s *Server) DisconnectConn(ctx context.Context, conn, reason string, reconnect bool) error {
	return s.order(ctx, &order{Conn: conn, Reason: reason, Reconnect: reconnect})
}

// CloseRoom takes everybody out of a room, on all nodes, tells backends what was
// said in it, and forgets it.
func (s *Server) CloseRoom(ctx context.Context, room, reason string) error {
	if err := CheckRoom(room); err != nil {
		return err
	}
	page, err := s.broker.History(ctx, room, broker.Query{})
	if err != nil {
		return brokerError(err)
	}
	if err := s.order(ctx, &order{Room: room, Reason: reason, Everybody: true}); err != nil {
		return err
	}
	if s.cfg.Events.Wants(events.RoomClosed, room) {
		s.cfg.Events.Emit(&events.Event{Type: events.RoomClosed, Room: room, Reason: reason, Transcript: page.Messages})
	}
	if err := s.broker.Clear(ctx, room); err != nil {
		return brokerError(err)
	}
	return nil
}

func until(keep time.Duration) int64 {
	if keep <= 0 {
		return 0
	}
	return time.Now().Add(keep).UnixMilli()
}

func (s *Server) order(ctx context.Context, o *order) error {
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
	if o.Settings != nil {
		s.settings.set(o.Room, *o.Settings)
		return
	}
	if o.Until > 0 && o.User != "" {
		// From here on by the monotonic clock, whatever the wall's does.
		s.bans.add(banKey{o.User, o.Room}, time.Now().Add(time.Until(time.UnixMilli(o.Until))))
	}
	if !s.started.Load() {
		return // nobody is here
	}
	for _, sh := range s.shards {
		sh.loop.Post(func() { sh.obey(&o) })
	}
}

// obey goes through the shard's connections: orders are rare.
func (s *shard) obey(o *order) {
	for id, c := range s.clients.all() {
		switch {
		case s.sessions.at(id).state != stateOpen:
		case o.User != "" && c.user() != o.User:
		case o.Conn != "" && s.srv.connName(c.serial) != o.Conn:
		default:
			s.guard(id, func() { s.sendOut(c, o) })
		}
	}
	if o.Everybody {
		s.closeRaw(o)
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

type banKey struct{ user, room string } // room "": the whole server

// bans remembers who must stay out. Any goroutine.
type bans struct {
	mu sync.Mutex // guards m
	m  map[banKey]time.Time
}

func (b *bans) add(k banKey, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.m) >= maxBans {
		now := time.Now()
		for k, t := range b.m {
			if now.After(t) {
				delete(b.m, k)
			}
		}
		if len(b.m) >= maxBans {
			return
		}
	}
	if b.m == nil {
		b.m = make(map[banKey]time.Time)
	}
	b.m[k] = until
}

func (b *bans) left(k banKey) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.m) == 0 {
		return 0
	}
	return max(0, time.Until(b.m[k]))
}

// checkBan tells whether a user has to stay out of a room, "" being the server.
func (s *Server) checkBan(user, room string) error {
	if user == "" {
		return nil
	}
	if wait := s.bans.left(banKey{user, room}); wait > 0 {
		return &Error{status: http.StatusForbidden, code: "banned", message: "you have been sent out", retry: wait}
	}
	return nil
}

// CheckUser tells whether id may be a user's: what may be a room's name.
func CheckUser(id string) error {
	if strings.HasPrefix(id, userPrefix) {
		return refuse(http.StatusBadRequest, "bad_user", "the user's id begins with "+userPrefix)
	}
	if err := CheckRoom(userPrefix + id); err != nil || id == "" {
		return refuse(http.StatusBadRequest, "bad_user", "a user's id has 1 to 123 letters, digits and any of _.:@-")
	}
	return nil
}
