// Replies and pushes: how one object goes to one client.

package v1

import (
	"context"

	"github.com/valyala/bytebufferpool"

	"barrage/edge/conn"
	"barrage/edge/publish"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// Bounds of what one client has not read.
const (
	pageBytes  = 512 << 10 // of the messages in one reply
	largeReply = 16 << 10  // further ones above this are refused above maxUnread
	maxUnread  = 1 << 20   // of answers that a client which does not read is owed, about
)

// push sends one object to the client.
func (p *protocol) push(r *conn.Read, c *client, v any) {
	buf := bytebufferpool.Get()
	defer bytebufferpool.Put(buf)
	p.loop.Write(r, c.ID, false, appendJSON(buf, v))
}

// reply answers a command. A client that does not read has its further large answers
// refused, before it is owed so much that it would be closed.
func (p *protocol) reply(r *conn.Read, c *client, id uint64, ok any) {
	if id == 0 {
		return
	}
	buf := bytebufferpool.Get()
	defer bytebufferpool.Put(buf)
	payload, sound := tryJSON(buf, &replyJSON{ID: id, OK: ok})
	unread := p.loop.Queued(r, c.ID)
	switch {
	case !sound:
		p.replyError(r, c, id, refusal.New(500, "unavailable", "the answer cannot be written as JSON"))
	case len(payload) > largeReply && unread > 0 && unread+len(payload) > maxUnread:
		p.replyError(r, c, id, errUnread)
	default:
		p.loop.Write(r, c.ID, false, payload)
	}
}

var errUnread = overloaded("answers to earlier commands have not been read yet")

// room is how many bytes of messages the next reply may have.
func (p *protocol) room(r *conn.Read, c *client) int {
	return min(pageBytes, max(0, maxUnread-pageBytes/4-p.loop.Queued(r, c.ID)))
}

// replyError answers also where there is no id to answer to.
func (p *protocol) replyError(r *conn.Read, c *client, id uint64, err error) {
	p.push(r, c, &replyJSON{ID: id, Error: errorOf(err)})
}

func errorOf(err error) *errorJSON {
	no := publish.Refusal(err)
	return &errorJSON{no.Code(), no.Error(), no.RetryAfter().Milliseconds()}
}

// later does what may block, and replies with what comes of it.
func (p *protocol) later(c *client, id uint64, f func(context.Context) (any, error)) error {
	if !p.node.Pool.Try(func(ctx context.Context) {
		ok, err := f(ctx)
		p.loop.Post(&c.Client, func() {
			if err != nil {
				p.replyError(nil, c, id, err)
				return
			}
			p.reply(nil, c, id, ok)
		})
	}) {
		return overloaded("the server has too much to do")
	}
	return nil
}

// fetch reads from a room's history and has answer called on the loop, if the client is
// still there.
func (p *protocol) fetch(c *client, room string, q broker.Query, answer func(*broker.Page, error)) error {
	if !p.node.History.Get(room, q, func(page broker.Page, err error) {
		p.loop.Post(&c.Client, func() { answer(&page, err) })
	}) {
		return overloaded("too many histories are being read")
	}
	return nil
}
