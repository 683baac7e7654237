// Why a token is refused.

package auth

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Codes of an [Error].
const (
	CodeInvalid     = "token_invalid"
	CodeExpired     = "token_expired"
	CodeNotYetValid = "token_not_yet_valid"
	CodeTooLong     = "token_too_long"
	CodeUnavailable = "keys_unavailable" // nothing is known about the token; it may be good
)

// retryKeys is a guess: issuers come back when they do.
const retryKeys = 5 * time.Second

// Error is a refusal. Its sentence is for people, clients among them: it names
// claims but never quotes the token.
type Error struct {
	code     string
	sentence string
	cause    error // for the log, not for clients; may be nil
}

// Error returns the sentence.
func (e *Error) Error() string { return e.sentence }

// Code returns the stable code for programs.
func (e *Error) Code() string { return e.code }

// HTTPStatus returns the status of a response that refuses the token.
func (e *Error) HTTPStatus() int {
	if e.code == CodeUnavailable {
		return http.StatusServiceUnavailable
	}
	return http.StatusUnauthorized
}

// RetryAfter is when the same token may fare better; 0: never.
func (e *Error) RetryAfter() time.Duration {
	if e.code == CodeUnavailable {
		return retryKeys
	}
	return 0
}

// Unwrap returns what is behind keys_unavailable: not for clients, as it may
// name hosts.
func (e *Error) Unwrap() error { return e.cause }

func invalid(format string, args ...any) *Error {
	return &Error{code: CodeInvalid, sentence: fmt.Sprintf(format, args...)}
}

func badClaim(name, format string, args ...any) *Error {
	return invalid("the token's claim %s %s", name, fmt.Sprintf(format, args...))
}

func unavailable(cause error) *Error {
	return &Error{CodeUnavailable, "the keys that tokens are signed with cannot be read at present", cause}
}

// errNoKey means that no key at hand could have signed the token.
var errNoKey = errors.New("auth: no key")

// refusal makes an Error of what the jwt package says, whose own texts quote
// parts of the token. What no newer token would mend comes before the expiry.
func refusal(err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, jwt.ErrTokenMalformed):
		return invalid("the token is not well-formed")
	case errors.Is(err, errNoKey):
		return invalid("the token is signed with a key that is not known here")
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return invalid("the token's signature is wrong, or of an algorithm that is not allowed")
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return invalid("the token comes from another issuer (iss)")
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return invalid("the token is for another audience (aud)")
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return invalid("the token lacks a claim that is required here: exp, aud or iss")
	case errors.Is(err, jwt.ErrTokenExpired):
		return &Error{code: CodeExpired, sentence: "the token has expired"}
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return &Error{code: CodeNotYetValid, sentence: "the token is not valid yet"}
	}
	return invalid("the token cannot be verified: its algorithm is missing or unknown")
}
