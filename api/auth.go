// Who may ask: whoever has the bearer token (RFC 6750, section 2.1), or, if there is
// none, whoever is on this machine.

package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
)

const bearerScheme = "bearer "

// bearer is the tokens all requests are held against; several while they are
// being changed. Hashes are compared instead of the tokens, and always all, so
// that neither a common prefix nor a length nor which one it was shows in the time
// it takes.
type bearer [][sha256.Size]byte

func newBearer(tokens []string) bearer {
	b := make(bearer, len(tokens))
	for i, t := range tokens {
		b[i] = sha256.Sum256([]byte(t))
	}
	return b
}

// allows tells whether the header carries one of the tokens, or none is required.
func (b bearer) allows(h http.Header) bool {
	if len(b) == 0 {
		return true
	}
	values := h["Authorization"]
	if len(values) != 1 {
		return false
	}
	token, ok := cutBearer(values[0])
	if !ok {
		return false
	}
	sum, equal := sha256.Sum256([]byte(token)), 0
	for i := range b {
		equal |= subtle.ConstantTimeCompare(sum[:], b[i][:])
	}
	return equal == 1
}

// cutBearer takes the token out of an Authorization header's value. The scheme's
// case does not matter (RFC 9110, section 11.1).
func cutBearer(value string) (token string, ok bool) {
	if len(value) < len(bearerScheme) || !strings.EqualFold(value[:len(bearerScheme)], bearerScheme) {
		return "", false
	}
	return strings.TrimLeft(value[len(bearerScheme):], " "), true
}

// isLoopback tells whether a request's Host can only mean this machine. Any other name
// may be a web page's own, which its DNS server has pointed here (DNS rebinding), so that
// the browser takes what the page asks for the page's own business. No browser leaves it
// out.
func isLoopback(host string) bool {
	if host == "" {
		return true
	}
	if name, port, err := net.SplitHostPort(host); err == nil && validPort(port) {
		host = name
	} else if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	return loopbackHost(strings.ToLower(host))
}
