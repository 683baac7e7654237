package main

// What peers has measured: medians and sums of the rounds, and the section that
// tells them.

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// results is everything that the section is made of.
type results struct {
	about     string
	seconds   int
	drain     string
	rounds    int
	loads     []load
	available []contender
	absent    []absentee
	runs      []measurement
	images    string // folder of the plots, relative to the document; empty for none
}

// columns are the figures that are compared at each load.
func columns() []figure { return []figure{resident(), perCPU(), p50(), p99()} }

// cell is one server at one load, or at all, all rounds together.
type cell struct {
	runs     []measurement
	lossy    int      // runs with losses
	failures []string // of the runs that gave no report, why

	offered, unpublished                      uint64
	expected, missing, duplicated, outOfOrder uint64
	connectionsFailed, connectionsClosed      uint64

	warnings []warning
}

// warning is what the load test said in some runs, but for the figures in it.
type warning struct {
	text string // of the first of the runs
	runs int
}

// at is the cell of a server at one load; total that at all loads.
func (r *results) at(l load, server string) *cell {
	return r.cell(func(m measurement) bool { return m.load == l && m.server == server })
}

func (r *results) total(server string) *cell {
	return r.cell(func(m measurement) bool { return m.server == server })
}

func (r *results) cell(want func(measurement) bool) *cell {
	c := &cell{}
	for _, m := range r.runs {
		if want(m) {
			c.add(m)
		}
	}
	return c
}

func (c *cell) add(m measurement) {
	c.runs = append(c.runs, m)
	if m.failed != nil {
		c.failures = append(c.failures, public(m.failed))
		return
	}
	r := m.report
	if losses(r) > 0 {
		c.lossy++
	}
	c.offered += r.Messages.Offered
	c.unpublished += unpublished(r)
	c.expected += r.Messages.Expected
	c.missing += r.Messages.Missing
	c.duplicated += r.Messages.Duplicated
	c.outOfOrder += r.Messages.OutOfOrder
	c.connectionsFailed += r.Connections.Failed
	c.connectionsClosed += r.Connections.Closed
	warnings := slices.Clone(r.Warnings)
	if r.Client.Bottleneck {
		warnings = append(warnings, "the load client was the bottleneck: "+r.Client.BottleneckReason)
	}
	for _, text := range warnings {
		c.warn(text)
	}
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

// stat is a figure over the rounds.
func (c *cell) stat(f figure) stat {
	var values []float64
	for _, m := range c.runs {
		if m.failed == nil {
			values = append(values, f.of(m.report))
		}
	}
	return statOf(positive(values))
}

// lost tells whether anything went as it must not.
func (c *cell) lost() bool { return c.lossy > 0 || len(c.failures) > 0 }

// section is the Markdown between the marks.
func (r *results) section() string {
	var b strings.Builder
	b.WriteString("## Barrage and its peers\n\n" + r.about)
	fmt.Fprintf(&b, "\nRounds: %d, the servers in turn in each; medians [smallest to largest]. One room, 64-byte text messages, published for %d seconds; "+
		"what had not arrived %s after the last one counts as missing, be it late or lost. Each run has a server of its own, freshly started. "+
		"Resident bytes per idle connection are the growth of the server's memory from empty to all connected and silent, divided by their number, so a garbage collector's slack counts.\n", r.rounds, r.seconds, r.drain)
	for _, l := range r.loads {
		r.compare(&b, l)
	}
	t := table{{"server", "connections a second", "connections that failed"}}
	for _, c := range r.available {
		all := r.total(c.name)
		t.row(c.title, ranged(all.stat(connects()), thousands), thousands(float64(all.connectionsFailed)))
	}
	fmt.Fprintf(&b, "\n### Connecting\n\n%s", t)
	if r.images != "" {
		for _, p := range r.plots() {
			fmt.Fprintf(&b, "\n![%s](%s/%s)\n", p.title, r.images, p.file)
		}
	}
	if len(r.absent) > 0 {
		b.WriteString("\nNot measured:\n\n")
		for _, m := range r.absent {
			fmt.Fprintf(&b, "- %s: %s\n", m.title, oneLine(m.reason))
		}
	}
	b.WriteString("\n### Where Barrage is not the best\n\n" + r.verdict())
	return b.String()
}

// compare is the comparison at one load.
func (r *results) compare(b *strings.Builder, l load) {
	t := table{{"server", "version"}}
	for _, f := range columns() {
		t[0] = append(t[0], f.title)
	}
	t[0] = append(t[0], "missing", "duplicated", "out of order")
	var notes []string
	late := false // some latencies are only of what arrived
	for _, c := range r.available {
		cell := r.at(l, c.name)
		row := []string{c.title, c.version}
		for _, f := range columns() {
			text := ranged(cell.stat(f), f.number)
			if cell.missing > 0 && (f.title == p50().title || f.title == p99().title) {
				text, late = text+" †", true
			}
			row = append(row, text)
		}
		t.row(append(row, cell.loss(cell.missing), cell.loss(cell.duplicated), cell.loss(cell.outOfOrder))...)
		notes = append(notes, cell.notes(c.title)...)
	}
	fmt.Fprintf(b, "\n### %s messages a second to %s members\n\n%s", thousands(float64(l.rate)), thousands(float64(l.connections)), t)
	if late {
		b.WriteString("\n† of the messages that arrived.\n")
	}
	if len(notes) > 0 {
		b.WriteString("\n" + strings.Join(notes, "\n") + "\n")
	}
}

// notes are what the figures of one row do not say.
func (c *cell) notes(title string) (notes []string) {
	note := func(noted bool, format string, args ...any) {
		if noted {
			notes = append(notes, "- "+title+": "+fmt.Sprintf(format, args...))
		}
	}
	count := func(n uint64) string { return thousands(float64(n)) }
	note(c.lossy > 0, "%d of %d runs with losses", c.lossy, len(c.runs))
	if n := len(c.failures); n > 0 {
		note(true, "%d of %d runs failed: %s", n, len(c.runs), oneLine(c.failures[0]))
	}
	note(c.unpublished > 0, "did not take %s of %s messages to publish", count(c.unpublished), count(c.offered))
	note(c.connectionsFailed > 0, "%s connections failed", count(c.connectionsFailed))
	note(c.connectionsClosed > 0, "closed %s connections", count(c.connectionsClosed))
	for _, w := range c.warnings {
		note(true, "%s (%d of %d runs)", oneLine(w.text), w.runs, len(c.runs))
	}
	return notes
}

// loss is a count of what must be zero, with its share of the messages that were
// expected.
func (c *cell) loss(count uint64) string {
	switch {
	case len(c.runs) == len(c.failures):
		return "–"
	case count == 0:
		return "0"
	}
	return fmt.Sprintf("**%s** (%s)", thousands(float64(count)), percent(float64(count)/float64(c.expected)))
}

// percent does not round a part to the whole, or to nothing.
func percent(share float64) string {
	decimals := min(max(0, -1-int(math.Floor(math.Log10(share)))), 6)
	if share > 0.99 && share < 1 {
		decimals = 4
	}
	return fmt.Sprintf("%.*f %%", decimals, 100*share)
}
