package refusal

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestOf(t *testing.T) {
	own := TooMany("rate_limited", "too many commands", 0)
	for _, c := range []struct {
		err  error
		want *Error
	}{
		{own, &Error{429, "rate_limited", "too many commands", time.Millisecond}},
		{fmt.Errorf("command: %w", own), own},
	} {
		if got := Of(c.err); got == nil || *got != *c.want {
			t.Errorf("Of(%v) is %+v, want %+v", c.err, got, c.want)
		}
	}
	if got := Of(errors.New("dial tcp: connection refused")); got != nil {
		t.Errorf("an error that is no refusal became %+v", got)
	}
}
