// Why a token is refused.

package auth

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"barrage/internal/refusal"
)

// Codes of refused tokens: the errors of Verify, TryVerify and of Sign's claims have
// each a [refusal.Error] with one. Its sentence names claims but never quotes the
// token.
const (
	CodeInvalid     = "token_invalid"
	CodeExpired     = "token_expired"
	CodeNotYetValid = "token_not_yet_valid"
	CodeTooLong     = "token_too_long"
	CodeGuesses     = "too_many_guesses" // the address brought too many wrong keys
	CodeRevoked     = "key_revoked"
	CodeAmbiguous   = "token_ambiguous"  // two different tokens in one request
	CodeUnavailable = "keys_unavailable" // nothing is known about the token; it may be good
)

// retryKeys is a guess: issuers come back when they do.
const retryKeys = 5 * time.Second

func refuse(code, format string, args ...any) error {
	return refusal.New(http.StatusUnauthorized, code, fmt.Sprintf(format, args...))
}

func invalid(format string, args ...any) error { return refuse(CodeInvalid, format, args...) }

func badClaim(name, format string, args ...any) error {
	return invalid("the token's claim %s %s", name, fmt.Sprintf(format, args...))
}

var errUnavailable = refusal.Retry(http.StatusServiceUnavailable, CodeUnavailable, "the keys that tokens are signed with cannot be read at present", retryKeys)

// unavailable adds the cause, for the log: clients get the refusal alone, as the cause
// may name hosts.
func unavailable(cause error) error { return fmt.Errorf("%w (%w)", errUnavailable, cause) }

// errNoKey means that no key at hand could have signed the token.
var errNoKey = errors.New("auth: no key")

// fromJWT makes a refusal of what the jwt package says, whose own texts quote
// parts of the token. What no newer token would mend comes before the expiry.
func fromJWT(err error) error {
	if own := refusal.Of(err); own != nil {
		return own
	}
	switch {
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
		return refuse(CodeExpired, "the token has expired")
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return refuse(CodeNotYetValid, "the token is not valid yet")
	}
	return invalid("the token cannot be verified: its algorithm is missing or unknown")
}
