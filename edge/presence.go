// Who is in a room: what the registry is told, and what it has the members told.

package edge

import (
	"context"
	"encoding/json"
	"time"

	"barrage/edge/events"
	"barrage/edge/presence"
	"barrage/internal/broker"
)

// presenceTick is how often changes are looked for.
const presenceTick = 100 * time.Millisecond

// isPublicName tells a room of the outside from those the server uses itself.
func isPublicName(room string) bool { return room != "" && room[0] != 0 }

// arrive notes a new membership.
func (s *shard) arrive(c *client, room string) {
	if c == nil {
		s.srv.presence.Join(room, nil)
		return
	}
	if c.isInbox(room) {
		return // openInbox has noted it
	}
	s.emit(&events.Event{Type: events.Join, Room: room}, c)
	s.srv.presence.Join(room, c.who)
}

// depart notes the end of a membership.
func (s *shard) depart(c *client, room string) {
	if c == nil {
		s.srv.presence.Leave(room, "")
		return
	}
	if c.isInbox(room) {
		return // closeInbox does
	}
	s.emit(&events.Event{Type: events.Leave, Room: room}, c)
	s.srv.presence.Leave(room, c.user())
}

// emit tells backends of something a client did.
func (s *shard) emit(e *events.Event, c *client) {
	if !s.srv.cfg.Events.Wants(e.Type, e.Room) {
		return
	}
	e.User, e.Conn = c.user(), s.srv.connName(c.serial)
	if e.Type == events.Connect { // later the socket may be closed already
		e.Remote = s.remote(c)
	}
	s.srv.cfg.Events.Emit(e)
}

// count is how many users and connections a room has, in the whole cluster; a
// user's own, here.
func (s *Server) count(room string) (users, connections int) {
	if user, ok := broker.UserOf(room); ok {
		n := s.inboxes.count(user)
		return min(n, 1), n
	}
	return s.presence.Count(room)
}

// Online tells whether a user is connected to any node, as far as the others can be
// asked.
func (s *Server) Online(ctx context.Context, user string) bool {
	if s.Members(broker.UserPrefix+user) > 0 {
		return true
	}
	if s.cfg.Presence == nil {
		return false
	}
	l, err := s.presence.Cluster(ctx, broker.UserPrefix+user, 0)
	return err == nil && l.Connections > 0
}

type presenceReply struct {
	Room        string     `json:"room"`
	List        []userJSON `json:"list"`               // newest first
	Complete    bool       `json:"complete,omitempty"` // the list has all users
	Users       int        `json:"users"`
	Connections int        `json:"connections"`
}

// cmdPresence lists who is in a room.
func (s *shard) cmdPresence(c *client, cmd *command) error {
	if err := s.mayJoin(c, cmd.Room); err != nil {
		return err
	}
	limit, err := bounded("limit", cmd.Limit, 100, maxUsers)
	if err != nil {
		return err
	}
	room := cmd.Room
	return s.later(c, cmd.ID, func(ctx context.Context) (any, error) {
		l, err := s.srv.presence.Cluster(ctx, room, limit) // with an error, this node's: better than none
		r := &presenceReply{Room: room, List: make([]userJSON, 0, len(l.Users)), Complete: l.Complete && err == nil, Users: l.Total, Connections: l.Connections}
		for _, e := range l.Users {
			r.List = append(r.List, userJSON{e.User.ID, e.User.Name, e.User.Avatar})
		}
		return r, nil
	})
}

// announce runs until ctx ends and has the members told who came and went. What
// is for the members on all nodes goes through the broker.
func (s *Server) announce(ctx context.Context) {
	tick := time.NewTicker(presenceTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for _, c := range s.presence.Due(now) {
				if s.settings.of(c.Room).Quiet {
					continue
				}
				if c.Kind == presence.Summary && !c.Exact {
					s.tellPresence(c.Room, noticeOf(&c))
					continue
				}
				body, err := json.Marshal(noticeOf(&c))
				if err == nil {
					s.broker.TryPublish(&broker.Publication{Room: c.Room, Kind: kindPresence, Format: broker.JSON, Payload: body, Forget: true}, nil)
				}
			}
		}
	}
}

func noticeOf(c *presence.Change) *presenceJSON {
	n := &presenceJSON{Push: "presence", Room: c.Room, Users: c.Count, Connections: c.Connections, Exact: c.Exact}
	switch c.Kind {
	case presence.Join:
		n.Join = &userJSON{c.User.ID, c.User.Name, c.User.Avatar}
	case presence.Leave:
		n.Leave = &userJSON{c.User.ID, c.User.Name, c.User.Avatar}
	}
	for _, u := range c.Joined {
		n.Joined = append(n.Joined, userJSON{u.ID, u.Name, u.Avatar})
	}
	return n
}

// tellPresence tells the members here who asked for it. A server too far behind
// leaves it out: the next ping has the counts.
func (s *Server) tellPresence(room string, n *presenceJSON) {
	_, _ = s.hub.Publish(presencePrefix+room, &notice{n})
}
