// Refusals, as HTTP has them, and those that a web page can read.

package handshake

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"barrage/edge/auth"
	"barrage/edge/conn"
	"barrage/edge/hooks"
	"barrage/frame"
	"barrage/internal/refusal"
)

func (d *Door) refuse(id conn.ID, m manner, reason conn.Reason, err error) {
	d.refuseWithin(id, m, reason, err, d.cfg.CloseTimeout)
}

// refuseWithin is refuse with how long the peer has to take the answer.
func (d *Door) refuseWithin(id conn.ID, m manner, reason conn.Reason, err error, limit time.Duration) {
	he := d.answerTo(err)
	d.traced(id, m, nil, he.Status, refusalCode(err), he.Reason)
	if d.loop.Plain(id) {
		d.sayBye(id, reason, err, he)
		return
	}
	d.out = m.appendError(d.out[:0], he, refusalCode(err))
	d.respond(id, he.Status, reason, limit)
}

// turnAway refuses an upgrade. A browser tells a page nothing of a refusal by HTTP but
// close code 1006, which is also that of a network gone: it would come back for ever. So
// a page that would never get in is let in for a word, if that is nothing that will pass
// by itself. Pages whose back-off ends with every opening are told the old way then.
func (d *Door) turnAway(id conn.ID, u *upgrade, err error) {
	no := refusal.Of(err)
	code := codeOf(err, no)
	u.manner.from(u.Identity)
	if code == 0 || u.origin == "" || u.protocol.Farewell == nil || !d.told.Take(d.loop.Network(id), d.cfg.Node.Loops.Now()) {
		d.refuse(id, u.manner, conn.Refused, err)
		return
	}
	d.statuses[no.HTTPStatus()].Add(1)
	d.traced(id, u.manner, u.Rooms, no.HTTPStatus(), no.Code(), no.Error())
	d.loop.TurnAway(id, u.kind, u.response, u.protocol.Farewell(code, no), code, no.Error(), conn.Refused)
}

// traced tells whoever traces connections of this address, or of the user, how a request was
// answered. Its path and query are never told: there may be a token in them.
func (d *Door) traced(id conn.ID, m manner, rooms []string, status int, code, text string) {
	if t := d.loop.Tracer(); t != nil {
		t.Answered(id, &conn.Answer{Protocol: m.protocol, User: m.user, Key: m.key, Rooms: rooms, Status: status, Code: code, Text: text})
	}
}

// codeOf is the close code that a refusal is told by, 0 if it is not one of a token, a
// backend, a ban or a room.
func codeOf(err error, no *refusal.Error) uint16 {
	if no == nil {
		return 0
	}
	if denied, ok := errors.AsType[*hooks.Denied](err); ok {
		if denied.Kind == hooks.KindConnect {
			return conn.CodeTokenRefused
		}
		return conn.CodeRoomRefused
	}
	switch no.Code() {
	case auth.CodeExpired, auth.CodeNotYetValid:
		return conn.CodeTokenExpired
	case auth.CodeInvalid, auth.CodeTooLong, auth.CodeAmbiguous:
		return conn.CodeTokenRefused
	case "banned", auth.CodeRevoked:
		return conn.CodeKicked
	case "bad_room", "too_many_rooms", "forbidden":
		return conn.CodeRoomRefused
	}
	return 0
}

// answerTo is what an error is told as.
func (d *Door) answerTo(err error) *frame.HTTPError {
	if he, ok := errors.AsType[*frame.HTTPError](err); ok {
		return he
	}
	no := refusal.Of(err)
	if no == nil {
		d.cfg.Logger.Error("request failed", "err", err)
		return &frame.HTTPError{Status: http.StatusInternalServerError, Reason: "internal error"}
	}
	he := &frame.HTTPError{Status: no.HTTPStatus(), Reason: no.Error(), Header: "Barrage-Error: " + no.Code() + "\r\n"}
	switch after := no.RetrySeconds(); {
	case he.Status == http.StatusUnauthorized:
		he.Header += "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n"
	case after > 0:
		he.Header += "Retry-After: " + strconv.Itoa(after) + "\r\n"
	}
	return he
}

// unavailable is the refusal of a full or stopping server, which may be refusing
// everybody: they are to come back over ten seconds.
func (d *Door) unavailable(reason string) error {
	return &frame.HTTPError{
		Status: http.StatusServiceUnavailable, Reason: reason,
		Header: "Retry-After: " + strconv.Itoa(1+rand.IntN(10)) + "\r\n",
	}
}
