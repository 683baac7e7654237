// Package admin is the server as the HTTP API knows it: what it says of rooms, users
// and connections, of this node and, as far as they can be asked, of the others.
package admin

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"barrage/api"
	"barrage/edge"
	"barrage/edge/auth/keyring"
	"barrage/edge/events"
	"barrage/edge/presence"
	"barrage/edge/requests"
	"barrage/edge/trace"
	"barrage/internal/broker"
	"barrage/internal/random"
	"barrage/internal/refusal"
)

// Server implements api.Server. Its methods may be called from any goroutine.
type Server struct{ *edge.Server }

var _ api.Server = Server{}

// viewersWindow is over which time different viewers are counted.
const viewersWindow = 24 * time.Hour

// Room describes a room. What other nodes know is left out while they cannot be
// asked.
func (a Server) Room(ctx context.Context, name string) (api.Room, bool, error) {
	members, rate, here := a.Server.Room(name)
	r := api.Room{Members: members, Rate: rate, Retention: a.Moderation.Retention(name)}
	if l, err := a.Registry().Cluster(ctx, name, 0); err == nil {
		r.Cluster = &api.Audience{Members: l.Connections, Users: l.Total}
		if n, err := a.Registry().Viewers(ctx, name, viewersWindow); err == nil {
			r.Cluster.Unique = n
		} else if errors.Is(err, presence.ErrNoStore) {
			r.Cluster.Unique = l.Total
		}
	}
	if r.Retention.On() {
		page, err := a.History(ctx, name, broker.Query{Limit: 1})
		if err != nil {
			return r, here, err
		}
		r.Head = page.Head
		if r.Head.Offset == 0 {
			r.Head = broker.Position{}
		}
	}
	return r, here || r.Head.Offset > 0 || r.Cluster != nil && r.Cluster.Members > 0, nil
}

// RoomCosts returns what rooms have cost this node.
func (a Server) RoomCosts(ctx context.Context) (map[string]api.RoomCost, error) {
	usage, err := a.RoomUsage(ctx)
	costs := make(map[string]api.RoomCost, len(usage))
	for room, u := range usage {
		costs[room] = api.RoomCost(u)
	}
	return costs, err
}

