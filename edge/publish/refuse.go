// Errors of the broker, as refusals.

package publish

import (
	"errors"
	"net/http"
	"time"

	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// Overloaded refuses what this node is too far behind for.
var Overloaded = refusal.TooMany("overloaded", "the server is too far behind its input", time.Second)

// Refusal is the refusal that an error is, or stands for, to clients.
func Refusal(err error) *refusal.Error {
	if no := refusal.Of(err); no != nil {
		return no
	}
	if errors.Is(err, broker.ErrOverloaded) {
		return Overloaded
	}
	return refusal.TooMany("unavailable", "the store of messages cannot be reached", time.Second)
}

// Refuse is a broker's error as a refusal, to backends.
func Refuse(err error) error {
	if errors.Is(err, broker.ErrOverloaded) {
		return refusal.Retry(http.StatusServiceUnavailable, "overloaded", "the server is too far behind its input", time.Second)
	}
	return refusal.Retry(http.StatusServiceUnavailable, "unavailable", "the store of messages did not take it: "+err.Error(), time.Second)
}
