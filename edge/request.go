// Requests of clients to backends.

package edge

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"barrage/edge/events"
	"barrage/internal/refusal"
)

// maxAsks bounds the requests that one connection has under way.
const maxAsks = 8

type requestReply struct {
	Data json.RawMessage `json:"data"`
}

// cmdRequest asks a backend, and gives its answer to the connection that asked.
func (s *shard) cmdRequest(c *client, cmd *command) error {
	switch {
	case s.srv.cfg.Caller == nil:
		return refusal.New(404, events.CodeUnknownMethod, "this server has no backends")
	case cmd.ID == 0:
		return refusal.New(400, "bad_command", "a request needs an id")
	case c.doing != nil && c.doing.asks >= maxAsks:
		return refusal.TooMany("overloaded", "this connection has 8 requests under way", time.Second)
	case cmd.Room != "":
		if err := s.mayJoin(c, cmd.Room); err != nil {
			return err
		}
	}
	d := c.begin()
	d.asks++
	r := events.Request{
		Method: cmd.Method, ID: s.srv.connName(c.serial) + "-" + strconv.FormatUint(cmd.ID, 10), Room: cmd.Room,
		User: c.user(), Conn: s.srv.connName(c.serial), Data: cmd.Data,
	}
	if d.gone == nil {
		d.gone, d.leave = context.WithCancel(context.Background())
	}
	ctx, id := d.gone, cmd.ID
	// A goroutine of its own: backends are slow, and Caller bounds how many there
	// are. It ends with the answer, the timeout, or the connection.
	go func() {
		reply, err := s.srv.cfg.Caller.Call(ctx, r)
		s.post(c, func() { s.answered(c, id, &reply, err) })
	}()
	return nil
}

func (s *shard) answered(c *client, id uint64, reply *events.Reply, err error) {
	c.doing.asks--
	c.ended()
	switch {
	case err != nil:
		s.replyError(c, id, err)
	case reply.Error != nil:
		s.push(c, &replyJSON{ID: id, Error: &errorJSON{Code: reply.Error.Code, Message: reply.Error.Message}})
	default:
		s.reply(c, id, &requestReply{reply.Data})
	}
}
