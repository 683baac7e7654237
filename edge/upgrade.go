// The upgrade: from the checks of a handshake to an open connection.

package edge

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"barrage/edge/auth"
	"barrage/edge/events"
	"barrage/fanout"
	"barrage/frame"
	"barrage/internal/broker"
	"barrage/internal/refusal"
	"barrage/netpoll"
)

// waiter is an upgrade on its way, which may have to wait for its token to be
// checked, and for the broker.
type waiter struct {
	rooms     []string
	response  []byte         // the 101
	rest      []byte         // what came behind the request
	ident     *auth.Identity // nil: it must authenticate itself yet
	rights    auth.Rights    // of ident
	echo      bool
	json      bool // barrage.v1
	deflate   bool
	batch     bool // takes several pushes in one frame
	verifying bool // its token is being checked
}

// encoding is the one in which the connection gets messages. Batches are for those
// whom they save bytes.
func (w *waiter) encoding() fanout.Encoding {
	var e fanout.Encoding
	if w.json {
		e |= encodeJSON
	}
	if w.deflate {
		e |= encodeDeflate
	}
	if w.batch && w.json && w.deflate {
		e |= encodeBatch
	}
	return e
}

// upgrade checks a WebSocket handshake and admits the connection.
func (s *shard) upgrade(id netpoll.ID, req *frame.Request, rest []byte) error {
	if err := req.CheckUpgrade(); err != nil {
		return err
	}
	cfg := &s.srv.cfg
	if err := frame.CheckOrigin(req.Origin, req.Host, cfg.AllowedOrigins, cfg.RequireOrigin); err != nil {
		return err
	}
	w := &waiter{echo: req.Path == "/echo", rest: rest}
	token := ""
	if !w.echo {
		w.json = req.Offers(Subprotocol)
		var err error
		if w.rooms, err = s.wantedRooms(req, w.json); err != nil {
			return err
		}
		if token, err = tokenOf(req); err != nil {
			return err
		}
		if w.batch, err = takesBatches(req); err != nil {
			return err
		}
		w.batch = w.batch && cfg.CompressWait > 0
	}
	if cfg.Compression {
		var err error
		if w.deflate, err = req.OffersDeflate(); err != nil {
			return err
		}
	}
	if s.srv.draining.Load() {
		return s.unavailable("the server is stopping")
	}
	if err := s.takePlace(id); err != nil {
		return err
	}
	subprotocol := ""
	if w.json {
		subprotocol = Subprotocol
	}
	s.out = frame.AppendUpgrade(s.out[:0], req, subprotocol, w.deflate)
	w.response = s.out
	if w.echo {
		s.open(id, w)
		return nil
	}
	return s.identify(id, w, token)
}

func (s *shard) wantedRooms(req *frame.Request, json bool) ([]string, error) {
	rooms, err := req.Query("room")
	if err != nil {
		return nil, err
	}
	if len(rooms) == 0 && json {
		return nil, nil // it joins by commands
	}
	if len(rooms) == 0 {
		if s.srv.cfg.DefaultRoom == "" {
			return nil, refusal.New(http.StatusBadRequest, "no_room", "parameter room is missing")
		}
		return []string{s.srv.cfg.DefaultRoom}, nil
	}
	if len(rooms) > s.srv.cfg.MaxRooms {
		return nil, refusal.New(http.StatusBadRequest, "too_many_rooms",
			"parameter room is given "+strconv.Itoa(len(rooms))+" times, at most "+strconv.Itoa(s.srv.cfg.MaxRooms)+" are allowed")
	}
	once := rooms[:0] // a room named twice counts once
	for _, r := range rooms {
		if err := broker.CheckRoom(r); err != nil {
			return nil, err
		}
		if !slices.Contains(once, r) {
			once = append(once, r)
		}
	}
	return once, nil
}

