package refusal

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestOf(t *testing.T) {
	own := TooMany("rate_limited", "too many commands", 0)
	if want := (Error{429, "rate_limited", "too many commands", time.Millisecond}); *own != want {
		t.Errorf("got %+v, want %+v", *own, want)
	}
	for _, err := range []error{own, fmt.Errorf("command: %w", own), fmt.Errorf("%w (%w)", own, errors.New("the cause"))} {
		if got := Of(err); got != own {
			t.Errorf("Of(%v) is %+v", err, got)
		}
	}
	if got := Of(errors.New("dial tcp: connection refused")); got != nil {
		t.Errorf("an error that is no refusal became %+v", got)
	}
}
