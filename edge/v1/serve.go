// The commands serve and answer: a connection is a worker, which gets the requests of others
// as pushes (package requests).

package v1

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"barrage/edge/conn"
	"barrage/edge/requests"
	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// defaultLimit is how many requests a worker has at a time that does not say.
const defaultLimit = 16

type serveReply struct {
	Methods []string `json:"methods"` // patterns
	Limit   int      `json:"limit"`
}

// requestPush is a request that this connection is to answer.
type requestPush struct {
	Push    string          `json:"push"` // "request"
	Request uint64          `json:"request"`
	Method  string          `json:"method"`
	Timeout int64           `json:"timeout"` // milliseconds
	Room    string          `json:"room,omitempty"`
	User    string          `json:"user,omitempty"`
	Conn    string          `json:"conn,omitempty"`
	Again   bool            `json:"again,omitempty"` // a worker that is gone had it before
	Data    json.RawMessage `json:"data"`
}

// cancelPush tells that nobody waits for an answer any more.
type cancelPush struct {
	Push    string `json:"push"` // "cancel"
	Request uint64 `json:"request"`
	Reason  string `json:"reason"` // "gone" or "timeout"
}

// serving is what a client has that is, or was, a worker.
type serving struct {
	*requests.Worker
	methods   []string
	limit     int
	dismissed bool // it was told that this node stops, and goes once it has answered
}

func (c *client) serving() *serving {
	if c.pending == nil {
		return nil
	}
	return c.pending.serving
}

// host implements requests.Host.
type host struct {
	p *protocol
	c *client
}

func (h host) Wake() { h.p.loop.Post(&h.c.Client, func() { h.p.feed(nil, h.c) }) }

func (h host) Dismiss() { h.p.loop.Post(&h.c.Client, func() { h.p.dismiss(h.c) }) }

func cmdServe(p *protocol, r *conn.Read, c *client, cmd *command) error {
	limit, err := bounded("limit", cmd.Limit, defaultLimit, bounds.WorkerRequests)
	switch {
	case err != nil:
		return err
	case cmd.Methods == nil:
		return badCommand("serve needs methods")
	case len(cmd.Methods) > bounds.WorkerMethods:
		return badCommand(fmt.Sprintf("methods has %d patterns, want at most %d", len(cmd.Methods), bounds.WorkerMethods))
	}
	methods := []string{}
	for _, m := range cmd.Methods {
		pattern, err := broker.MethodPattern(m)
		switch {
		case err != nil:
			return err
		case !c.Rights.MayServe(pattern):
			return refusal.New(http.StatusForbidden, "forbidden", "this connection may not serve "+pattern)
		case !slices.Contains(methods, pattern):
			methods = append(methods, pattern)
		}
	}
	if err := p.serve(c, methods, limit); err != nil {
		return err
	}
	p.reply(r, c, uint64(cmd.ID), &serveReply{methods, limit})
	return nil
}

// serve has the client serve methods instead of those that it has served.
func (p *protocol) serve(c *client, methods []string, limit int) error {
	s := c.serving()
	if s == nil && len(methods) == 0 {
		return nil
	}
	var before *requests.Worker
	if s != nil {
		before = s.Worker
	}
	who := requests.Who{Conn: p.node.Loops.ConnName(c.Serial), User: c.User(), Remote: p.loop.Remote(c.ID).String(), Address: p.loop.Network(c.ID)}
	w, err := p.node.Requests.Serve(before, who, host{p, c}, methods, limit)
	if err != nil {
		return err
	}
	if s == nil {
		s = &serving{Worker: w}
		c.begin().serving = s
	}
	s.methods, s.limit = methods, limit
	return nil
}

// serveForbidden has the client serve no more what its newer token does not allow.
func (p *protocol) serveForbidden(c *client) {
	s := c.serving()
	if s == nil {
		return
	}
	kept := slices.DeleteFunc(slices.Clone(s.methods), func(m string) bool { return !c.Rights.MayServe(m) })
	if len(kept) < len(s.methods) {
		_ = p.serve(c, kept, s.limit) // fewer are always allowed
	}
}

// owes tells whether a command is an answer that the client was asked for: that was asked of
// it, and counts against no rate.
func (c *client) owes(cmd *command) bool {
	return cmd.Cmd == "answer" && c.serving() != nil && c.serving().Owes(uint64(cmd.Request))
}

func cmdAnswer(p *protocol, r *conn.Read, c *client, cmd *command) error {
	s := c.serving()
	if s == nil {
		return badCommand("this connection serves nothing")
	}
	reply, wrong := requests.ParseAnswer(cmd.Data, cmd.Error)
	err := s.Answer(uint64(cmd.Request), reply)
	if err == nil {
		err = wrong
	}
	if err == nil {
		p.reply(r, c, uint64(cmd.ID), &empty{})
	}
	p.goIfIdle(r, c)
	return err
}

// spoilAnswer takes what cannot be read, if it is to be an answer, as one that makes no sense:
// whoever asked waits for nothing else.
func (p *protocol) spoilAnswer(r *conn.Read, c *client, cmd *command) {
	if c.owes(cmd) {
		_ = c.serving().Answer(uint64(cmd.Request), nil) // one too late is refused all the same
		p.goIfIdle(r, c)
	}
}

// feed pushes what the client is to be told as a worker, as far as its socket takes it.
func (p *protocol) feed(r *conn.Read, c *client) {
	s := c.serving()
	if s == nil {
		return
	}
	for p.loop.IsOpen(c.ID) && !p.loop.Blocked(c.ID) {
		word, ok := s.Next()
		switch {
		case !ok:
			p.goIfIdle(r, c)
			return
		case word.Cancel != "":
			p.push(r, c, &cancelPush{"cancel", word.Number, string(word.Cancel)})
		default:
			p.push(r, c, &requestPush{
				Push: "request", Request: word.Number, Method: word.Method, Timeout: max(0, word.Left.Milliseconds()),
				Room: word.Room, User: word.User, Conn: word.Conn, Again: word.Again, Data: word.Data,
			})
		}
	}
}

// dismiss tells a worker that it will be given nothing any more, as the node stops. It goes
// once it has answered what it has.
func (p *protocol) dismiss(c *client) {
	s := c.serving()
	s.dismissed = true
	p.loop.Stays(c.ID)
	p.push(nil, c, bye(conn.CodeGoingAway, stopping, conn.Spread()))
	p.goIfIdle(nil, c)
}

const stopping = "server is stopping"

func (p *protocol) goIfIdle(r *conn.Read, c *client) {
	if s := c.serving(); s.dismissed && s.Idle() {
		p.loop.Finish(r, c.ID, conn.CodeGoingAway, stopping, conn.Drain)
	}
}