// takePlace counts the connection against the limits.
func (s *shard) takePlace(id netpoll.ID) error {
	srv := s.srv
	if srv.conns.Add(1) > int64(srv.cfg.MaxConnections) {
		srv.conns.Add(-1)
		return s.unavailable("the server is full")
	}
	if srv.perIP.max > 0 {
		a := network(s.loop.Peer(id).Addr())
		if !srv.perIP.take(a) {
			srv.conns.Add(-1)
			return &frame.HTTPError{Status: http.StatusTooManyRequests, Reason: "too many connections from this address", Header: "Retry-After: 10\r\n"}
		}
		s.addrs[id] = a
	}
	s.sessions.at(id).flags |= flagCounted
	return nil
}

// seat checks the rights of an upgrade and lets it in, or has it wait for the
// broker: a raw viewer who has been told "you are in" misses nothing. Clients of
// barrage.v1 are told of each room by itself.
func (s *shard) seat(id netpoll.ID, w *waiter) error {
	if err := s.mayEnter(w); err != nil {
		return err
	}
	if w.json || s.wantAll(w.rooms) {
		s.open(id, w)
		return nil
	}
	if err := s.hold(id, w, brokerWait); err != nil {
		return err
	}
	for _, r := range w.rooms {
		s.waits[r] = append(s.waits[r], id)
	}
	// The broker may have got ready before the waiter was written down.
	if s.wantAll(w.rooms) {
		s.admit(id)
	}
	return nil
}

// mayEnter checks the rights of an upgrade, if it has said already who it is.
func (s *shard) mayEnter(w *waiter) error {
	if w.ident == nil {
		return nil
	}
	for _, room := range w.rooms {
		if !w.rights.MayJoin(w.ident.User, room) {
			return refusal.New(http.StatusForbidden, "forbidden", "this connection may not join room "+room)
		}
		if err := s.srv.checkBan(w.ident.User, room); err != nil {
			return err
		}
	}
	return s.srv.checkBan(w.ident.User, "")
}

// open sends the 101, joins the rooms and reads on.
func (s *shard) open(id netpoll.ID, w *waiter) {
	ses := s.sessions.at(id)
	ses.state = stateOpen
	if w.echo {
		ses.flags |= flagEcho
	}
	if w.deflate {
		ses.flags |= flagDeflate
	}
	var c *client
	if w.json || w.ident != nil && w.ident != &s.srv.anonymous {
		c = s.newClient(id, w)
	}
	if !w.json {
		s.joinRaw(id, c, w)
	}
	s.queue(id, w.response)
	s.srv.countHandshake(http.StatusSwitchingProtocols)
	s.loop.SetDeadline(id, s.firstPing())
	if w.json {
		s.welcome(c, w)
	}
	if c != nil && c.known() {
		s.emit(&events.Event{Type: events.Connect}, c)
	}
	if len(w.rest) > 0 && ses.state == stateOpen {
		s.readFrames(id, w.rest)
	}
}

// joinRaw joins before the 101 is out, so that who has read it misses nothing;
// what the rooms say is sent by a later Work. The room named first is joined
// last: it is the one published to.
func (s *shard) joinRaw(id netpoll.ID, c *client, w *waiter) {
	for i := len(w.rooms) - 1; i >= 0; i-- {
		s.fan.Join(uint32(id), w.rooms[i], w.encoding(), false)
		s.arrive(c, w.rooms[i])
	}
}

// welcome is the first word to a client of barrage.v1. The rooms that it named in
// its URL follow, each with a push.
func (s *shard) welcome(c *client, w *waiter) {
	hello := &welcomeJSON{Push: "welcome", Conn: s.srv.connName(c.serial), Rooms: w.rooms, Time: time.Now().UnixMilli()}
	if w.ident == nil {
		hello.Auth = "required"
		hello.Rooms = nil
		s.push(c, hello)
		return
	}
	hello.User, hello.Name = w.ident.User, w.ident.Name
	if !w.ident.Expires.IsZero() {
		hello.Expires = w.ident.Expires.UnixMilli()
	}
	s.push(c, hello)
	for _, room := range w.rooms {
		s.join(&joining{c: c, room: room})
	}
	s.openInbox(c)
}
