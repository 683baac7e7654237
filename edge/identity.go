// Who a connection is: tokens at the upgrade, in the first command, and renewed
// later.

package edge

import (
	"container/heap"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"barrage/edge/auth"
	"barrage/edge/events"
	"barrage/edge/presence"
	"barrage/frame"
	"barrage/internal/broker"
	"barrage/internal/refusal"
	"barrage/netpoll"
)

// tokenOf is the token that came with the request, "" if there is none.
func tokenOf(req *frame.Request) (string, error) {
	tokens, err := req.Query("token")
	if err != nil {
		return "", err
	}
	if len(tokens) > 0 {
		return tokens[0], nil
	}
	scheme, token, _ := strings.Cut(req.Header("Authorization"), " ")
	if strings.EqualFold(scheme, "bearer") {
		return strings.TrimSpace(token), nil
	}
	return "", nil
}

// identify finds out whose upgrade this is, perhaps later, and goes on with seat.
func (s *shard) identify(id netpoll.ID, w *waiter, token string) error {
	cfg := &s.srv.cfg
	switch {
	case cfg.Auth == nil || token == "" && cfg.Anonymous:
		w.ident, w.rights = &s.srv.anonymous, s.srv.anybody
		return s.seat(id, w)
	case token == "" && w.json:
		return s.seat(id, w) // its first command must be auth
	case token == "":
		return &frame.HTTPError{Status: http.StatusUnauthorized, Reason: "a token is needed", Header: "WWW-Authenticate: Bearer\r\n"}
	}
	w.verifying = true
	if err := s.hold(id, w, cfg.HandshakeTimeout); err != nil {
		return err
	}
	if !s.srv.verify(token, func(ident *auth.Identity, err error) {
		s.loop.Post(func() {
			if s.waiting[id] == w {
				s.guard(id, func() { s.identified(id, w, ident, err) })
			}
		})
	}) {
		s.forgetWaiter(id)
		s.loop.Resume(id)
		return s.unavailable("too many tokens are being checked")
	}
	return nil
}

// maxStrangers bounds the tokens that wait for the issuer's newest keys: they must
// not keep those out whose keys are at hand.
const maxStrangers = 64

// verify checks a token and calls answer, on another goroutine. It returns false if
// too many are being checked.
func (s *Server) verify(token string, answer func(*auth.Identity, error)) bool {
	return s.checks.try(func(context.Context) {
		ident, done, err := s.cfg.Auth.TryVerify(token)
		if done {
			s.verified(&ident, err, answer)
			return
		}
		select {
		case s.strangers <- struct{}{}:
		default:
			s.verified(nil, refusal.Retry(http.StatusServiceUnavailable, "keys_unavailable", "the issuer's keys are being read", time.Second), answer)
			return
		}
		go func() { // ends with fetchTimeout at the latest
			defer func() { <-s.strangers }()
			ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
			defer cancel()
			ident, err := s.cfg.Auth.Verify(ctx, token)
			s.verified(&ident, err, answer)
		}()
	})
}

func (s *Server) verified(ident *auth.Identity, err error, answer func(*auth.Identity, error)) {
	if err != nil {
		s.tokens[tokenRefused].Add(1)
		answer(nil, err)
		return
	}
	s.tokens[tokenAccepted].Add(1)
	answer(ident, nil)
}

func (s *shard) identified(id netpoll.ID, w *waiter, ident *auth.Identity, err error) {
	s.forgetWaiter(id)
	s.loop.Resume(id)
	s.sessions.at(id).state = stateHandshake
	w.verifying = false
	if err == nil {
		w.ident, w.rights = ident, ident.Rights()
		err = s.seat(id, w)
	}
	if err != nil {
		s.refuse(id, closeRefused, err)
	}
}

// newClient makes the record of a connection that has one.
func (s *shard) newClient(id netpoll.ID, w *waiter) *client {
	c := &client{id: id, place: -1, serial: s.srv.serial.Add(1), since: s.srv.seconds(), shard: s.idx, json: w.json, enc: w.encoding()}
	s.clients.set(id, c)
	s.srv.clients.Add(1)
	s.sessions.at(id).flags |= flagClient
	if w.ident != nil {
		s.setIdentity(c, w.ident, w.rights)
	} else {
		s.expires(c, s.srv.cfg.AuthTimeout)
	}
	return c
}

