// Getting into a room: what a client missed is read from the history, and what came
// meanwhile follows without a hole and without a repetition.

package sse

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/valyala/bytebufferpool"

	"barrage/edge/conn"
	"barrage/edge/delivery"
	"barrage/edge/history"
	"barrage/edge/node"
	"barrage/edge/publish"
	"barrage/edge/share"
	v1 "barrage/edge/v1"
	"barrage/fanout"
	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/fair"
)

const (
	fewBytes   = 16 << 10 // of what a client missed, while clients of this server leave too much unread
	yieldBytes = 16 << 10 // after how much JSON a processor is offered to the loops
)

// joining is a join under way.
type joining struct {
	id    conn.ID
	room  string
	since *broker.Position
	lost  delivery.Skips // of what came while it was held
	gone  atomic.Bool    // it is over; any goroutine
}

// join makes a client a member, held until the history has been read. The door has waited
// until the broker brings the room's messages here.
func (p *protocol) join(id conn.ID, c *conn.Client, room string, enc fanout.Encoding, since *broker.Position) {
	j := &joining{id: id, room: room, since: since}
	// A room that forgets has to say so to a client that asks for what it missed.
	kept := p.node.Moderation.Retention(room).On() || j.since != nil
	p.loop.Join(id, room, enc, kept)
	if !kept {
		p.entered(j, c, &page{})
		return
	}
	o := p.owes(id)
	o.joins = append(o.joins, j)
	q := broker.Query{After: j.since, Last: true, Bytes: bounds.PageBytes}
	if j.since == nil {
		q.Limit = 1 // only the head is wanted
	}
	if !p.fetch(j, c, q) {
		p.onHistory(j, c, nil, publish.Overloaded)
	}
}

// joining returns the join of a room that is under way, nil if there is none.
func (p *protocol) joining(id conn.ID, room string) *joining {
	if o := p.owed.Get(id); o != nil {
		for _, j := range o.joins {
			if j.room == room {
				return j
			}
		}
	}
	return nil
}

// endJoin tells whether the join was under way: it is not if the client has left, or is
// gone.
func (p *protocol) endJoin(j *joining) bool {
	o := p.owed.Get(j.id)
	if o == nil {
		return false
	}
	i := slices.Index(o.joins, j)
	if i < 0 {
		return false
	}
	o.joins = slices.Delete(o.joins, i, i+1)
	j.gone.Store(true)
	p.paid(j.id)
	return true
}

// leave ends a membership, or a join under way, and tells whether there was one.
func (p *protocol) leave(id conn.ID, room string) bool {
	j := p.joining(id, room)
	if j != nil {
		p.endJoin(j)
	}
	if !p.loop.Leave(id, room) {
		return false
	}
	if o := p.owed.Get(id); o != nil {
		o.gaps = slices.DeleteFunc(o.gaps, func(g roomGap) bool { return g.room == room })
		p.paid(id)
	}
	if j == nil {
		p.loop.Depart(p.clients.Get(id), room)
	}
	return true
}

// page is a part of a history, and its messages as events. It is immutable.
type page struct {
	broker.Page
	events [][]byte
}

// readers makes the reader that all loops of a node share, once its broker is there.
func readers(n *node.Node) func() *history.Reader[*page] {
	return sync.OnceValue(func() *history.Reader[*page] { return history.NewReader(n.Broker, n.Pool, n.Epochs, render) })
}

func render(read broker.Page) (*page, int, error) {
	out := &page{Page: read, events: make([][]byte, len(read.Messages))}
	events, bytes, since := newCodec(), 0, 0
	buf := bytebufferpool.Get()
	defer bytebufferpool.Put(buf)
	for i, m := range read.Messages {
		_, lines := events.Message(buf, m)
		out.events[i] = append(slices.Clone(lines), '\n')
		bytes += len(lines)
		if since += len(lines); since >= yieldBytes {
			since = 0
			runtime.Gosched()
		}
	}
	return out, bytes, nil
}

