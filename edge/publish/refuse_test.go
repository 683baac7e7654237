package publish

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// TestRefusals: who is refused is told why, and to come back when that may have changed:
// not of a store that there may be none of, nor of a server that has nothing to do.
func TestRefusals(t *testing.T) {
	t.Parallel()
	late := fmt.Errorf("broker: history: %w", context.DeadlineExceeded)
	away := fmt.Errorf("%w: %w", broker.ErrUnavailable, context.DeadlineExceeded)
	for _, tt := range []struct {
		err          error
		code         string
		says, hasNot string
		wait         time.Duration
	}{
		{broker.SpentKeys(5 * time.Minute), "overloaded", "idempotency keys", "behind", 5 * time.Minute},
		{fmt.Errorf("%w: queue", broker.ErrOverloaded), "overloaded", "behind its input", "keys", time.Second},
		{late, "unavailable", "not done in time", "store", time.Second},
		{away, "unavailable", "store", "not done", time.Second},
		{broker.ErrClosed, "unavailable", "store", "not done", time.Second},
	} {
		for name, no := range map[string]*refusal.Error{"client": Refusal(tt.err), "backend": refusal.Of(Refuse(tt.err))} {
			if no.Code() != tt.code || !strings.Contains(no.Error(), tt.says) || strings.Contains(no.Error(), tt.hasNot) || no.RetryAfter() < tt.wait || no.RetryAfter() > 2*tt.wait {
				t.Errorf("%v, to a %s: %q %q, after %v", tt.err, name, no.Code(), no.Error(), no.RetryAfter())
			}
		}
	}
	if no := Refusal(broker.ErrMailboxFull); no.HTTPStatus() != http.StatusConflict {
		t.Errorf("a full mailbox: %d %v", no.HTTPStatus(), no)
	}
}
