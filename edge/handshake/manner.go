// How a request is answered: to WebSocket clients and people in plain text, to programs and
// to pages of other origins as they can read it.

package handshake

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"

	"barrage/edge/auth"
	"barrage/edge/conn"
	"barrage/frame"
	"barrage/internal/refusal"
)

// manner is how a request is answered.
type manner struct {
	json    bool   // errors are those of the HTTP API
	headers string // lines of every answer, CRLF after each

	protocol string // the name of the one that was asked for, "" for none
	user     string // as far as it is known
	key      string // the name of the one that was brought
}

// from notes whose the request is.
func (m *manner) from(who *auth.Identity) {
	if who == nil {
		return
	}
	if m.user = who.User; who.Key != nil {
		m.key = who.Key.Name
	}
}

// speaksHTTP tells whether requests of the protocol are answered by HTTP, to pages too.
func (p *Spoken) speaksHTTP() bool { return p.Transport != nil || p.Serve != nil }

// method is the one that it takes, beside OPTIONS.
func (p *Spoken) method() string {
	if p.Serve != nil {
		return cmp.Or(p.Method, http.MethodPost)
	}
	return http.MethodGet
}

const varyOrigin = "Vary: Origin\r\n"

// cors lets a page read the answer, whose origin has been checked. One of the server's own
// host needs none of it, and others without an origin are no pages.
func (d *Desk) cors(req *frame.Request) string {
	if req.Origin == "" {
		return varyOrigin
	}
	headers := varyOrigin + "Access-Control-Allow-Origin: " + req.Origin + "\r\nAccess-Control-Expose-Headers: Retry-After\r\n"
	if d.takesCookies() {
		headers += "Access-Control-Allow-Credentials: true\r\n"
	}
	return headers
}

// takesCookies tells whether pages of other origins may send cookies along: something is
// read in them, and each such page is one that the operator has named.
func (d *Desk) takesCookies() bool {
	connect := d.cfg.Node.Hooks.Connect()
	return (d.cfg.TokenCookie != "" || connect != nil && len(connect.Cookies) > 0) && !d.cfg.AllowedOrigins.OfAnybody()
}

// preflight tells a page what it may send. What it asks for is not looked at: the answer
// says all there is.
func (d *Door) preflight(id conn.ID, req *frame.Request, p *Spoken) error {
	host, err := d.source(id, req)
	if err != nil {
		return err
	}
	if err := d.checkOrigin(id, req, host); err != nil {
		return err
	}
	headers := d.cors(req) + "Allow: " + p.method() + ", OPTIONS\r\n"
	if req.Origin != "" {
		headers += "Access-Control-Allow-Methods: " + p.method() + "\r\n" +
			"Access-Control-Allow-Headers: Authorization, Content-Type, Idempotency-Key, Last-Event-ID\r\n" +
			"Access-Control-Max-Age: 600\r\n"
	}
	d.out = frame.AppendResponse(d.out[:0], http.StatusNoContent, "", headers, nil)
	d.respond(id, http.StatusNoContent, conn.Served, d.cfg.CloseTimeout)
	return nil
}

// appendError appends the answer that refuses a request. code is the refusal's, "" for one
// that has none but its status.
func (m manner) appendError(dst []byte, e *frame.HTTPError, code string) []byte {
	if !m.json {
		return frame.AppendError(dst, e)
	}
	return frame.AppendResponse(dst, e.Status, contentJSON, m.headers+"Cache-Control: no-store\r\n"+e.Header, errorJSON(e, code))
}

const contentJSON = "application/json"

// errorJSON is the body of a refusal.
func errorJSON(e *frame.HTTPError, code string) []byte {
	var body struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if body.Error.Code = code; code == "" {
		body.Error.Code = codeOfStatus(e.Status)
	}
	body.Error.Message = e.Reason
	text, _ := json.Marshal(body) // texts can always be encoded
	return append(text, '\n')
}

// codeOfStatus is the code of what HTTP itself refuses.
func codeOfStatus(status int) string {
	switch status {
	case http.StatusRequestEntityTooLarge:
		return "too_big"
	case http.StatusTooManyRequests:
		return "too_many_connections"
	case http.StatusServiceUnavailable:
		return "unavailable"
	case http.StatusRequestTimeout:
		return "timeout"
	}
	return strings.ToLower(strings.NewReplacer(" ", "_", "-", "_").Replace(http.StatusText(status)))
}

// refusalCode is the code of a refusal, "" if it is HTTP's own.
func refusalCode(err error) string {
	if no := refusal.Of(err); no != nil {
		return no.Code()
	}
	return ""
}
