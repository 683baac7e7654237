// Tokens of the viewers' users, made of the secret that the server checks them with.

package loadtest

import (
	"fmt"
	"time"

	"barrage/edge/auth"
)

// tokenLifetime is longer than a test can be: none of its tokens expires.
const tokenLifetime = 30 * 24 * time.Hour

// Signer returns what makes a user's token, a JSON Web Token (HS256) that may join any
// room, publish to any, and serve what fits these patterns; for any goroutine. It refuses
// secrets that are too short.
func Signer(secret []byte, serves ...string) (func(user string) (string, error), error) {
	key, err := auth.SecretKey(secret)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	return func(user string) (string, error) {
		all, now := auth.Patterns{"*"}, time.Now()
		text, err := auth.Sign(auth.Claims{
			Identity: auth.Identity{User: user, Rooms: all, Publish: all, Direct: all, Serve: serves, Expires: now.Add(tokenLifetime)}, IssuedAt: now,
		}, key)
		if err != nil {
			return "", fmt.Errorf("token: user %.40q: %w", user, err)
		}
		return text, nil
	}, nil
}
