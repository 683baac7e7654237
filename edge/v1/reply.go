// Replies and pushes: how one object goes to one client.

package v1

import (
	"context"
	"time"

	"github.com/valyala/bytebufferpool"

	"barrage/edge/conn"
	"barrage/edge/publish"
	"barrage/internal/bounds"
	"barrage/internal/fair"
	"barrage/internal/refusal"
)

// Bounds of what one client has not read.
const (
	smallReply = 4 << 10  // not counted as large answers
	largeReply = 16 << 10 // further ones above this are refused above bounds.UnreadAnswers
)

// answerRate is of the bytes of a connection's large answers, beyond what its commands
// cost.
var answerRate = conn.NewRate(bounds.ConnAnswerRate, bounds.ConnAnswerBurst)

// push sends one object to the client.
func (p *protocol) push(r *conn.Read, c *client, v any) {
	buf := bytebufferpool.Get()
	defer bytebufferpool.Put(buf)
	payload := insert(buf, appendJSON(buf, v), v)
	p.answered(c.ID, len(payload))
	p.loop.Write(r, c.ID, false, payload)
}

// reply answers a command.
func (p *protocol) reply(r *conn.Read, c *client, id uint64, ok any) {
	if id == 0 {
		return
	}
	buf := bytebufferpool.Get()
	defer bytebufferpool.Put(buf)
	payload, sound := tryJSON(buf, &replyJSON{ID: id, OK: ok})
	if !sound {
		p.replyError(r, c, id, errNotJSON)
		return
	}
	p.send(r, c, id, insert(buf, payload, ok))
}

// send sends a reply. A client that does not read has its further large answers refused,
// before it is owed so much that it would be closed.
func (p *protocol) send(r *conn.Read, c *client, id uint64, payload []byte) {
	if len(payload) > largeReply {
		if unread := p.loop.Queued(r, c.ID); unread > 0 && unread+len(payload) > bounds.UnreadAnswers {
			p.replyError(r, c, id, errUnread)
			return
		}
		if p.loop.Loops().Short() {
			p.replyError(r, c, id, errShort)
			return
		}
	}
	p.answered(c.ID, len(payload))
	p.loop.Write(r, c.ID, false, payload)
}

var (
	errUnread  = overloaded("answers to earlier commands have not been read yet")
	errShort   = overloaded("clients of this server leave too much unread")
	errNotJSON = refusal.New(500, "unavailable", "the answer cannot be written as JSON")
)

// tooManyBytes refuses what would have a large answer.
func tooManyBytes(wait time.Duration) error {
	return refusal.TooMany("rate_limited", "the answers to this connection were too large of late", wait)
}

// room is how many bytes of messages the next reply may have.
func (p *protocol) room(r *conn.Read, c *client) int {
	if p.loop.Loops().Short() {
		return largeReply
	}
	return min(bounds.PageBytes, max(0, bounds.UnreadAnswers-bounds.PageBytes/4-p.loop.Queued(r, c.ID)))
}

// replyError answers also where there is no id to answer to.
func (p *protocol) replyError(r *conn.Read, c *client, id uint64, err error) {
	p.push(r, c, &replyJSON{ID: id, Error: errorOf(err)})
}

func errorOf(err error) *errorJSON {
	no := publish.Refusal(err)
	return &errorJSON{no.Code(), no.Error(), no.RetryAfter().Milliseconds()}
}

// sizeOf is about how many bytes a reply has.
func sizeOf(ok any) int {
	if list, is := ok.(*presenceReply); is {
		return len(list.List) * userBytes
	}
	return smallReply
}

const userBytes = 128 // of a user in a list

// later does what may block, and replies with what comes of it. The reply is written as
// JSON where it is made, not on the loop.
func (p *protocol) later(class fair.Class, c *client, id uint64, f func(context.Context) (any, error)) error {
	payer := p.loop.Payer(&c.Client)
	if !p.node.Pool.Try(class, payer, func(ctx context.Context) int {
		ok, err := f(ctx)
		if err != nil {
			p.loop.Post(&c.Client, func() { p.replyError(nil, c, id, err) })
			return 0
		}
		if id == 0 {
			return 0
		}
		size := sizeOf(ok)
		if !p.node.Pool.Make(class, payer, size, func() (own, all int) {
			payload, sound := toJSON(&replyJSON{ID: id, OK: ok})
			p.loop.Post(&c.Client, func() {
				if !sound {
					p.replyError(nil, c, id, errNotJSON)
					return
				}
				p.send(nil, c, id, payload)
			})
			return len(payload), len(payload)
		}) {
			p.loop.Post(&c.Client, func() { p.replyError(nil, c, id, overloaded("too many large answers wait")) })
		}
		return size
	}) {
		return overloaded("the server has too much to do")
	}
	return nil
}
