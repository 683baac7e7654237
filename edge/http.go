// Before the upgrade: requests, refusals, pages.

package edge

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"barrage/edge/auth"
	"barrage/edge/events"
	"barrage/fanout"
	"barrage/frame"
	"barrage/netpoll"
)

// readHead collects a request head and answers it.
func (s *shard) readHead(id netpoll.ID, p []byte) {
	head := s.heads[id]
	if head != nil {
		head = append(head, p...)
		p = head
	}
	req, n, err := frame.ParseRequest(p)
	if err == nil && n == 0 {
		if head == nil {
			head = append(make([]byte, 0, min(2*len(p), frame.MaxRequest)), p...)
		}
		s.heads[id] = head
		return
	}
	delete(s.heads, id)
	if err == nil {
		err = s.route(id, &req, p[n:])
	}
	if err != nil {
		s.refuse(id, closeRefused, err)
	}
}

// route answers a request. rest is what came behind its head.
func (s *shard) route(id netpoll.ID, req *frame.Request, rest []byte) error {
	switch req.Path {
	case "/ws":
		return s.upgrade(id, req, rest)
	case "/echo":
		if s.srv.cfg.Echo {
			return s.upgrade(id, req, rest)
		}
	case "/healthz":
		s.respond(id, req, http.StatusOK, "text/plain; charset=utf-8", "", []byte("ok\n"))
		return nil
	case "/count":
		return s.count(id, req)
	}
	if a := s.srv.assets[req.Path]; a != nil {
		s.respond(id, req, http.StatusOK, a.ContentType, s.srv.cfg.AssetHeaders, a.Body)
		return nil
	}
	return &frame.HTTPError{Status: http.StatusNotFound, Reason: "nothing is here"}
}

// count tells how many are in a room, for the viewer page.
func (s *shard) count(id netpoll.ID, req *frame.Request) error {
	rooms, err := req.Query("room")
	if err != nil {
		return err
	}
	if len(rooms) != 1 {
		return refuse(http.StatusBadRequest, "bad_room", "count wants exactly one room")
	}
	if err := CheckRoom(rooms[0]); err != nil {
		return err
	}
	if !s.srv.anonymous.Rights().MayJoin("", rooms[0]) {
		return refuse(http.StatusForbidden, "forbidden", "rooms of single users have no public count")
	}
	if s.srv.cfg.Auth != nil && !s.srv.cfg.Anonymous {
		return refuse(http.StatusForbidden, "forbidden", "only those with a token are told: by the command ping of barrage.v1")
	}
	_, members := s.srv.count(rooms[0])
	body := append([]byte(`{"room":"`), rooms[0]...) // its charset needs no escaping
	body = strconv.AppendInt(append(body, `","members":`...), int64(members), 10)
	s.respond(id, req, http.StatusOK, "application/json", "Cache-Control: no-store\r\n", append(body, "}\n"...))
	return nil
}

func (s *shard) respond(id netpoll.ID, req *frame.Request, status int, contentType, headers string, body []byte) {
	s.out = frame.AppendResponse(s.out[:0], status, contentType, headers, body)
	if req.Method == http.MethodHead {
		s.out = s.out[:len(s.out)-len(body)]
	}
	s.loop.Queue(id, s.out)
	s.trimOut()
	s.srv.countHandshake(status)
	s.sessions.at(id).state = stateClosing
	s.loop.Shutdown(id, closeServed, s.srv.cfg.HandshakeTimeout) // a large page takes its time
}

func (s *shard) refuse(id netpoll.ID, reason netpoll.CloseReason, err error) {
	var he *frame.HTTPError
	var re *Error
	switch {
	case errors.As(err, &he):
	case errors.As(err, &re):
		he = &frame.HTTPError{Status: re.status, Reason: re.message}
		if re.retry > 0 {
			he.Header = "Retry-After: " + strconv.Itoa(int((re.retry+time.Second-1)/time.Second)) + "\r\n"
		}
	case tokenError(err) != nil:
		he = tokenError(err)
	default:
		s.srv.cfg.Logger.Error("request failed", "err", err)
		he = &frame.HTTPError{Status: http.StatusInternalServerError, Reason: "internal error"}
	}
	s.out = frame.AppendError(s.out[:0], he)
	s.loop.Queue(id, s.out)
	s.srv.countHandshake(he.Status)
	s.end(id, reason)
}

