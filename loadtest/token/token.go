// Package token makes the tokens of a load test's viewers, one for each user, of
// the secret that the server checks them with. They are JSON Web Tokens (HS256)
// that may join any room and publish to any.
package token

import (
	"fmt"
	"time"

	"barrage/edge/auth"
)

// lifetime is longer than a test can be: none of its tokens expires.
const lifetime = 30 * 24 * time.Hour

// Signer makes tokens. It never changes, so any goroutine may use it.
type Signer struct{ key auth.SigningKey }

// NewSigner refuses secrets that are too short for HS256.
func NewSigner(secret []byte) (*Signer, error) {
	key, err := auth.SecretKey(secret)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	return &Signer{key}, nil
}

// Sign makes a user's token.
func (s *Signer) Sign(user string) (string, error) {
	all, now := auth.Patterns{"*"}, time.Now()
	text, err := auth.Sign(auth.Claims{
		Identity: auth.Identity{User: user, Rooms: all, Publish: all, Expires: now.Add(lifetime)}, IssuedAt: now,
	}, s.key)
	if err != nil {
		return "", fmt.Errorf("token: user %.40q: %w", user, err)
	}
	return text, nil
}
