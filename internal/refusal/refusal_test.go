package refusal

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// TestSpread: those who are refused together are told to come back at different times, but
// not before it helps, and not much later.
func TestSpread(t *testing.T) {
	for _, wait := range []time.Duration{20 * time.Millisecond, time.Second, 1500 * time.Millisecond, 5 * time.Second, time.Hour} {
		e := TooMany("overloaded", "", wait)
		after, seconds := make(map[time.Duration]bool), make(map[int]bool)
		for range 1000 {
			d, s := e.RetryAfter(), e.RetrySeconds()
			after[d], seconds[s] = true, true
			rounded := wait.Truncate(time.Second) + time.Second
			if d < wait || d >= wait+min(wait, mostSpread) || time.Duration(s)*time.Second < wait || time.Duration(s)*time.Second > rounded+max(2*time.Second, min(rounded, mostSpread)) {
				t.Fatalf("%v: %v, %d seconds", wait, d, s)
			}
		}
		if len(after) < 500 || len(seconds) < 3 {
			t.Errorf("%v: only %d and %d different ones", wait, len(after), len(seconds))
		}
	}
	if e := New(400, "", ""); e.RetryAfter() != 0 || e.RetrySeconds() != 0 {
		t.Error("what will not help is to be tried again")
	}
}

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
