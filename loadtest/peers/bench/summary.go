package main

// Medians and sums of the rounds.

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// stat is the middle and the ends of some figures. n is 0 if there is none.
type stat struct {
	median, min, max float64
	n                int
}

// statOf looks at the positive values: the load client writes what it does not
// know as 0 or less.
func statOf(values []float64) stat {
	var known []float64
	for _, v := range values {
		if v > 0 {
			known = append(known, v)
		}
	}
	if len(known) == 0 {
		return stat{}
	}
	slices.Sort(known)
	middle := len(known) / 2
	median := known[middle]
	if len(known)%2 == 0 {
		median = (known[middle-1] + known[middle]) / 2
	}
	return stat{median: median, min: known[0], max: known[len(known)-1], n: len(known)}
}

func (s stat) overlaps(t stat) bool { return s.min <= t.max && t.min <= s.max }

// cell is one server at one load, all rounds together.
type cell struct {
	runs     int
	lossy    int      // runs with losses
	failures []string // of the runs that gave no report, why

	perCPU, resident, p50, p99, connects stat

	offered, unpublished                      float64
	expected, missing, duplicated, outOfOrder float64
	connectionsFailed, connectionsClosed      float64

	warnings []warning
}

// warning is what the load client said in some runs, but for the figures in it.
type warning struct {
	text string // of the first of the runs
	runs int
}

// lost tells whether anything went as it must not.
func (c cell) lost() bool { return c.lossy > 0 || len(c.failures) > 0 }

// measured tells whether any run gave a report.
func (c cell) measured() bool { return c.runs > len(c.failures) }

// gather makes the cell of the measurements that want accepts.
func gather(all []measurement, want func(measurement) bool) cell {
	var c cell
	var perCPU, resident, p50, p99, connects []float64
	for _, m := range all {
		if !want(m) {
			continue
		}
		c.runs++
		if m.failed != nil {
			c.failures = append(c.failures, public(m.failed))
			continue
		}
		r := m.report
		if r.losses() > 0 {
			c.lossy++
		}
		perCPU = append(perCPU, r.Server.DeliveriesPerCPUSecond)
		resident = append(resident, r.Server.BytesPerConnection.Resident)
		p50 = append(p50, r.Latency.P50)
		p99 = append(p99, r.Latency.P99)
		connects = append(connects, r.Connections.PerSecond)
		c.offered += r.Messages.Offered
		c.unpublished += r.unpublished()
		c.expected += r.Messages.Expected
		c.missing += r.Messages.Missing
		c.duplicated += r.Messages.Duplicated
		c.outOfOrder += r.Messages.OutOfOrder
		c.connectionsFailed += r.Connections.Failed
		c.connectionsClosed += r.Connections.Closed
		for _, text := range r.warnings() {
			c.warn(text)
		}
	}
	c.perCPU, c.resident, c.connects = statOf(perCPU), statOf(resident), statOf(connects)
	c.p50, c.p99 = statOf(p50), statOf(p99)
	return c
}

// figures are what differs in one warning from run to run.
var figures = regexp.MustCompile(`[0-9][0-9.,]*`)

func (c *cell) warn(text string) {
	same := func(w warning) bool {
		return figures.ReplaceAllString(w.text, "") == figures.ReplaceAllString(text, "")
	}
	if i := slices.IndexFunc(c.warnings, same); i >= 0 {
		c.warnings[i].runs++
		return
	}
	c.warnings = append(c.warnings, warning{text, 1})
}

// at is the cell of one server at one load; total that of one server at all.
func at(all []measurement, l load, server string) cell {
	return gather(all, func(m measurement) bool { return m.load == l && m.server == server })
}

func total(all []measurement, server string) cell {
	return gather(all, func(m measurement) bool { return m.server == server })
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
	if v >= 100 {
		return thousands(v)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
