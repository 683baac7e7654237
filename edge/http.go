// Plain HTTP: requests, pages, refusals.

package edge

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"barrage/frame"
	"barrage/internal/broker"
	"barrage/internal/refusal"
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
		return refusal.New(http.StatusBadRequest, "bad_room", "count wants exactly one room")
	}
	if err := broker.CheckRoom(rooms[0]); err != nil {
		return err
	}
	if !s.srv.anybody.MayJoin("", rooms[0]) {
		return refusal.New(http.StatusForbidden, "forbidden", "rooms of single users have no public count")
	}
	if s.srv.cfg.Auth != nil && !s.srv.cfg.Anonymous {
		return refusal.New(http.StatusForbidden, "forbidden", "only those with a token are told: by the command ping of barrage.v1")
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
	var re *refusal.Error
	switch {
	case errors.As(err, &he):
	case errors.As(err, &re):
		he = &frame.HTTPError{Status: re.HTTPStatus(), Reason: re.Error()}
		if he.Status == http.StatusUnauthorized {
			he.Header = "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n"
		} else if retry := re.RetryAfter(); retry > 0 {
			he.Header = "Retry-After: " + strconv.Itoa(int((retry+time.Second-1)/time.Second)) + "\r\n"
		}
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

// trimOut gives the scratch buffer back after a large response.
func (s *shard) trimOut() {
	if cap(s.out) > 64<<10 {
		s.out = nil
	}
}
