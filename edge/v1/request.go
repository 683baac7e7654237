// The command request: a client asks a backend, or a worker.

package v1

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"barrage/edge/conn"
	"barrage/edge/events"
	"barrage/edge/requests"
	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/refusal"
	"barrage/internal/whole"
)

type requestReply struct {
	Data json.RawMessage `json:"data"`
}

// maxTimeout is what a request's timeout may say; the server has its own, which is shorter.
const maxTimeout = 24 * time.Hour

// cmdRequest asks, and gives the answer to the connection that asked.
func cmdRequest(p *protocol, _ *conn.Read, c *client, cmd *command) error {
	timeout, err := bounded("timeout", cmd.Timeout, 0, int(maxTimeout.Milliseconds()))
	if err != nil {
		return err
	}
	method, err := broker.MethodName(cmd.Method)
	switch {
	case err != nil:
		return refusal.New(400, "bad_method", "method: "+err.Error())
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
	if d.gone == nil {
		d.gone, d.leave = context.WithCancel(context.Background())
	}
	p.node.Requests.Ask(d.gone, requests.Request{
		Request: events.Request{
			Method: method, ID: name + "-" + strconv.FormatUint(uint64(cmd.ID), 10), Room: cmd.Room,
			User: c.User(), Conn: name, Data: cmd.Data, Address: p.loop.Network(c.ID),
		},
		Timeout: time.Duration(timeout) * time.Millisecond, Redeliver: cmd.Redeliver,
	}, p.answerTo(c, cmd.ID))
	return nil
}

// answerTo brings an answer to a client.
func (p *protocol) answerTo(c *client, id whole.Uint) func(events.Reply, error) {
	return func(reply events.Reply, err error) {
		p.loop.Post(&c.Client, func() { p.onAnswer(c, uint64(id), &reply, err) })
	}
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