// unavailable is the refusal of a full or stopping server. The wait is spread so
// that those refused together do not come back together.
func (s *shard) unavailable(reason string) error {
	after := 1 + int(s.srv.conns.Load()+time.Now().UnixNano()/1000)%10
	return &frame.HTTPError{
		Status: http.StatusServiceUnavailable, Reason: reason,
		Header: "Retry-After: " + strconv.Itoa(after) + "\r\n",
	}
}

// waiter is an upgrade on its way, which may have to wait for its token to be
// checked, and for the broker.
type waiter struct {
	rooms     []string
	response  []byte // the 101
	rest      []byte // what came behind the request
	ident     *auth.Identity
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

const (
	brokerWait = 2 * time.Second // how long an upgrade waits for the broker
	maxEarly   = 4 << 10         // bytes kept of what comes behind a request that waits
)

// wantAll asks the broker for the messages of all rooms, and reports whether
// they are coming already.
func (s *shard) wantAll(rooms []string) (ready bool) {
	ready = true
	for _, r := range rooms {
		ready = s.srv.want(r) && ready
	}
	return ready
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

// seat checks the rights of an upgrade and lets it in, or has it wait for the
// broker: a raw viewer who has been told "you are in" misses nothing. Clients of
// barrage.v1 are told of each room by itself.
func (s *shard) seat(id netpoll.ID, w *waiter) error {
	if w.ident != nil {
		rights := w.ident.Rights()
		for _, room := range w.rooms {
			if !rights.MayJoin(w.ident.User, room) {
				return refuse(http.StatusForbidden, "forbidden", "this connection may not join room "+room)
			}
			if err := s.srv.checkBan(w.ident.User, room); err != nil {
				return err
			}
		}
		if err := s.srv.checkBan(w.ident.User, ""); err != nil {
			return err
		}
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
			return nil, refuse(http.StatusBadRequest, "no_room", "parameter room is missing")
		}
		return []string{s.srv.cfg.DefaultRoom}, nil
	}
	if len(rooms) > s.srv.cfg.MaxRooms {
		return nil, refuse(http.StatusBadRequest, "too_many_rooms",
			"parameter room is given "+strconv.Itoa(len(rooms))+" times, at most "+strconv.Itoa(s.srv.cfg.MaxRooms)+" are allowed")
	}
	once := rooms[:0] // a room named twice counts once
	for _, r := range rooms {
		if err := CheckRoom(r); err != nil {
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

// hold keeps an upgrade for later. Nothing is read from it meanwhile.
func (s *shard) hold(id netpoll.ID, w *waiter, longest time.Duration) error {
	if len(w.rest) > maxEarly {
		return refuse(http.StatusBadRequest, "too_early", "more than "+strconv.Itoa(maxEarly)+" bytes came before the upgrade was answered")
	}
	w.response = slices.Clone(w.response)
	w.rest = slices.Clone(w.rest)
	s.waiting[id] = w
	s.sessions.at(id).state = stateWaiting
	s.loop.Pause(id)
	s.loop.SetDeadline(id, longest)
	s.srv.waiters.Add(1)
	return nil
}

// roomReady admits those who waited for this room last.
func (s *shard) roomReady(room string) {
	for _, id := range slices.Clone(s.waits[room]) {
		if s.wantAll(s.waiting[id].rooms) {
			s.loop.Guard(id, s.admit)
		}
	}
	s.joinsReady(room)
}

// admit lets a waiting connection in, with the broker's messages or without.
func (s *shard) admit(id netpoll.ID) {
	w := s.waiting[id]
	s.forgetWaiter(id)
	s.loop.Resume(id)
	s.open(id, w)
	s.wantAll(w.rooms) // a long wait may have outlasted the broker's interest
}

func (s *shard) forgetWaiter(id netpoll.ID) {
	w := s.waiting[id]
	delete(s.waiting, id)
	s.srv.waiters.Add(-1)
	for _, r := range w.rooms {
		ids := s.waits[r]
		for i := range ids {
			if ids[i] == id {
				ids[i] = ids[len(ids)-1]
				ids = ids[:len(ids)-1]
				break
			}
		}
		if len(ids) == 0 {
			delete(s.waits, r)
		} else {
			s.waits[r] = ids
		}
	}
}

// trimOut gives the scratch buffer back after a large response.
func (s *shard) trimOut() {
	if cap(s.out) > 64<<10 {
		s.out = nil
	}
}
