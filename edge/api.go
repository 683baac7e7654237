// What the HTTP API asks, beside what operators order (package moderation).

package edge

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"barrage/edge/auth/keyring"
	"barrage/edge/conn"
	"barrage/edge/events"
	"barrage/edge/history"
	"barrage/edge/presence"
	"barrage/edge/publish"
	"barrage/edge/requests"
	"barrage/edge/trace"
	"barrage/internal/broker"
)

// Publish sends a message to all members of a room, on all nodes. It returns once
// the broker has it, or the time of ctx is over.
func (s *Server) Publish(ctx context.Context, p *broker.Publication) (broker.Receipt, error) {
	return s.node.Publisher.Publish(ctx, p)
}

// Room returns a room's local members and its messages a second; ok is false if
// nobody is there.
func (s *Server) Room(name string) (members int, rate float64, ok bool) { return s.hub.Room(name) }

// EachRoom calls f for every room with members until it returns false.
func (s *Server) EachRoom(f func(name string, members int, rate float64) bool) {
	s.hub.EachRoom(func(name string, members int, rate float64) bool {
		return !conn.IsPublic(name) || f(name, members, rate)
	})
}

// History reads a part of a room's history.
func (s *Server) History(ctx context.Context, room string, q broker.Query) (broker.Page, error) {
	page, err := history.Read(ctx, s.node.Broker, room, q)
	if err != nil {
		return page, publish.Refuse(err)
	}
	return page, nil
}

// Request asks who serves a method, on any node, and waits for the answer.
func (s *Server) Request(ctx context.Context, r requests.Request) (events.Reply, error) {
	return s.node.Requests.Call(ctx, r)
}

// Workers lists those of this node, at most limit of them, and what others' serve.
func (s *Server) Workers(limit int) (here []requests.Serving, total int, elsewhere []requests.Offered) {
	return s.node.Requests.List(limit)
}

// Keys are those that may be brought instead of tokens.
func (s *Server) Keys() []keyring.Key {
	if s.cfg.Keys == nil {
		return nil
	}
	return s.cfg.Keys.Keys()
}

// Registry knows which users are in which rooms.
func (s *Server) Registry() *presence.Registry { return s.node.Presence }

// Online tells whether a user is connected to any node, as far as the others can be
// asked.
func (s *Server) Online(ctx context.Context, user string) bool { return s.node.Online(ctx, user) }

// NotReady returns the reasons why traffic should go elsewhere; none means ready.
func (s *Server) NotReady() []string {
	var why []string
	if s.leaving.Load() {
		why = append(why, "draining")
	}
	if err := s.node.Broker.Err(); err != nil {
		why = append(why, err.Error())
	}
	if !s.Moderation.Known() {
		why = append(why, "who must stay out, and the settings of rooms, could not be read yet")
	}
	return why
}

// Concerns returns what is wrong although traffic may come: what the broker says of its
// store, if it says anything.
func (s *Server) Concerns() []string {
	if b, ok := s.node.Broker.(interface{ Concerns() []string }); ok {
		return b.Concerns()
	}
	return nil
}

// Connections lists connections of this node, of a user or in a room where these
// are given, at most limit; total counts all that match. It visits every one that has an
// identity or speaks barrage.v1: raw anonymous connections are only counted.
func (s *Server) Connections(ctx context.Context, user, room string, limit int) (list []broker.Connection, total int, err error) {
	type part struct {
		list  []broker.Connection
		total int
	}
	parts, err := conn.Gather(ctx, s.node.Loops, func(l *conn.Loop) part {
		list, n := s.connections(l, user, room, limit)
		return part{list, n}
	})
	for _, p := range parts {
		list, total = append(list, p.list...), total+p.total
	}
	slices.SortFunc(list, func(a, b broker.Connection) int { return cmp.Compare(a.Since, b.Since) })
	return list[:min(limit, len(list))], total, err
}

func (s *Server) connections(l *conn.Loop, user, room string, limit int) (list []broker.Connection, total int) {
	for c := range l.Clients() {
		if user != "" && c.User() != user || room != "" && !l.In(c.ID, room) {
			continue
		}
		if total++; len(list) < limit {
			list = append(list, s.describe(l, c))
		}
	}
	return list, total
}

func (s *Server) describe(l *conn.Loop, c *conn.Client) broker.Connection {
	d := broker.Connection{
		Device: l.Device(c), Hidden: c.Hidden(), HiddenIn: l.HiddenIn(c),
		ID: s.node.Loops.ConnName(c.Serial), User: c.User(), Address: l.Remote(c.ID).String(),
		Protocol: s.protocols[l.KindOf(c.ID)/2].Name, Since: s.node.Loops.OpenedAt(c).UnixMilli(),
		Rooms: slices.Sorted(l.Rooms(c.ID)),
	}
	if who := c.Who(); who != nil {
		d.Name = who.Name
	}
	return d
}

// Trace has what connections do written, on all nodes; see trace.Tracing.
func (s *Server) Trace(ctx context.Context, q trace.Query, write func(lines []byte) error) error {
	return s.tracing.Trace(ctx, q, write)
}

// HasConn tells whether a connection with this ID is on this node.
func (s *Server) HasConn(ctx context.Context, id string) (bool, error) {
	serial, err := strconv.ParseUint(strings.TrimPrefix(id, s.cfg.Node+"-"), 36, 64)
	if err != nil || s.node.Loops.ConnName(serial) != id {
		return false, nil // another node's, or nobody's
	}
	found, err := conn.Gather(ctx, s.node.Loops, func(l *conn.Loop) bool {
		for c := range l.Clients() {
			if c.Serial == serial {
				return true
			}
		}
		return false
	})
	return slices.Contains(found, true), err
}
