package main

// What peers has measured, as the section that tells it: a table for each load, and
// where Barrage is not the best, said from nothing but the figures.

import (
	"fmt"
	"math"
	"regexp"
	"strings"
)

// total is the cells of each server at all loads.
func (p *peers) total() []cell {
	all := make([]cell, len(p.subjects))
	for _, t := range p.tasks {
		for i := range t.cells {
			all[i].reports = append(all[i].reports, t.cells[i].reports...)
			all[i].failures = append(all[i].failures, t.cells[i].failures...)
		}
	}
	return all
}

// section is the Markdown under the title.
func (p *peers) section(plots string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Rounds: %d, the servers in turn in each; medians [smallest to largest]. One room, 64-byte text messages, published for %d seconds; "+
		"what had not arrived %s after the last one counts as missing, be it late or lost. Each run has a server of its own, freshly started. "+
		"Resident bytes per idle connection are the growth of the server's memory from empty to all connected and silent, divided by their number, so a garbage collector's slack counts.\n", p.rounds, p.seconds, p.drain)
	for i, l := range p.loads {
		fmt.Fprintf(&b, "\n### %s messages a second to %s members\n\n", count(l.rate), count(l.connections))
		p.compare(&b, p.tasks[i])
	}
	t := table{{"server", "connections a second", "connections that failed"}}
	for i, all := range p.total() {
		lost, _, _ := all.losses()
		t.row(p.subjects[i].title, ranged(all.stat(connects), connects.number), count(lost[notConnected]))
	}
	fmt.Fprintf(&b, "\n### Connecting\n\n%s%s", t, plots)
	if len(p.absent) > 0 {
		b.WriteString("\nNot measured:\n\n" + strings.Join(p.absent, ""))
	}
	b.WriteString("\n### Where Barrage is not the best\n\n" + p.verdict())
	return b.String()
}

// compare is the comparison at one load.
func (p *peers) compare(b *strings.Builder, what task) {
	t := table{{"server", "version"}}
	for _, f := range what.figures {
		t[0] = append(t[0], f.title)
	}
	t[0] = append(t[0], "missing", "duplicated", "out of order")
	var notes strings.Builder
	late := "" // some latencies are only of what arrived
	for i, s := range p.subjects {
		c := &what.cells[i]
		lost, _, expected := c.losses()
		row := []string{s.title, s.version}
		for _, f := range what.figures {
			text := ranged(c.stat(f), f.number)
			if lost[missing] > 0 && (f.name == p50.name || f.name == p99.name) {
				text, late = text+" †", "\n† of the messages that arrived.\n"
			}
			row = append(row, text)
		}
		for _, n := range lost[missing : outOfOrder+1] {
			row = append(row, c.loss(n, expected))
		}
		t.row(row...)
		for _, note := range append(c.notes(), c.warnings()...) {
			notes.WriteString("\n- " + s.title + ": " + note)
		}
	}
	b.WriteString(t.String() + late)
	if notes.Len() > 0 {
		b.WriteString(notes.String() + "\n")
	}
}

// loss is a count of what must be zero, with its share of what was expected.
func (c *cell) loss(n, expected uint64) string {
	switch {
	case len(c.reports) == len(c.failures):
		return "–"
	case n == 0:
		return "0"
	}
	return fmt.Sprintf("**%s** (%s)", count(n), percent(float64(n)/float64(expected)))
}

// percent does not round a part to the whole, or to nothing.
func percent(share float64) string {
	decimals := min(max(0, -1-int(math.Floor(math.Log10(share)))), 6)
	if share > 0.99 && share < 1 {
		decimals = 4
	}
	return fmt.Sprintf("%.*f %%", decimals, 100*share)
}

// digits are what differs in one warning from run to run.
var digits = regexp.MustCompile(`[0-9][0-9.,]*`)

// warnings are what the load test said, and in how many runs.
func (c *cell) warnings() (said []string) {
	runs := make(map[string]int) // by the text without figures
	var first []string           // with those of the first run that said it
	for _, r := range c.reports {
		if r == nil {
			continue
		}
		all := r.Warnings
		if r.Client.Bottleneck {
			all = append(all[:len(all):len(all)], "the load client was the bottleneck: "+r.Client.BottleneckReason)
		}
		for _, text := range all {
			text = oneLine(text)
			kind := digits.ReplaceAllString(text, "")
			if runs[kind]++; runs[kind] == 1 {
				first = append(first, text)
			}
		}
	}
	for _, text := range first {
		said = append(said, fmt.Sprintf("%s (%d of %d runs)", text, runs[digits.ReplaceAllString(text, "")], len(c.reports)))
	}
	return said
}

// verdict names each column in which Barrage is not the best, and by how much.
func (p *peers) verdict() string {
	if p.subjects[0].name != "barrage" { // first in the table of servers
		return "Barrage was not measured.\n"
	}
	if len(p.subjects) == 1 {
		return "Barrage was measured alone.\n"
	}
	var own, lines strings.Builder
	compared, behind := 0, 0
	compare := func(f figure, where string, cells []cell) {
		line, known := p.behind(f, where, cells)
		if known {
			compared++
		}
		if line != "" {
			behind++
			lines.WriteString(line + "\n")
		}
	}
	for _, t := range p.tasks {
		if notes := t.cells[0].notes(); len(notes) > 0 { // comes first
			fmt.Fprintf(&own, "At %s Barrage itself had %s.\n\n", t.title, strings.Join(notes, "; "))
		}
		for _, f := range t.figures {
			compare(f, " at "+t.title, t.cells)
		}
	}
	compare(connects, "", p.total())
	if behind == 0 {
		return own.String() + fmt.Sprintf("In none of the %d comparisons.\n", compared)
	}
	return own.String() + fmt.Sprintf("In %d of %d comparisons:\n\n%s", behind, compared, lines.String())
}

// behind compares Barrage with the best of the others in one column. known is
// false if there is nothing to compare.
func (p *peers) behind(f figure, where string, cells []cell) (line string, known bool) {
	own, best, at := cells[0].stat(f), stat{}, 0
	for i := range cells[1:] {
		if s := cells[i+1].stat(f); s.n > 0 && (best.n == 0 || f.better(s, best)) {
			best, at = s, i+1
		}
	}
	title := p.subjects[at].title
	switch {
	case best.n == 0:
		return "", false
	case own.n == 0:
		return fmt.Sprintf("- %s%s: there is no figure for Barrage; the best of the others is %s with %s.", f.title, where, title, ranged(best, f.number)), true
	case !f.better(best, own):
		return "", true
	}
	ratio := max(own.median/best.median, best.median/own.median)
	by := fmt.Sprintf("worse by %.1f %%", 100*(ratio-1))
	if ratio >= 2 {
		by = fmt.Sprintf("worse by a factor of %.1f", ratio)
	}
	line = fmt.Sprintf("- %s%s: Barrage %s, %s %s: %s", f.title, where, ranged(own, f.number), title, ranged(best, f.number), by)
	if own.overlaps(best) && own.n > 1 {
		line += "; the ranges overlap"
	}
	if len(cells[at].notes()) > 0 {
		line += "; " + title + " had losses or failed runs"
	}
	return line + ".", true
}
