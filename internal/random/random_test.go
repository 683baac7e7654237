package random

import (
	"regexp"
	"testing"
)

func TestName(t *testing.T) {
	a, b := Name(), Name()
	if pattern := regexp.MustCompile("^[0-9a-z]{1,10}$"); a == b || !pattern.MatchString(a) || !pattern.MatchString(b) {
		t.Errorf("two names are %q and %q", a, b)
	}
}
