// The command auth with a login: a backend says whose it is.

package v1

import (
	"errors"

	"barrage/edge/auth"
	"barrage/edge/conn"
	"barrage/edge/hooks"
	"barrage/internal/refusal"
)

// login asks the backend whose a login is.
func (p *protocol) login(c *client, cmd *command, w wishes) error {
	connect := p.node.Hooks.Connect()
	if connect == nil || !connect.ByMessage {
		return badCommand("this server asks nobody about logins")
	}
	if cmd.Token != "" {
		return badCommand("auth takes token or login, not both")
	}
	id := uint64(cmd.ID)
	c.begin().proving = true
	connect.AskMessage(p.who(c), cmd.Login, nil, func(said *hooks.Decision, err error) {
		p.loop.Post(&c.Client, func() { p.onLogin(c, id, said, w, err) })
	})
	return nil
}

// onLogin lets the client in, and into the rooms that the backend names.
func (p *protocol) onLogin(c *client, id uint64, said *hooks.Decision, w wishes, err error) {
	c.pending.proving = false
	if err != nil {
		p.loginRefused(c, id, err)
		return
	}
	c.pending.tries = 0
	c.ended()
	ident := said.Identity
	if ident == nil {
		guest := auth.Anonymous(p.node.PublishRate > 0)
		ident = &guest
	}
	if err := p.identify(c, id, ident, w, said.Welcome); err != nil {
		p.replyError(nil, c, id, err)
		return
	}
	for _, room := range said.Join {
		if p.loop.In(c.ID, room) || c.joining(room) != nil {
			continue
		}
		if err := p.mayEnter(c, room); err != nil {
			p.push(nil, c, &leftPush{Push: "left", Room: room, Error: errorOf(err)})
			continue
		}
		p.join(nil, &joining{c: c, room: room})
	}
}

// mayEnter checks a room that the backend puts the client into.
func (p *protocol) mayEnter(c *client, room string) error {
	if err := p.mayJoin(c, room); err != nil {
		return err
	}
	if c.counts(room) && p.roomsOf(c) >= p.node.MaxRooms {
		return refusal.New(403, "too_many_rooms", "the backend names too many rooms")
	}
	return nil
}

// loginRefused counts what the backend refused: a client that only guesses is closed.
func (p *protocol) loginRefused(c *client, id uint64, err error) {
	_, denied := errors.AsType[*hooks.Denied](err)
	if denied {
		c.pending.tries++
	}
	tries := c.pending.tries
	c.ended()
	p.replyError(nil, c, id, err)
	if denied && tries >= p.node.Hooks.Connect().Tries {
		p.loop.Close(nil, c.ID, conn.CodeTokenRefused, "too many logins were refused", conn.WrongLogins, 0)
	}
}
