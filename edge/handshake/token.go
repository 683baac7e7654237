// Where a token may stand in a request.

package handshake

import (
	"encoding/base64"
	"net/http"
	"strings"

	"barrage/edge/auth"
	"barrage/edge/auth/keyring"
	"barrage/frame"
	"barrage/internal/refusal"
)

// SocketPath is the path of the protocols with rooms, for which others may stand.
const SocketPath = "/ws"

// bearer begins the subprotocol that is a token: all that a page of a browser can add
// to a WebSocket's request, beside its URL.
const bearer = "bearer."

// readPath makes a request for one of SocketPaths what it stands for.
func (c *Config) readPath(req *frame.Request) error {
	query, ok, err := c.SocketPaths.Query(req.Path)
	switch {
	case !ok:
		return nil
	case err != nil:
		return &frame.HTTPError{Status: http.StatusBadRequest, Reason: err.Error()}
	case query != "" && req.RawQuery != "":
		query += "&"
	}
	req.Path, req.RawQuery = SocketPath, query+req.RawQuery
	return nil
}

// tokenOf is the token of a request for a host, "" if there is none. The places are
// looked at in the order of docs/protocol.md; the same token may stand in several, but
// which of two different ones was meant nobody could tell. No text names a token.
func (d *Desk) tokenOf(req *frame.Request, host string) (string, error) {
	var f found
	for _, name := range []string{"token", "key"} {
		if name == "key" && d.cfg.Keys == nil {
			continue
		}
		inQuery, err := req.Query(name)
		if err != nil {
			return "", err
		}
		for _, token := range inQuery {
			f.add("the URL", token)
		}
	}
	if scheme, token, _ := strings.Cut(req.Header("Authorization"), " "); strings.EqualFold(scheme, "bearer") {
		f.add("the header Authorization", strings.TrimSpace(token))
	}
	for offer := range req.Subprotocols() {
		if text, ok := strings.CutPrefix(offer, bearer); ok {
			token, err := offered(text)
			if err != nil {
				return "", err
			}
			f.add("the header Sec-WebSocket-Protocol", token)
		}
	}
	if d.cfg.TokenCookie != "" && d.ofPage(req, host) {
		for _, token := range cookies(req.Header("Cookie"), d.cfg.TokenCookie) {
			f.add("the cookie "+d.cfg.TokenCookie, token)
		}
	}
	return f.token, f.err
}

// found is the token that was found first.
type found struct {
	token, place string
	err          error
}

func (f *found) add(place, token string) {
	switch {
	case token == "" || token == f.token || f.err != nil:
	case f.token == "":
		f.token, f.place = token, place
	case place == f.place:
		f.refuse("in " + place)
	default:
		f.refuse("in " + f.place + " and in " + place)
	}
}

func (f *found) refuse(where string) {
	f.token, f.err = "", refusal.New(http.StatusBadRequest, auth.CodeAmbiguous, "there are two different tokens, "+where+": give one")
}

// offered is the token or key of a subprotocol: as it is, or in base64url where it has no
// dot, as JSON Web Tokens have, and does not begin as keys do that are made here.
func offered(text string) (string, error) {
	if text == "" || !keyring.Is(text) || strings.HasPrefix(text, keyring.Prefix) {
		return text, nil
	}
	token, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return "", refusal.New(http.StatusUnauthorized, auth.CodeInvalid, "what stands behind "+bearer+" in Sec-WebSocket-Protocol is neither a token nor one in base64url")
	}
	return string(token), nil
}

// checkKey refuses a key, if one was brought, of a page that it is not for.
func (d *Desk) checkKey(k *keyring.Key, origin string) error {
	if k == nil || len(k.Origins) == 0 || frame.CheckOrigin(origin, "", d.keyOrigins[k.Name], true) == nil {
		return nil
	}
	d.log.Warn("a key was brought by a page that it is not for, or by a program", "key", k.Name, "origin", short(origin))
	return refusal.New(http.StatusForbidden, auth.CodeInvalid, "this key is for other pages")
}

// ofPage tells whether a browser says that a request comes from a page that may connect.
// It adds cookies to everybody's requests, and its word alone tells whose those are: to
// others, and to programs, which say nothing, a cookie is no proof.
func (d *Desk) ofPage(req *frame.Request, host string) bool {
	if req.Origin == "" { // of a page's GET to its own host, which is no WebSocket
		return req.Header("Sec-Fetch-Site") == "same-origin"
	}
	return frame.CheckOrigin(req.Origin, host, d.cfg.AllowedOrigins, true) == nil
}

// cookies are the values of one cookie. Browsers send several of one name if they were set
// for several paths or domains.
func cookies(header, name string) (values []string) {
	for pair := range strings.SplitSeq(header, ";") {
		key, value, _ := strings.Cut(strings.Trim(pair, " \t"), "=")
		if key != name {
			continue
		}
		if n := len(value); n > 1 && value[0] == '"' && value[n-1] == '"' {
			value = value[1 : n-1]
		}
		values = append(values, value)
	}
	return values
}
