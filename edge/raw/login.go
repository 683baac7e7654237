// Raw connections that say by their first message who they are: a backend is asked about it,
// and the answer is a text, until one is right. A connection that has not said so is parked
// like any other.

package raw

import (
	"errors"
	"slices"

	"barrage/edge/auth"
	"barrage/edge/conn"
	"barrage/edge/hooks"
	"barrage/edge/publish"
	"barrage/edge/wait"
	"barrage/internal/refusal"
)

// login is a connection on its way in. Owner: the loop's goroutine.
type login struct {
	c       *conn.Client
	rooms   []string // named in the request, then those of the backend too
	tries   int      // messages that the backend refused
	busy    bool     // it waits, for an answer or its rooms
	noEcho  bool     // of what it sends
	welcome string
	wait    *wait.Wait // for the broker; nil: not
}

// beginLogin lets a connection in that is in no room.
func (p *protocol) beginLogin(o *conn.Opening) {
	c := new(conn.Client)
	p.loop.NewClient(c, o, p.node.AuthTimeout)
	*p.clients.Make(o.ID) = c
	p.logins.Put(o.ID, &login{c: c, rooms: o.Rooms, noEcho: o.NoEcho})
	o.Answer()
}

// endLogin is for one that is in, or gone.
func (p *protocol) endLogin(id conn.ID) {
	if l := p.logins.Get(id); l != nil {
		p.node.Waits[p.loop.Index()].Cancel(l.wait)
		p.logins.Delete(id)
	}
}

// login takes a message of a connection that is not in yet. What comes while one is being
// answered is dropped, and too much of it is a flood.
func (p *protocol) login(r *conn.Read, l *login, binary bool, payload []byte) error {
	if l.busy {
		p.node.Publisher.Refused.Add(publish.Forbidden)
		if r.Overrun(1, floodFactor*p.node.PublishBurst) {
			p.loop.Close(r, r.ID, conn.CodePolicy, "messages before the login is answered", conn.Flood, 0)
			return conn.ErrClosed
		}
		return nil
	}
	if binary {
		p.loop.Write(r, r.ID, false, []byte("A login is a text."))
		return p.wrong(r, l)
	}
	l.busy = true
	p.node.Hooks.Connect().AskMessage(p.who(l.c), string(payload), l.rooms, func(said *hooks.Decision, err error) {
		p.loop.Post(l.c, func() { p.onLogin(l, said, err) })
	})
	return nil
}

func (p *protocol) who(c *conn.Client) hooks.Who {
	return hooks.Who{User: c.User(), Address: p.loop.Network(c.ID), Conn: c.Serial}
}

// wrong counts a login that is refused; the last one closes the connection.
func (p *protocol) wrong(r *conn.Read, l *login) error {
	if l.tries++; l.tries < p.node.Hooks.Connect().Tries {
		return nil
	}
	p.loop.Close(r, l.c.ID, conn.CodeTokenRefused, "too many logins were refused", conn.WrongLogins, 0)
	return conn.ErrClosed
}

// onLogin has the backend's answer.
func (p *protocol) onLogin(l *login, said *hooks.Decision, err error) {
	if err != nil {
		l.busy = false
		p.loop.Write(nil, l.c.ID, false, []byte(publish.Refusal(err).Error()))
		if _, denied := errors.AsType[*hooks.Denied](err); denied {
			_ = p.wrong(nil, l)
		}
		return
	}
	ident := said.Identity
	if ident == nil {
		guest := auth.Anonymous(p.node.PublishRate > 0)
		ident = &guest
	}
	p.loop.Identify(l.c, ident, ident.Rights(), func(string) bool { return false })
	p.loop.Connected(l.c)
	l.welcome = said.Welcome
	for _, room := range said.Join {
		if !slices.Contains(l.rooms, room) {
			l.rooms = append(l.rooms, room)
		}
	}
	if err := p.mayEnter(l); err != nil {
		p.keepOut(l, err)
		return
	}
	p.node.Hooks.Join(p.who(l.c), ident.Name, l.rooms, func(err error) {
		p.loop.Post(l.c, func() { p.onAllowed(l, err) })
	})
}

// mayEnter checks the rooms of a login.
func (p *protocol) mayEnter(l *login) error {
	switch {
	case len(l.rooms) == 0:
		return refusal.New(400, "no_room", "no room is named")
	case len(l.rooms) > p.node.MaxRooms:
		return refusal.New(403, "too_many_rooms", "the request and the backend name too many rooms")
	}
	for _, room := range l.rooms {
		if err := p.node.Moderation.MayJoin(l.c.User(), l.c.Rights, room); err != nil {
			return err
		}
	}
	return p.node.Moderation.Banned(l.c.User(), "")
}

// keepOut closes a connection whose login is right, but that may not be where it wants to be.
func (p *protocol) keepOut(l *login, err error) {
	no, code := publish.Refusal(err), uint16(conn.CodeRoomRefused)
	switch {
	case no.Code() == "banned":
		code = conn.CodeKicked
	case no.RetryAfter() > 0:
		code = conn.CodeTryAgain
	}
	p.loop.Close(nil, l.c.ID, code, no.Error(), conn.Refused, 0)
}

// onAllowed lets the connection into its rooms once the broker brings their messages.
func (p *protocol) onAllowed(l *login, err error) {
	if err != nil {
		p.keepOut(l, err)
		return
	}
	l.wait = p.node.Waits[p.loop.Index()].For(l.rooms, p.node.Loops.Now(), func() {
		l.wait = nil
		p.loop.Guard(l.c.ID, func() { p.enter(l) })
	})
}

func (p *protocol) enter(l *login) {
	if err := p.mayEnter(l); err != nil { // sent out while it waited
		p.keepOut(l, err)
		return
	}
	p.endLogin(l.c.ID)
	for i := len(l.rooms) - 1; i >= 0; i-- {
		p.loop.Join(l.c.ID, l.rooms[i], l.c.Encoding, false)
		p.loop.Arrive(l.c, l.rooms[i])
	}
	if l.noEcho {
		p.loop.SetEcho(l.c, l.rooms[0], false) // the room that it publishes to
	}
	if l.welcome != "" {
		p.loop.Write(nil, l.c.ID, false, []byte(l.welcome))
	}
}
