// Clients: connections that speak barrage.v1, or have an identity.

package edge

import (
	"bytes"
	"container/heap"
	"context"
	"iter"
	"strconv"
	"time"

	"barrage/edge/auth"
	"barrage/edge/presence"
	"barrage/fanout"
	"barrage/frame"
	"barrage/internal/broker"
	"barrage/netpoll"
)

// client is what the server knows of a connection beyond its session: raw
// anonymous ones, the most, have none. There may be as many as users, so it is
// kept small. Owner: the shard's goroutine.
type client struct {
	id      netpoll.ID
	place   int32  // in shard.expiries; -1: it may stay for ever
	since   uint32 // seconds since the server's start, when it was let in
	shard   uint8
	json    bool            // speaks barrage.v1
	enc     fanout.Encoding // in which it gets messages
	proving bool            // a token of the command auth is being checked
	serial  uint64          // with the node's name, the connection's id for everyone
	rights  auth.Rights     // zero: has not authenticated itself yet
	who     *presence.User  // what it points to is immutable; nil: anonymous; see inboxes.rename
	mate    *client         // the next one in its chain of inboxes
	tat     time.Duration   // see Server.commandRate
	doing   *doing          // nil while it has nothing under way
}

// doing is what a client has under way: for most, most of the time, nothing.
type doing struct {
	joining []*joining      // joins
	gaps    []roomGap       // to be told as soon as the socket takes bytes again
	asks    int             // requests to backends
	looks   bool            // its inbox is being looked into, or soon will be once more
	woken   bool            // since that look began there may be more in it
	gone    context.Context // of these; ends with the connection; nil before the first
	leave   context.CancelFunc
}

// begin is where something under way is noted.
func (c *client) begin() *doing {
	if c.doing == nil {
		c.doing = new(doing)
	}
	return c.doing
}

// ended forgets the notes once nothing is under way.
func (c *client) ended() {
	d := c.doing
	if d == nil || len(d.joining) > 0 || len(d.gaps) > 0 || d.asks > 0 || d.looks {
		return
	}
	if d.leave != nil {
		d.leave()
	}
	c.doing = nil
}

// joining are the joins under way.
func (c *client) joining() []*joining {
	if c.doing == nil {
		return nil
	}
	return c.doing.joining
}

// known tells whether the client has an identity, if only an anonymous one.
func (c *client) known() bool { return c.rights != auth.Rights{} }

// mayJoin tells whether its token allows it to join a room.
func (c *client) mayJoin(room string) bool { return c.rights.MayJoin(c.user(), room) }

// user is "" for anonymous clients and those not authenticated yet.
func (c *client) user() string {
	if c.who == nil {
		return ""
	}
	return c.who.ID
}

// connName is the connection's id, unique among all nodes.
func (s *Server) connName(serial uint64) string {
	return s.node + "-" + strconv.FormatUint(serial, 36)
}

// sender is who messages of this client come from.
func (s *shard) sender(c *client) broker.Sender {
	from := broker.Sender{Conn: s.srv.connName(c.serial)}
	if c.who != nil {
		from.User, from.Name, from.Avatar = c.who.ID, c.who.Name, c.who.Avatar
	}
	return from
}

// alive tells whether the client's connection is still open: its ID may long be
// another's.
func (s *shard) alive(c *client) bool {
	return s.clients.at(c.id) == c && s.sessions.at(c.id).state == stateOpen
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
	if c := s.clients.at(id); c != nil && c.json {
		s.push(c, &byeJSON{Push: "bye", Code: code, Reason: text, Reconnect: mayReconnect(code), Wait: wait.Milliseconds()})
	}
	s.fail(id, code, text, reason)
}

const clientPage = 512

// clientTable is indexed by netpoll.ID; pages without clients are not there.
type clientTable struct{ pages []*[clientPage]*client }

// at returns nil where there is no client.
func (t *clientTable) at(id netpoll.ID) *client {
	if p := int(id / clientPage); p < len(t.pages) && t.pages[p] != nil {
		return t.pages[p][id%clientPage]
	}
	return nil
}

func (t *clientTable) set(id netpoll.ID, c *client) {
	p := int(id / clientPage)
	for p >= len(t.pages) {
		t.pages = append(t.pages, nil)
	}
	if t.pages[p] == nil {
		t.pages[p] = new([clientPage]*client)
	}
	t.pages[p][id%clientPage] = c
}

// all yields every client. Those it comes to may go meanwhile.
func (t *clientTable) all() iter.Seq2[netpoll.ID, *client] {
	return func(yield func(netpoll.ID, *client) bool) {
		for p, page := range t.pages {
			if page == nil {
				continue
			}
			for i, c := range page {
				if c != nil && !yield(netpoll.ID(p*clientPage+i), c) {
					return
				}
			}
		}
	}
}

// expiries is a heap (container/heap) of the times at which clients end, the next
// one first.
type expiries []expiry

type expiry struct {
	at time.Duration // since the server's start
	c  *client
}

func (h expiries) Len() int           { return len(h) }
func (h expiries) Less(i, j int) bool { return h[i].at < h[j].at }

func (h expiries) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].c.place, h[j].c.place = int32(i), int32(j)
}

func (h *expiries) Push(x any) {
	e := x.(expiry)
	e.c.place = int32(len(*h))
	*h = append(*h, e)
}

func (h *expiries) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = expiry{}
	*h, e.c.place = (*h)[:last], -1
	return e
}

// expires has expire end the client after d, instead of when it had to end before:
// by then it must have a token, or a newer one.
func (s *shard) expires(c *client, d time.Duration) {
	s.neverExpires(c)
	heap.Push(&s.expiries, expiry{s.srv.now() + min(d, 1<<61), c})
}

func (s *shard) neverExpires(c *client) {
	if c.place >= 0 {
		heap.Remove(&s.expiries, int(c.place))
	}
}