// setIdentity gives the client an identity, or a newer one of the same user.
func (s *shard) setIdentity(c *client, ident *auth.Identity, rights auth.Rights) {
	c.rights = rights
	if ident.Expires.IsZero() {
		s.neverExpires(c)
	} else {
		s.expires(c, time.Until(ident.Expires))
	}
	if ident.User == "" {
		return
	}
	who := &presence.User{ID: ident.User, Name: ident.Name, Avatar: ident.Avatar}
	if c.who != nil && *c.who == *who {
		return
	}
	old := c.user()
	if old != "" && c.json {
		s.srv.inboxes.rename(c, who)
	} else {
		c.who = who
	}
	for room := range s.fan.Rooms(uint32(c.id)) {
		if isPublicName(room) && c.joinOf(room) == nil { // else it has not arrived yet
			s.srv.presence.Join(room, who)
			s.srv.presence.Leave(room, old)
		}
	}
}

type authReply struct {
	User    string `json:"user,omitempty"`
	Name    string `json:"name,omitempty"`
	Expires int64  `json:"expires,omitempty"` // milliseconds since the Unix epoch
}

// cmdAuth takes the first token, or a newer one.
func (s *shard) cmdAuth(c *client, cmd *command) error {
	if s.srv.cfg.Auth == nil {
		return refusal.New(400, "bad_command", "this server knows no tokens")
	}
	if cmd.Token == "" {
		return refusal.New(400, "bad_command", "auth needs token")
	}
	if c.proving {
		return refusal.TooMany("overloaded", "another token of this connection is being checked", time.Second)
	}
	id, token := cmd.ID, cmd.Token
	if !s.srv.verify(token, func(ident *auth.Identity, err error) {
		s.post(c, func() { s.authenticated(c, id, ident, err) })
	}) {
		return refusal.TooMany("overloaded", "too many tokens are being checked", time.Second)
	}
	c.proving = true
	return nil
}

func (s *shard) authenticated(c *client, id uint64, ident *auth.Identity, err error) {
	c.proving = false
	if err == nil && c.user() != "" && ident.User != c.user() {
		err = refusal.New(403, "forbidden", "the token is another user's")
	}
	if err == nil {
		err = s.srv.checkBan(ident.User, "")
	}
	if err != nil {
		s.replyError(c, id, err)
		return
	}
	first := c.user() == ""
	s.setIdentity(c, ident, ident.Rights())
	r := authReply{User: ident.User, Name: ident.Name}
	if !ident.Expires.IsZero() {
		r.Expires = ident.Expires.UnixMilli()
	}
	s.reply(c, id, &r)
	s.leaveForbidden(c)
	if first { // who was let in as anonymous is told of again, with the name
		s.emit(&events.Event{Type: events.Connect}, c)
		s.openInbox(c)
	}
}

// leaveForbidden takes a client out of rooms that its newer token does not allow.
func (s *shard) leaveForbidden(c *client) {
	var gone []string
	for room := range s.fan.Rooms(uint32(c.id)) {
		if isPublicName(room) && !c.mayJoin(room) {
			gone = append(gone, room)
		}
	}
	for _, j := range c.joining() {
		if !c.mayJoin(j.room) && !slices.Contains(gone, j.room) {
			gone = append(gone, j.room) // it still waits for the broker
		}
	}
	for _, room := range gone {
		if s.leave(c, room) == nil {
			s.push(c, &leftJSON{Push: "left", Room: room, Reason: "forbidden"})
		}
	}
}

// expire ends those whose time is over: without a token in time, or with one that
// is not good any more.
func (s *shard) expire() {
	now := s.srv.now()
	for len(s.expiries) > 0 && s.expiries[0].at <= now {
		c := heap.Pop(&s.expiries).(expiry).c
		switch {
		case !s.alive(c):
		case !c.known():
			s.guard(c.id, func() { s.part(c.id, CloseNoAuth, "no token in time", closeNoAuth, 0) })
		default:
			s.guard(c.id, func() {
				s.part(c.id, CloseTokenExpired, "the token has expired", closeTokenExpired, 0)
			})
		}
	}
}

// checkPublish tells whether a user ("" is anonymous) may publish to a room.
func (s *Server) checkPublish(user string, rights auth.Rights, room string) error {
	if s.cfg.PublishRate == 0 || !rights.MayPublish(room) {
		return refusal.New(http.StatusForbidden, "forbidden", "this connection may not publish to room "+room)
	}
	if s.settings.of(room).Muted {
		return refusal.New(http.StatusForbidden, "muted", "room "+room+" is muted")
	}
	if strings.HasPrefix(room, broker.UserPrefix) && user == "" {
		return refusal.New(http.StatusForbidden, "forbidden", "only users may write to users")
	}
	return s.checkBan(user, room)
}
