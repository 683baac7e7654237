package refusal

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

type foreign struct{}

func (foreign) Error() string             { return "the token has expired" }
func (foreign) Code() string              { return "token_expired" }
func (foreign) HTTPStatus() int           { return 401 }
func (foreign) RetryAfter() time.Duration { return time.Second }

func TestOf(t *testing.T) {
	own := TooMany("rate_limited", "too many commands", 0)
	for _, c := range []struct {
		err  error
		want *Error
	}{
		{own, &Error{429, "rate_limited", "too many commands", time.Millisecond}},
		{fmt.Errorf("command: %w", own), own},
		{fmt.Errorf("token: %w", foreign{}), &Error{401, "token_expired", "the token has expired", time.Second}},
	} {
		if got := Of(c.err); got == nil || *got != *c.want {
			t.Errorf("Of(%v) is %+v, want %+v", c.err, got, c.want)
		}
	}
	if got := Of(errors.New("dial tcp: connection refused")); got != nil {
		t.Errorf("an error that is no refusal became %+v", got)
	}
}
