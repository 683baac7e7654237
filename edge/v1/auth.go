// The command auth: the first token, or a newer one.

package v1

import (
	"cmp"
	"slices"

	"barrage/edge/auth"
	"barrage/edge/conn"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

type authReply struct {
	User    string `json:"user,omitempty"`
	Device  string `json:"device,omitempty"`
	Name    string `json:"name,omitempty"`
	Expires int64  `json:"expires,omitempty"` // milliseconds since the Unix epoch
	Message string `json:"message,omitempty"` // for people, of the backend that was asked
}

func cmdAuth(p *protocol, _ *conn.Read, c *client, cmd *command) error {
	if c.pending != nil && c.pending.proving {
		return overloaded("another token of this connection is being checked")
	}
	w, err := cmd.wishes()
	if err != nil {
		return err
	}
	if cmd.Login != "" {
		return p.login(c, cmd, w)
	}
	switch connect := p.node.Hooks.Connect(); {
	case p.node.Tokens != nil:
	case cmd.Token == "" && connect != nil && connect.ByMessage:
		return badCommand("auth needs login")
	default:
		return badCommand("this server knows no tokens")
	}
	if cmd.Token == "" {
		return badCommand("auth needs token")
	}
	id := uint64(cmd.ID)
	if !p.node.Tokens.Check(p.loop.Payer(&c.Client), cmd.Token, func(ident *auth.Identity, err error) {
		p.loop.Post(&c.Client, func() { p.onIdentity(c, id, ident, w, err) })
	}) {
		return overloaded("too many tokens are being checked")
	}
	c.begin().proving = true
	return nil
}

func (p *protocol) onIdentity(c *client, id uint64, ident *auth.Identity, w wishes, err error) {
	c.pending.proving = false
	c.ended()
	if err == nil && ident.Key != nil && len(ident.Key.Origins) > 0 {
		err = refusal.New(403, auth.CodeInvalid, "this key is for certain pages, and has to come with the request")
	}
	if err == nil {
		err = p.identify(c, id, ident, w, "")
	}
	if err != nil {
		p.replyError(nil, c, id, err)
	}
}

// wishes are what a client says of itself beside its token.
type wishes struct {
	device string
	own    *bool
}

func (cmd *command) wishes() (w wishes, err error) {
	if w.own = cmd.Own; cmd.Device != "" {
		w.device, err = broker.DeviceName(cmd.Device)
	}
	return w, err
}

// identify gives the client an identity, or a newer one, and replies with it.
func (p *protocol) identify(c *client, id uint64, ident *auth.Identity, w wishes, message string) error {
	if c.User() != "" && ident.User != c.User() {
		return refusal.New(403, "forbidden", "the token is another user's")
	}
	if err := cmp.Or(p.node.Moderation.Banned(ident.User, ""), p.node.Moderation.Revoked(ident.Rights())); err != nil {
		return err
	}
	first := !c.Known() || c.User() == "" && ident.User != ""
	wasHidden := c.Hidden()
	p.loop.SetDevice(&c.Client, w.device) // the identity's goes before it
	if w.own != nil {
		p.loop.SetOwn(&c.Client, *w.own)
	}
	p.loop.Identify(&c.Client, ident, ident.Rights(), func(room string) bool { return c.joining(room) == nil })
	a := authReply{User: ident.User, Device: p.loop.Device(&c.Client), Name: ident.Name, Message: message}
	if !ident.Expires.IsZero() {
		a.Expires = ident.Expires.UnixMilli()
	}
	if first {
		p.openMailbox(c) // as in Open
	}
	p.serveForbidden(c) // once it is answered nobody is given to it what it may not serve
	p.reply(nil, c, id, &a)
	p.leaveForbidden(c)
	if first { // a client that was let in as anonymous is told of again, with the name
		p.loop.Connected(&c.Client)
	} else if c.User() != "" && wasHidden != c.Hidden() {
		p.mail.Shown(&c.Client)
	}
	return nil
}

// leaveForbidden takes a client out of rooms that its newer token does not allow.
func (p *protocol) leaveForbidden(c *client) {
	var gone []string
	for room := range p.loop.Rooms(c.ID) {
		if !c.MayJoin(room) {
			gone = append(gone, room)
		}
	}
	for _, j := range c.joins() {
		if !c.MayJoin(j.room) && !slices.Contains(gone, j.room) {
			gone = append(gone, j.room) // it still waits for the broker
		}
	}
	for _, room := range gone {
		if p.leave(nil, c, room) == nil {
			p.push(nil, c, &leftPush{Push: "left", Room: room, Reason: "forbidden"})
		}
	}
}
