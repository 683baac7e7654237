// Refusals, as HTTP has them.

package handshake

import (
	"net/http"
	"strconv"
	"time"

	"errors"

	"barrage/edge/conn"
	"barrage/frame"
	"barrage/internal/refusal"
)

func (d *Door) refuse(id conn.ID, reason conn.Reason, err error) {
	var he *frame.HTTPError
	if !errors.As(err, &he) {
		he = d.answerTo(err)
	}
	d.out = frame.AppendError(d.out[:0], he)
	d.respond(id, he.Status, reason, d.cfg.CloseTimeout)
}

func (d *Door) answerTo(err error) *frame.HTTPError {
	no := refusal.Of(err)
	if no == nil {
		d.cfg.Logger.Error("request failed", "err", err)
		return &frame.HTTPError{Status: http.StatusInternalServerError, Reason: "internal error"}
	}
	he := &frame.HTTPError{Status: no.HTTPStatus(), Reason: no.Error()}
	switch wait := no.RetryAfter(); {
	case he.Status == http.StatusUnauthorized:
		he.Header = "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n"
	case wait > 0:
		he.Header = "Retry-After: " + strconv.Itoa(int((wait+time.Second-1)/time.Second)) + "\r\n"
	}
	return he
}

// unavailable is the refusal of a full or stopping server. The wait is spread so
// that those refused together do not come back together.
func (d *Door) unavailable(reason string) error {
	after := 1 + int(d.cfg.Node.Loops.Open()+time.Now().UnixNano()/1000)%10
	return &frame.HTTPError{
		Status: http.StatusServiceUnavailable, Reason: reason,
		Header: "Retry-After: " + strconv.Itoa(after) + "\r\n",
	}
}
