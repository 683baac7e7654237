// Package sse is Server-Sent Events: rooms as an event stream (HTML, section 9.2), for
// networks that break WebSocket. A stream says what a barrage.v1 connection is pushed, in
// the same words, and takes nothing: clients publish by POST /publish.
//
// A connection is parked as any other, and has no record unless it has a token. What a
// room says is encoded once for all streams, so an event's id can only be the position in
// its own room: a stream of one room goes on behind the id that a browser sends when it
// comes back, one of several names a position for each.
//
// # Ownership
//
// All is the loop's goroutine's, but pages of histories, which are immutable.
package sse

import (
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/valyala/bytebufferpool"

	"barrage/edge/conn"
	"barrage/edge/delivery"
	"barrage/edge/history"
	"barrage/edge/node"
	v1 "barrage/edge/v1"
	"barrage/internal/broker"
	"barrage/internal/paged"
	"barrage/internal/shrinkmap"
)

// Path is that of its requests.
const Path = "/sse"

// Protocol is SSE as a server knows it.
func Protocol() node.Protocol {
	return node.Protocol{
		Name: "sse", Path: Path, Rooms: node.AtOnce, Transport: transport(), Ask: ask,
		Unread: v1.Unread, Codec: newCodec(), Start: start,
	}
}

func start(n *node.Node) func(*conn.Loop) conn.Protocol {
	pages := readers(n)
	return func(l *conn.Loop) conn.Protocol {
		return &protocol{node: n, loop: l, pages: pages()}
	}
}

// protocol is that of one loop's connections.
type protocol struct {
	conn.Silent
	node    *node.Node
	loop    *conn.Loop
	pages   *history.Reader[*page]
	clients paged.Table[conn.ID, *conn.Client] // those with a token
	owed    shrinkmap.Map[conn.ID, *owed]      // to a few
}

// owed is what a client is to be told: rooms it is getting into, and gaps, as soon as its
// socket takes bytes again.
type owed struct {
	joins []*joining
	gaps  []roomGap
}

type roomGap struct {
	room string
	delivery.Skips
}

// owes is where something owed is noted.
func (p *protocol) owes(id conn.ID) *owed {
	o := p.owed.Get(id)
	if o == nil {
		o = new(owed)
		p.owed.Put(id, o)
	}
	return o
}

// paid forgets the notes once nothing is owed.
func (p *protocol) paid(id conn.ID) {
	if o := p.owed.Get(id); o != nil && len(o.joins) == 0 && len(o.gaps) == 0 {
		p.owed.Delete(id)
	}
}

// A browser whose stream ends comes back after a time that is the same for all, and for
// ever: the server has to spread them, and to say it anew on each stream.
const (
	comeBackAfter = 1 * time.Second // and up to
	comeBackBy    = 4 * time.Second
	stayAway      = time.Hour // instead of never, for which there is no word
)

// Open implements conn.Protocol.
func (p *protocol) Open(o *conn.Opening) {
	var c *conn.Client
	if !o.Guest {
		c = new(conn.Client)
		p.loop.NewClient(c, o, 0)
		*p.clients.Make(o.ID) = c
	}
	o.Answer()
	p.say(nil, o.ID, func(buf *bytebufferpool.ByteBuffer) {
		buf.B = appendRetry(buf.B, comeBackAfter+rand.N(comeBackBy-comeBackAfter))
	})
	if o.Welcome != "" {
		p.push(nil, o.ID, []byte(eventWelcome), func(buf *bytebufferpool.ByteBuffer) []byte { return v1.Welcome(buf, o.Welcome) })
	}
	since, _ := o.Asked.(asked)
	for i := len(o.Rooms) - 1; i >= 0; i-- { // as raw does: the first is joined last
		p.join(o.ID, c, o.Rooms[i], o.Encoding, since.of(o.Rooms[i], o.Rooms))
	}
}

func appendRetry(b []byte, wait time.Duration) []byte {
	return append(strconv.AppendInt(append(b, "retry: "...), wait.Milliseconds(), 10), '\n')
}

// say sends one event, whose lines are written by lines.
func (p *protocol) say(r *conn.Read, id conn.ID, lines func(buf *bytebufferpool.ByteBuffer)) {
	buf := bytebufferpool.Get()
	defer bytebufferpool.Put(buf)
	lines(buf)
	p.loop.Write(r, id, false, buf.B)
}

