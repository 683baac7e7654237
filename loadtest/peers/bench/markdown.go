package main

// The section of BENCHMARKS.md: its tables, and its place in the document.

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

const (
	beginMark = "<!-- bench-peers:begin -->"
	endMark   = "<!-- bench-peers:end -->"
)

// replaceSection puts section between the marks of document and leaves all else
// as it is. A document without marks gets them at its end.
func replaceSection(document, section string) (string, error) {
	marked := beginMark + "\n" + strings.TrimSpace(section) + "\n" + endMark
	begins, ends := strings.Count(document, beginMark), strings.Count(document, endMark)
	if begins == 0 && ends == 0 {
		if document != "" {
			document += "\n"
		}
		return document + marked + "\n", nil
	}
	begin, end := strings.Index(document, beginMark), strings.Index(document, endMark)
	if begins != 1 || ends != 1 || end < begin {
		return "", errors.New("the document must have one begin mark and one end mark after it, or none")
	}
	return document[:begin] + marked + document[end+len(endMark):], nil
}

// results is everything that the section is made of.
type results struct {
	about     about
	seconds   int
	drain     string
	rounds    int
	loads     []load
	available []contender
	absent    []missing
	runs      []measurement
	images    string // folder of the plots, relative to the document
}

// section is the Markdown between the marks.
func (r results) section() string {
	var b strings.Builder
	b.WriteString("## Barrage and its peers\n\n")
	b.WriteString(r.about.text())
	fmt.Fprintf(&b, "\nRounds: %d, the servers in turn in each; medians [smallest to largest]. One room, 64-byte text messages, published for %d seconds; "+
		"what had not arrived %s after the last one counts as missing, be it late or lost. Each run has a server of its own, freshly started. "+
		"Resident bytes per idle connection are the growth of the server's memory from empty to all connected and silent, divided by their number, so a garbage collector's slack counts.\n", r.rounds, r.seconds, r.drain)
	for _, l := range r.loads {
		r.table(&b, l)
	}
	r.connects(&b)
	for _, p := range r.plots() {
		fmt.Fprintf(&b, "\n![%s](%s/%s)\n", p.title, r.images, p.file)
	}
	if len(r.absent) > 0 {
		b.WriteString("\nNot measured:\n\n")
		for _, m := range r.absent {
			fmt.Fprintf(&b, "- %s: %s\n", m.title, oneLine(m.reason))
		}
	}
	b.WriteString("\n### Where Barrage is not the best\n\n")
	b.WriteString(r.verdict())
	return b.String()
}

// table is the comparison at one load.
func (r results) table(b *strings.Builder, l load) {
	fmt.Fprintf(b, "\n### %s messages a second to %s members\n\n", thousands(float64(l.rate)), thousands(float64(l.connections)))
	b.WriteString("| server | version | resident bytes per idle connection | deliveries per server CPU-second | p50 ms | p99 ms | missing | duplicated | out of order |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|\n")
	var notes []string
	marked := false
	for _, c := range r.available {
		cell := at(r.runs, l, c.name)
		mark := ""
		if cell.missing > 0 {
			mark, marked = " †", true
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s%s | %s%s | %s | %s | %s |\n", c.title, c.version,
			ranged(cell.resident, thousands), ranged(cell.perCPU, thousands),
			ranged(cell.p50, short), mark, ranged(cell.p99, short), mark,
			cell.loss(cell.missing), cell.loss(cell.duplicated), cell.loss(cell.outOfOrder))
		notes = append(notes, cell.notes(c.title)...)
	}
	if marked {
		b.WriteString("\n† of the messages that arrived.\n")
	}
	if len(notes) > 0 {
		b.WriteString("\n" + strings.Join(notes, "\n") + "\n")
	}
}

// notes are what the figures of one row do not say.
func (c cell) notes(title string) []string {
	var notes []string
	note := func(format string, args ...any) {
		notes = append(notes, "- "+title+": "+fmt.Sprintf(format, args...))
	}
	if c.lossy > 0 {
		note("%d of %d runs with losses", c.lossy, c.runs)
	}
	if n := len(c.failures); n > 0 {
		note("%d of %d runs failed: %s", n, c.runs, oneLine(c.failures[0]))
	}
	if c.unpublished > 0 {
		note("did not take %s of %s messages to publish", thousands(c.unpublished), thousands(c.offered))
	}
	if c.connectionsFailed > 0 {
		note("%s connections failed", thousands(c.connectionsFailed))
	}
	if c.connectionsClosed > 0 {
		note("closed %s connections", thousands(c.connectionsClosed))
	}
	for _, w := range c.warnings {
		note("%s (%d of %d runs)", oneLine(w.text), w.runs, c.runs)
	}
	return notes
}

func (r results) connects(b *strings.Builder) {
	b.WriteString("\n### Connecting\n\n| server | connections a second | connections that failed |\n|---|---|---|\n")
	for _, c := range r.available {
		cell := total(r.runs, c.name)
		fmt.Fprintf(b, "| %s | %s | %s |\n", c.title, ranged(cell.connects, thousands), thousands(cell.connectionsFailed))
	}
}

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

// loss is a count of what must be zero, with its share of the messages that were
// expected.
func (c cell) loss(count float64) string {
	switch {
	case !c.measured():
		return "–"
	case count == 0:
		return "0"
	}
	return fmt.Sprintf("**%s** (%s)", thousands(count), percent(count/c.expected))
}

// percent does not round a part to the whole, or to nothing.
func percent(share float64) string {
	decimals := min(max(0, -1-int(math.Floor(math.Log10(share)))), 6)
	if share > 0.99 && share < 1 {
		decimals = 4
	}
	return fmt.Sprintf("%.*f %%", decimals, 100*share)
}

// oneLine makes text fit for a line of a list.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
