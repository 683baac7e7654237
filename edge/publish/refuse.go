// Errors of the broker, as refusals.

package publish

import (
	"context"
	"errors"
	"net/http"
	"time"

	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// Overloaded refuses what this node is too far behind for.
var Overloaded = refusal.TooMany("overloaded", "the server is too far behind its input", time.Second)

// full refuses what finds no place in a mailbox. Nobody knows when there will be one.
var full = refusal.New(http.StatusConflict, "mailbox_full", "too much waits for this user: the mailbox is full until they acknowledge some, or until it expires")

// Refusal is the refusal that an error is, or stands for, to clients.
func Refusal(err error) *refusal.Error {
	if no := refusal.Of(err); no != nil {
		return no
	}
	switch {
	case errors.Is(err, broker.ErrOverloaded):
		return Overloaded
	case errors.Is(err, broker.ErrMailboxFull):
		return full
	}
	return refusal.TooMany("unavailable", reason(err), time.Second)
}

// reason tells a store that failed from what was not done while its time lasted, most of
// which it may have waited for its turn.
func reason(err error) string {
	if errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, broker.ErrUnavailable) {
		return "it was not done in time: too much is waiting"
	}
	return "the store of messages cannot be reached"
}

// Refuse is a broker's error as a refusal, to backends.
func Refuse(err error) error {
	no := refusal.Of(err)
	switch {
	case no != nil:
		return no
	case errors.Is(err, broker.ErrMailboxFull):
		return full
	case errors.Is(err, broker.ErrOverloaded):
		return refusal.Retry(http.StatusServiceUnavailable, "overloaded", "the server is too far behind its input", time.Second)
	}
	return refusal.Retry(http.StatusServiceUnavailable, "unavailable", reason(err)+": "+err.Error(), time.Second)
}
