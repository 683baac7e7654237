// Whose an upgrade is: a token's, a backend's, or nobody's.

package handshake

import (
	"net/http"

	"barrage/edge/auth"
	"barrage/edge/conn"
	"barrage/frame"
)

// identify finds out whose upgrade this is, perhaps later, and goes on with enter.
func (d *Door) identify(id conn.ID, req *frame.Request, u *upgrade, token string) error {
	tokens, connect := d.cfg.Node.Tokens, d.cfg.Node.Hooks.Connect()
	switch {
	case tokens != nil && token != "":
		return d.check(id, u, token)
	case connect != nil && !connect.ByMessage:
		return d.ask(id, req, u, token)
	case connect == nil && tokens == nil || d.cfg.GuestsToo && (connect == nil || u.protocol.AuthByMessage || !u.protocol.LoginByMessage):
		u.Identity, u.Rights, u.Guest = d.cfg.Guest, d.guest, true
		return d.enter(id, u)
	case connect != nil && u.protocol.LoginByMessage || connect == nil && u.protocol.AuthByMessage:
		return d.enter(id, u)
	}
	reason := "a token is needed"
	if connect != nil { // connect_by: message
		reason = "a token or a key is needed: only WebSockets can log in, by their first message"
	}
	return &frame.HTTPError{Status: http.StatusUnauthorized, Reason: reason, Header: "WWW-Authenticate: Bearer\r\n"}
}

// check has a token checked.
func (d *Door) check(id conn.ID, u *upgrade, token string) error {
	kept := d.hold(id, u, d.cfg.Timeout)
	if !d.cfg.Node.Tokens.Check(d.loop.PayerOf(id), token, func(ident *auth.Identity, err error) {
		d.goOn(id, kept, func() { d.onIdentity(id, kept, ident, err) })
	}) {
		d.release(id)
		return d.unavailable("too many tokens are being checked")
	}
	d.loop.Holds(id, len(kept.rest)+len(kept.body))
	return nil
}

// goOn has f run on the loop if the upgrade still waits by then. Any goroutine.
func (d *Door) goOn(id conn.ID, kept *upgrade, f func()) {
	d.loop.Do(func() {
		if d.held[id] == kept {
			d.loop.Guard(id, f)
		}
	})
}

func (d *Door) onIdentity(id conn.ID, u *upgrade, ident *auth.Identity, err error) {
	d.release(id)
	if err == nil {
		err = d.checkKey(ident.Key, u.origin)
	}
	if err == nil {
		u.Identity, u.Rights = ident, ident.Rights()
		err = d.enter(id, u)
	}
	if err != nil {
		d.turnAway(id, u, err)
	}
}
