package main

// The figures that scenarios take of the load test's reports, over several rounds,
// and how numbers are written.

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"barrage/loadtest/report"
)

// figure is one of those that a report has by a name; see report.ValueNames.
type figure struct {
	title  string
	name   string
	number func(float64) string
	higher bool // is better
}

var (
	perCPU     = figure{"deliveries per server CPU-second", "deliveries_per_cpu_second", thousands, true}
	p50        = figure{"p50 in ms", "p50", short, false}
	p99        = figure{"p99 in ms", "p99", short, false}
	resident   = figure{"resident bytes per idle connection", "rss_per_conn", thousands, false}
	connects   = figure{"connections a second", "connect_rate", thousands, true}
	connectCPU = figure{"server CPU for each connect, ms", "connect_cpu", short, false}
	kernel     = figure{"kernel bytes for each, both ends", "kernel_per_conn", thousands, false}
	perCopy    = figure{"bytes received per copy", "bytes_per_copy", short, false}
	publishLag = figure{"publishing behind at worst, ms", "publish_lag_max", short, false}
)

// of is 0 if the report does not know it.
func (f figure) of(r *report.Report) float64 { return r.Values()[f.name] }

// text is the figure of one report.
func (f figure) text(r *report.Report) string { return f.title + " " + f.number(f.of(r)) }

// better reports whether a is better than b.
func (f figure) better(a, b stat) bool {
	if f.higher {
		return a.median > b.median
	}
	return a.median < b.median
}

// stat is the middle and the ends of some figures. n is 0 if there is none.
type stat struct {
	median, min, max float64
	n                int
}

func statOf(values []float64) stat {
	if len(values) == 0 {
		return stat{}
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return stat{median: (sorted[(n-1)/2] + sorted[n/2]) / 2, min: sorted[0], max: sorted[n-1], n: n}
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

// count is thousands of what is counted.
func count[T int | uint64](n T) string { return thousands(float64(n)) }

// short is a number with three significant digits, or whole if it is large.
func short(v float64) string {
	if v >= 100 || v <= -100 {
		return thousands(v)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