// MatchRooms returns rooms with members on any node, or on this one if the others
// cannot be asked. Those of single users are none.
func (a Server) MatchRooms(ctx context.Context, pattern string, limit int) ([]string, error) {
	names := make(map[string]bool)
	add := func(name string) (more bool) {
		if broker.Match(pattern, name) && !strings.HasPrefix(name, broker.UserPrefix) {
			names[name] = true
		}
		return len(names) < limit
	}
	a.EachRoom(func(name string, _ int, _ float64) bool { return add(name) })
	if len(names) < limit {
		_ = a.Registry().Rooms(ctx, pattern, add) // with an error, this node's: better than none
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// Presence tells who is in a room, on all nodes if they can be asked.
func (a Server) Presence(ctx context.Context, room string, limit int) (api.Presence, error) {
	l, _ := a.Registry().Cluster(ctx, room, limit) // with an error, this node's
	p := api.Presence{Total: l.Total, Connections: l.Connections}
	for _, e := range l.Users {
		m := api.Member{User: *e.User}
		if e.Status != nil {
			m.Status, m.Data = e.Status.Text, e.Status.Data
		}
		p.Users = append(p.Users, m)
	}
	return p, nil
}

// Settings returns what was set for a room.
func (a Server) Settings(_ context.Context, room string) (broker.RoomSettings, error) {
	return a.Moderation.RoomSettings(room), nil
}

// SetSettings changes them on all nodes.
func (a Server) SetSettings(ctx context.Context, room string, s broker.RoomSettings) error {
	return a.Moderation.SetRoomSettings(ctx, room, s)
}

// AllSettings returns those of all rooms that have any.
func (a Server) AllSettings(context.Context) (map[string]broker.RoomSettings, error) {
	return a.Moderation.AllRoomSettings(), nil
}

// Bans returns those in force.
func (a Server) Bans(context.Context) ([]broker.Ban, error) { return a.Moderation.Bans(), nil }

// CloseRoom puts everybody out. The number is this node's, before.
func (a Server) CloseRoom(ctx context.Context, room, reason string) (int, error) {
	n := a.Delivery.Members(room)
	return n, a.Moderation.CloseRoom(ctx, room, reason)
}

// Online tells whether a user is connected to any node.
func (a Server) Online(ctx context.Context, user string) (bool, error) {
	return a.Server.Online(ctx, user), nil
}

// User describes a user: connections are the cluster's, rooms those of this node.
func (a Server) User(ctx context.Context, user string) (api.User, error) {
	list, here, err := a.Connections(ctx, user, "", 1000)
	if err != nil {
		return api.User{}, err
	}
	u := api.User{Connections: here}
	if l, err := a.Registry().Cluster(ctx, broker.UserRoom(user), 0); err == nil {
		u.Connections = max(here, l.Connections)
	}
	u.LastSeen, _ = a.Registry().LastSeen(ctx, user) // with an error, what this node knows
	for _, c := range list {
		u.Rooms = append(u.Rooms, c.Rooms...)
	}
	slices.Sort(u.Rooms)
	u.Rooms = slices.DeleteFunc(slices.Compact(u.Rooms), func(r string) bool { return strings.HasPrefix(r, broker.UserPrefix) })
	return u, nil
}

// Remove sends connections away, on all nodes. The number is this node's, before.
func (a Server) Remove(ctx context.Context, r api.Removal) (int, error) {
	if r.Conn != "" {
		n := 0
		if here, err := a.HasConn(ctx, r.Conn); err != nil {
			return 0, err
		} else if here {
			n = 1
		}
		return n, a.Moderation.DisconnectConn(ctx, r.Conn, r.Reason, r.Reconnect)
	}
	_, n, err := a.Connections(ctx, r.User, r.Room, 0)
	if err != nil {
		return 0, err
	}
	if r.Room != "" {
		return n, a.Moderation.Kick(ctx, r.Room, r.User, r.Reason, r.For)
	}
	return n, a.Moderation.DisconnectUser(ctx, r.User, r.Reason, r.Reconnect, r.For)
}

// Clear forgets a room's history.
func (a Server) Clear(ctx context.Context, room string) error { return a.Moderation.Clear(ctx, room) }

// Trace tells what single connections do, on all nodes.
func (a Server) Trace(ctx context.Context, t api.Trace, write func(lines []byte) error) error {
	return a.Server.Trace(ctx, trace.Query{User: t.User, Conn: t.Conn, Network: t.Network, For: t.For, Bytes: t.Bytes, Payloads: t.Payloads}, write)
}

// BanAddress keeps everybody out who comes from an address or a network.
func (a Server) BanAddress(ctx context.Context, address, reason string, keep time.Duration) (broker.Ban, error) {
	return a.Moderation.BanAddress(ctx, address, reason, keep)
}

// LiftAddress lets them come again.
func (a Server) LiftAddress(ctx context.Context, address string) error {
	return a.Moderation.LiftAddress(ctx, address)
}

// Lift lets a user come again.
func (a Server) Lift(ctx context.Context, user, room string) error {
	return a.Moderation.Lift(ctx, user, room)
}

// Keys returns those of this node, then names that are revoked and that it does not have.
func (a Server) Keys(context.Context) ([]api.Key, error) {
	var list []api.Key
	revoked := a.Moderation.RevokedKeys()
	for _, k := range a.Server.Keys() {
		list = append(list, api.Key{
			Name: k.Name, Rooms: k.Rooms, Origins: k.Origins, Publish: k.Publish, Subscribe: k.Subscribe, Get: k.Get, Serve: k.Serve,
			Rate: k.Rate, Expires: k.Expires, Revoked: revoked[k.Name],
		})
		delete(revoked, k.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(revoked)) {
		list = append(list, api.Key{Name: name, Revoked: true})
	}
	return list, nil
}

// RevokeKey ends all connections that have a key, on all nodes.
func (a Server) RevokeKey(ctx context.Context, name, reason string) error {
	if !slices.ContainsFunc(a.Server.Keys(), func(k keyring.Key) bool { return k.Name == name }) {
		return refusal.New(http.StatusNotFound, "key_not_found", "this node has no key of this name")
	}
	return a.Moderation.Revoke(ctx, name, reason)
}

// RestoreKey lets those in again who have it.
func (a Server) RestoreKey(ctx context.Context, name string) error {
	return a.Moderation.Restore(ctx, name)
}

// Request asks who serves a method.
func (a Server) Request(ctx context.Context, r api.Request) (api.Answer, error) {
	reply, err := a.Server.Request(ctx, requests.Request{
		Request: events.Request{Method: r.Method, ID: random.Name(), Room: r.Room, User: r.User, Data: r.Data},
		Timeout: r.Timeout, Redeliver: r.Redeliver,
	})
	if err != nil || reply.Error == nil {
		return api.Answer{Data: reply.Data}, err
	}
	return api.Answer{Code: reply.Error.Code, Message: reply.Error.Message}, nil
}

// Workers lists this node's, and what others' serve.
func (a Server) Workers(_ context.Context, limit int) (api.Workers, error) {
	here, total, elsewhere := a.Server.Workers(limit)
	w := api.Workers{Total: total}
	for _, s := range here {
		w.Here = append(w.Here, api.Worker{Conn: s.Conn, User: s.User, Address: s.Remote, Methods: s.Methods, Busy: s.Busy, Limit: s.Limit})
	}
	for _, o := range elsewhere {
		w.Elsewhere = append(w.Elsewhere, api.Offer(o))
	}
	return w, nil
}
