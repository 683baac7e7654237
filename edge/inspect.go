// Questions of operators about this node's connections.

package edge

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Conn describes a connection that has an identity or speaks barrage.v1. Raw
// anonymous connections are only counted.
type Conn struct {
	ID         string // as in broker.Sender.Conn
	User, Name string
	Address    netip.AddrPort
	JSON       bool // barrage.v1
	Since      time.Time
	Rooms      []string
}

// Connections lists connections of this node, of a user or in a room where these
// are given, at most limit; total counts all that match. It visits every one.
func (s *Server) Connections(ctx context.Context, user, room string, limit int) (list []Conn, total int, err error) {
	type part struct {
		list  []Conn
		total int
	}
	parts, err := gather(ctx, s, func(sh *shard) part {
		l, n := sh.connections(user, room, limit)
		return part{l, n}
	})
	for _, p := range parts {
		list, total = append(list, p.list...), total+p.total
	}
	slices.SortFunc(list, func(a, b Conn) int { return a.Since.Compare(b.Since) })
	return list[:min(limit, len(list))], total, err
}

func (s *shard) connections(user, room string, limit int) (list []Conn, total int) {
	for id, c := range s.clients.all() {
		if s.sessions.at(id).state != stateOpen || user != "" && c.user() != user || room != "" && !s.fan.In(uint32(id), room) {
			continue
		}
		if total++; len(list) >= limit {
			continue
		}
		d := Conn{ID: s.srv.connName(c.serial), User: c.user(), Address: s.loop.Peer(id), JSON: c.json, Since: s.srv.start.Add(time.Duration(c.since) * time.Second)}
		if c.who != nil {
			d.Name = c.who.Name
		}
		for r := range s.fan.Rooms(uint32(id)) {
			if isPublicName(r) {
				d.Rooms = append(d.Rooms, r)
			}
		}
		slices.Sort(d.Rooms)
		list = append(list, d)
	}
	return list, total
}

// HasConn tells whether a connection with this ID is on this node.
func (s *Server) HasConn(ctx context.Context, id string) (bool, error) {
	serial, err := strconv.ParseUint(strings.TrimPrefix(id, s.node+"-"), 36, 64)
	if err != nil || s.connName(serial) != id {
		return false, nil // another node's, or nobody's
	}
	found, err := gather(ctx, s, func(sh *shard) bool { return sh.hasConn(serial) })
	return slices.Contains(found, true), err
}

func (s *shard) hasConn(serial uint64) bool {
	for id, c := range s.clients.all() {
		if c.serial == serial && s.sessions.at(id).state == stateOpen {
			return true
		}
	}
	return false
}

// remote is the address that a client comes from, to be asked for while it is
// here; "" if it is gone already.
func (s *shard) remote(c *client) string {
	if a := s.loop.Peer(c.id); a.IsValid() {
		return a.String()
	}
	return ""
}

// gather asks each shard on its own goroutine.
func gather[T any](ctx context.Context, s *Server, f func(*shard) T) ([]T, error) {
	answers := make(chan T, len(s.shards))
	for _, sh := range s.shards {
		sh.loop.Post(func() { answers <- f(sh) })
	}
	all := make([]T, 0, len(s.shards))
	for range s.shards {
		select {
		case a := <-answers:
			all = append(all, a)
		case <-ctx.Done():
			return all, ctx.Err()
		}
	}
	return all, nil
}
