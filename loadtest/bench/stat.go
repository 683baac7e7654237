package main

// Figures of several rounds, and how they are written.

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// stat is the middle and the ends of some figures. n is 0 if there is none.
type stat struct {
	median, min, max float64
	n                int
}

// statOf looks at all values.
func statOf(values []float64) stat {
	if len(values) == 0 {
		return stat{}
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return stat{median: (sorted[(n-1)/2] + sorted[n/2]) / 2, min: sorted[0], max: sorted[n-1], n: n}
}

// positive leaves out what the load test does not know and writes as 0 or less.
func positive(values []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return v <= 0 })
}

func (s stat) overlaps(t stat) bool { return s.min <= t.max && t.min <= s.max }

// ranged is a stat in a table.
func ranged(s stat, number func(float64) string) string {
	switch s.n {
	case 0:
		return "–"
	case 1:
		return number(s.median)
	}
	return fmt.Sprintf("%s [%s to %s]", number(s.median), number(s.min), number(s.max))
}

// thousands is a whole number with separators.
func thousands(v float64) string {
	digits := strconv.FormatFloat(v, 'f', 0, 64)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// short is a number with three significant digits, or whole if it is large.
func short(v float64) string {
	if v >= 100 || v <= -100 {
		return thousands(v)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
