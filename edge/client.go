// Clients: connections that speak barrage.v1, or have an identity.

package edge

import (
	"bytes"
	"context"
	"strconv"
	"time"

	"barrage/edge/auth"
	"barrage/edge/broker"
	"barrage/edge/presence"
	"barrage/fanout"
	"barrage/frame"
	"barrage/netpoll"
)

// client is what the server knows of a connection beyond its session: raw
// anonymous ones, the most, have none. Owner: the shard's goroutine.
type client struct {
	id      netpoll.ID
	serial  uint64          // with the node's name, the connection's id for everyone
	ident   *auth.Identity  // immutable; nil: has not authenticated itself yet
	who     *presence.User  // ident for the registry; nil: anonymous
	joining []*joining      // joins under way
	since   time.Duration   // since the server's start, when it was let in
	tat     time.Duration   // see commandRate
	asks    int             // requests to backends under way
	gone    context.Context // of these; ends with the connection; nil before the first
	leave   context.CancelFunc
	json    bool // speaks barrage.v1
	deflate bool
}

// commandRate bounds what one connection may ask: pings, joins, histories.
var commandRate = newRate(50, 100)

// encoding is the one in which the client gets messages.
func (c *client) encoding() fanout.Encoding {
	var e fanout.Encoding
	if c.json {
		e |= encodeJSON
	}
	if c.deflate {
		e |= encodeDeflate
	}
	return e
}

// user is "" for anonymous clients and those not authenticated yet.
func (c *client) user() string {
	if c.ident == nil {
		return ""
	}
	return c.ident.User
}

// connName is the connection's id, unique among all nodes.
func (s *Server) connName(serial uint64) string {
	return s.node + "-" + strconv.FormatUint(serial, 36)
}

// sender is who messages of this client come from.
func (s *shard) sender(c *client) broker.Sender {
	from := broker.Sender{Conn: s.srv.connName(c.serial)}
	if c.ident != nil {
		from.User, from.Name, from.Avatar = c.ident.User, c.ident.Name, c.ident.Avatar
	}
	return from
}

// alive tells whether the client's connection is still open: its ID may long be
// another's.
func (s *shard) alive(c *client) bool {
	return s.clients[c.id] == c && s.sessions.at(c.id).state == stateOpen
}

// push sends one object to the client.
func (s *shard) push(c *client, v any) {
	buf := jsonBuffers.Get().(*bytes.Buffer)
	defer putJSON(buf)
	payload := appendJSON(buf, v)
	if c.id == s.cur && s.reading {
		s.replies = frame.AppendFrame(s.replies, frame.Text, payload)
		return
	}
	s.out = frame.AppendFrame(s.out[:0], frame.Text, payload)
	s.queue(c.id, s.out)
	s.trimOut()
}

// part ends the connection with a word that says whether to come back.
func (s *shard) part(id netpoll.ID, code uint16, text string, reason netpoll.CloseReason, wait time.Duration) {
	if c := s.clients[id]; c != nil && c.json {
		s.push(c, &byeJSON{Push: "bye", Code: code, Reason: text, Reconnect: mayReconnect(code), Wait: wait.Milliseconds()})
	}
	s.fail(id, code, text, reason)
}

// expiry is the time at which a client must have a newer token.
type expiry struct {
	at time.Time
	c  *client
}

// expiries is a heap (container/heap), the earliest first.
type expiries []expiry

func (h expiries) Len() int           { return len(h) }
func (h expiries) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h expiries) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *expiries) Push(x any)        { *h = append(*h, x.(expiry)) }

func (h *expiries) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = expiry{}
	*h = old[:len(old)-1]
	return last
}
