package api

// This file checks the bearer token (RFC 6750, section 2.1).

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

const bearerScheme = "bearer "

// bearer is the token all requests are held against. Hashes are compared
// instead of the tokens, so that neither a common prefix nor the length shows in
// the time it takes.
type bearer struct {
	required bool
	sum      [sha256.Size]byte
}

func newBearer(token string) bearer {
	return bearer{required: token != "", sum: sha256.Sum256([]byte(token))}
}

// allows tells whether the header carries the token, or none is required.
func (b *bearer) allows(h http.Header) bool {
	if !b.required {
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
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], b.sum[:]) == 1
}

// cutBearer takes the token out of an Authorization header's value. The scheme's
// case does not matter (RFC 9110, section 11.1).
func cutBearer(value string) (token string, ok bool) {
	if len(value) < len(bearerScheme) || !strings.EqualFold(value[:len(bearerScheme)], bearerScheme) {
		return "", false
	}
	return strings.TrimLeft(value[len(bearerScheme):], " "), true
}
