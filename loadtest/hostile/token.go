// Tokens of guests and attackers.

package hostile

import (
	"fmt"
	"time"

	"barrage/edge/auth"
)

// lifetime is longer than any trial.
const lifetime = time.Hour

// Signer returns what makes a user's token of the server's secret. Any goroutine.
func Signer(secret string) (func(user string) (string, error), error) {
	key, err := auth.SecretKey([]byte(secret))
	if err != nil {
		return nil, fmt.Errorf("hostile: token: %w", err)
	}
	return func(user string) (string, error) {
		all, now := auth.Patterns{"*"}, time.Now()
		return auth.Sign(auth.Claims{
			Identity: auth.Identity{User: user, Rooms: all, Publish: all, Direct: all, Expires: now.Add(lifetime)}, IssuedAt: now,
		}, key)
	}, nil
}