// push sends a push of barrage.v1 as an event. begin are lines before its data.
func (p *protocol) push(r *conn.Read, id conn.ID, begin []byte, write func(buf *bytebufferpool.ByteBuffer) []byte) {
	data := bytebufferpool.Get()
	defer bytebufferpool.Put(data)
	json := write(data)
	p.say(r, id, func(buf *bytebufferpool.ByteBuffer) {
		buf.B = appendData(append(buf.B, begin...), json)
	})
}

// Message implements conn.Protocol. The transport has none.
func (p *protocol) Message(*conn.Read, bool, []byte) error { return nil }

// Skipped implements conn.Protocol.
func (p *protocol) Skipped(id conn.ID, room string, n, from, to uint64) {
	lost := delivery.Skips{N: n, From: from, To: to}
	if j := p.joining(id, room); j != nil {
		j.lost.Add(lost) // it is held, and the history may still have them
		return
	}
	p.skipped(id, room, lost)
}

// skipped applies the slow-viewer policy. A client that is stuck is owed one gap for each
// room, however long.
func (p *protocol) skipped(id conn.ID, room string, lost delivery.Skips) {
	if p.loop.TooSlow(id) {
		return
	}
	if !p.loop.Blocked(id) {
		p.tellGap(id, room, lost)
		return
	}
	o := p.owes(id)
	for i := range o.gaps {
		if o.gaps[i].room == room {
			o.gaps[i].Add(lost)
			return
		}
	}
	o.gaps = append(o.gaps, roomGap{room, lost})
}

func (p *protocol) tellGap(id conn.ID, room string, lost delivery.Skips) {
	p.push(nil, id, []byte(eventGap), func(buf *bytebufferpool.ByteBuffer) []byte { return v1.Slow(buf, room, lost) })
}

// Writable implements conn.Protocol.
func (p *protocol) Writable(id conn.ID) {
	o := p.owed.Get(id)
	if o == nil {
		return
	}
	gaps := o.gaps
	o.gaps = nil
	p.paid(id)
	for _, g := range gaps {
		p.tellGap(id, g.room, g.Skips)
	}
}

// Farewell implements conn.Protocol.
func (p *protocol) Farewell(r *conn.Read, id conn.ID, code uint16, text string, wait time.Duration) {
	begin := []byte(eventBye)
	switch {
	case !conn.MayReconnect(code):
		begin = appendRetry(begin, stayAway)
	case wait > 0:
		begin = appendRetry(begin, wait)
	}
	p.push(r, id, begin, func(buf *bytebufferpool.ByteBuffer) []byte { return v1.Bye(buf, code, text, wait) })
}

// Give implements conn.Protocol.
func (p *protocol) Give(id conn.ID, m *broker.Message) bool {
	p.push(nil, id, nil, func(buf *bytebufferpool.ByteBuffer) []byte { return v1.Given(buf, p.loop, p.clients.Get(id), m) })
	return true
}

// Evict implements conn.Protocol. A stream without a room would never say anything.
func (p *protocol) Evict(id conn.ID, room, reason string) {
	if !p.leave(id, room) {
		return
	}
	p.push(nil, id, []byte(eventLeft), func(buf *bytebufferpool.ByteBuffer) []byte { return v1.Left(buf, room, reason) })
	if p.loop.LastJoined(id) == "" {
		p.loop.Close(nil, id, conn.CodeKicked, reason, conn.Kicked, 0)
	}
}

// Closed implements conn.Protocol.
func (p *protocol) Closed(id conn.ID, _ conn.Reason) {
	c := p.clients.Get(id)
	p.loop.LeaveAll(id, c, func(room string) bool { return p.joining(id, room) == nil })
	if o := p.owed.Get(id); o != nil {
		for _, j := range o.joins {
			j.gone.Store(true)
		}
	}
	p.owed.Delete(id)
	if c != nil {
		*p.clients.Make(id) = nil
	}
}

// Describe implements conn.Describer.
func (p *protocol) Describe(_ conn.ID, _, _ bool, payload []byte) conn.Words {
	return v1.DescribeEvent(payload)
}

// Client implements conn.Protocol.
func (p *protocol) Client(id conn.ID) *conn.Client { return p.clients.Get(id) }