// fetch reads from a room's history, and goes on with onHistory. It returns false if too
// much is being read.
func (p *protocol) fetch(j *joining, c *conn.Client, q broker.Query) bool {
	name, now := p.loop.PayerName(j.id, userOf(c)), p.node.Loops.Now()
	a := history.Ask{Class: share.Join, Payer: p.payer(j.id, c), Room: j.room, Query: q, Gone: &j.gone}
	return p.pages.Begin(name, now, a, func(pg *page, err error) {
		p.loop.Do(func() { p.loop.Guard(j.id, func() { p.onHistory(j, c, pg, err) }) })
	})
}

func userOf(c *conn.Client) string {
	if c == nil {
		return ""
	}
	return c.User()
}

// payer is whom what a stream asks for is charged to.
func (p *protocol) payer(id conn.ID, c *conn.Client) fair.Payer {
	if c != nil {
		return p.loop.Payer(c)
	}
	return p.loop.PayerOf(id)
}

// onHistory has the room's history, or knows that it cannot be had, or that it is worth
// nothing, as what is published next may not come here. A client with a position is sent
// away, to come back with it: EventSource gives up for good where the answer is an error.
// One without is let in without.
func (p *protocol) onHistory(j *joining, c *conn.Client, pg *page, err error) {
	if !p.endJoin(j) || !p.loop.IsOpen(j.id) {
		return
	}
	if err == nil && (p.node.Broker.Err() != nil || !p.node.Broker.Want(j.room)) {
		err = broker.ErrUnavailable
	}
	switch {
	case err == nil:
	case j.since != nil:
		p.loop.Leave(j.id, j.room)
		p.loop.Close(nil, j.id, conn.CodeTryAgain, publish.Refusal(err).Error(), conn.Unavailable, comeBackAfter+conn.Spread())
		return
	default:
		pg = &page{}
	}
	p.entered(j, c, pg)
}

// entered tells a client what it has, and lets what came meanwhile follow. Only the last
// of it has the position: who is cut off before that comes back from where it was.
func (p *protocol) entered(j *joining, c *conn.Client, pg *page) {
	p.loop.Arrive(c, j.room)
	var missed [][]byte
	told := pg.Page
	if j.since != nil {
		missed = p.fit(j, pg, &told)
	}
	users, connections := p.node.Count(j.room)
	begin := append(make([]byte, 0, len(eventJoined)+2*maxEpoch), eventJoined...)
	if len(missed) == 0 {
		begin = appendID(begin, pg.Head)
	}
	p.push(nil, j.id, begin, func(buf *bytebufferpool.ByteBuffer) []byte {
		return v1.Joined(buf, j.room, &told, j.since != nil, users, connections)
	})
	if len(missed) > 0 {
		p.say(nil, j.id, func(buf *bytebufferpool.ByteBuffer) {
			for _, e := range missed {
				buf.B = append(buf.B, e...)
			}
			buf.B = buf.B[:len(buf.B)-1] // the transport ends the last one
		})
	}
	after := p.node.Delivery.Sequences.Of(j.room, pg.Head.Epoch, pg.Head.Offset)
	if lost := j.lost.Behind(after); lost.N > 0 {
		p.skipped(j.id, j.room, lost)
	}
	p.loop.Resume(j.id, j.room, after)
}

// fit is what a client is given of what it missed: the newest of it, if not all may wait
// for it. Then told says so.
func (p *protocol) fit(j *joining, pg *page, told *broker.Page) [][]byte {
	left := min(bounds.PageBytes, max(0, bounds.UnreadAnswers-p.loop.Queued(nil, j.id)))
	if p.loop.Loops().Short() {
		left = fewBytes
	}
	from := len(pg.events)
	for ; from > 0 && left >= len(pg.events[from-1]); from-- {
		left -= len(pg.events[from-1])
	}
	if from > 0 {
		told.Gap = pg.Without(j.since, pg.Messages[from-1].Offset)
	}
	return pg.events[from:]
}
