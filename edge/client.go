// Clients: connections that speak barrage.v1, or have an identity.

package edge

import (
	"bytes"
	"container/heap"
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
	mate    *client         // see inboxStripe.users
	joining []*joining      // joins under way
	gaps    []roomGap       // to be told as soon as the socket takes bytes again
	since   time.Duration   // since the server's start, when it was let in
	until   time.Duration   // by the same clock, when it must have a token, or a newer one
	place   int             // in shard.expiries; -1: it may stay for ever
	tat     time.Duration   // see Server.commandRate
	asks    int             // requests to backends under way
	gone    context.Context // of these; ends with the connection; nil before the first
	leave   context.CancelFunc
	shard   uint8
	json    bool // speaks barrage.v1
	deflate bool
	proving bool // a token of the command auth is being checked
}

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

// post has f run on the loop if the client is still there then. A panic of f costs
// only this client. Any goroutine.
func (s *shard) post(c *client, f func()) {
	s.loop.Post(func() {
		if s.alive(c) {
			s.guard(c.id, f)
		}
	})
}

// guard is for what is done for one connection outside of its own events.
func (s *shard) guard(id netpoll.ID, f func()) { s.loop.Guard(id, func(netpoll.ID) { f() }) }

// push sends one object to the client.
func (s *shard) push(c *client, v any) {
	buf := jsonBuffers.Get().(*bytes.Buffer)
	defer putJSON(buf)
	s.write(c, appendJSON(buf, v))
}

// write sends one text. While the client's own frames are being read it goes with
// the other answers to them.
func (s *shard) write(c *client, payload []byte) {
	if c.id == s.cur && s.reading {
		s.replies = frame.AppendFrame(s.replies, frame.Text, payload)
		return
	}
	s.out = frame.AppendFrame(s.out[:0], frame.Text, payload)
	s.queue(c.id, s.out)
	s.trimOut()
	s.throttle(c.id)
}

// part ends the connection with a word that says whether to come back.
func (s *shard) part(id netpoll.ID, code uint16, text string, reason netpoll.CloseReason, wait time.Duration) {
	if c := s.clients[id]; c != nil && c.json {
		s.push(c, &byeJSON{Push: "bye", Code: code, Reason: text, Reconnect: mayReconnect(code), Wait: wait.Milliseconds()})
	}
	s.fail(id, code, text, reason)
}

// expiries is a heap (container/heap) of clients, the one whose time ends next
// first.
type expiries []*client

func (h expiries) Len() int           { return len(h) }
func (h expiries) Less(i, j int) bool { return h[i].until < h[j].until }

func (h expiries) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *expiries) Push(x any) {
	c := x.(*client)
	c.place = len(*h)
	*h = append(*h, c)
}

func (h *expiries) Pop() any {
	last := len(*h) - 1
	c := (*h)[last]
	(*h)[last] = nil
	*h, c.place = (*h)[:last], -1
	return c
}

// expires has expire end the client after d, instead of when it had to end before.
func (s *shard) expires(c *client, d time.Duration) {
	s.neverExpires(c)
	c.until = s.srv.now() + min(d, 1<<61)
	heap.Push(&s.expiries, c)
}

func (s *shard) neverExpires(c *client) {
	if c.place >= 0 {
		heap.Remove(&s.expiries, c.place)
	}
}
