// Package limits checks that what packages are set to is within its bounds. What is
// wrong is one error, which names the field.
package limits

import (
	"cmp"
	"fmt"
)

// Within wants lo to hi.
func Within[T cmp.Ordered](field string, v, lo, hi T) error {
	if v < lo || v > hi {
		return fmt.Errorf("%s is %v, want %v to %v", field, v, lo, hi)
	}
	return nil
}

// AtLeast wants lo or more.
func AtLeast[T cmp.Ordered](field string, v, lo T) error {
	if v < lo {
		return fmt.Errorf("%s is %v, want at least %v", field, v, lo)
	}
	return nil
}
