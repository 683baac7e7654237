// The command request: a client asks a backend.

package v1

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"barrage/edge/conn"
	"barrage/edge/events"
	"barrage/internal/bounds"
	"barrage/internal/refusal"
)

type requestReply struct {
	Data json.RawMessage `json:"data"`
}

// cmdRequest asks a backend, and gives its answer to the connection that asked.
func cmdRequest(p *protocol, _ *conn.Read, c *client, cmd *command) error {
	switch {
	case p.node.Caller == nil:
		return refusal.New(404, events.CodeUnknownMethod, "this server has no backends")
	case cmd.ID == 0:
		return badCommand("a request needs an id")
	case c.pending != nil && c.pending.requests >= bounds.Requests:
		return overloaded(fmt.Sprintf("this connection has %d requests under way", bounds.Requests))
	case cmd.Room != "":
		if err := p.mayLook(c, cmd.Room); err != nil {
			return err
		}
	}
	d, name := c.begin(), p.node.Loops.ConnName(c.Serial)
	d.requests++
	q := events.Request{
		Method: cmd.Method, ID: name + "-" + strconv.FormatUint(uint64(cmd.ID), 10), Room: cmd.Room,
		User: c.User(), Conn: name, Data: cmd.Data, Address: p.loop.Network(c.ID),
	}
	if d.gone == nil {
		d.gone, d.leave = context.WithCancel(context.Background())
	}
	ctx, id := d.gone, uint64(cmd.ID)
	// A goroutine of its own: backends are slow, and Caller bounds how many there
	// are. It ends with the answer, the timeout, or the connection.
	go func() {
		reply, err := p.node.Caller.Call(ctx, q)
		p.loop.Post(&c.Client, func() { p.onAnswer(c, id, &reply, err) })
	}()
	return nil
}

func (p *protocol) onAnswer(c *client, id uint64, reply *events.Reply, err error) {
	c.pending.requests--
	c.ended()
	switch {
	case err != nil:
		p.replyError(nil, c, id, err)
	case reply.Error != nil:
		p.push(nil, c, &replyJSON{ID: id, Error: &errorJSON{Code: reply.Error.Code, Message: reply.Error.Message}})
	default:
		p.reply(nil, c, id, &requestReply{reply.Data})
	}
}
