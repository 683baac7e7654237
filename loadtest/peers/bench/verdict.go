package main

// Where Barrage is not the best, said from the figures.

import (
	"fmt"
	"strings"
)

// metric is one column that has a best.
type metric struct {
	name   string
	of     func(cell) stat
	higher bool // is better
	number func(float64) string
}

func metrics() []metric {
	return []metric{
		{"resident bytes per idle connection", func(c cell) stat { return c.resident }, false, thousands},
		{"deliveries per server CPU-second", func(c cell) stat { return c.perCPU }, true, thousands},
		{"p50 in ms", func(c cell) stat { return c.p50 }, false, short},
		{"p99 in ms", func(c cell) stat { return c.p99 }, false, short},
	}
}

func connecting() metric {
	return metric{"connections a second", func(c cell) stat { return c.connects }, true, thousands}
}

// verdict says where Barrage is not the best, and by how much, from nothing but
// the figures.
func (r results) verdict() string {
	if !r.has("barrage") {
		return "Barrage was not measured.\n"
	}
	if len(r.available) == 1 {
		return "Barrage was measured alone.\n"
	}
	var lines []string
	columns := 0
	compare := func(m metric, where string, of func(server string) cell) {
		line, compared := r.behind(m, where, of)
		if compared {
			columns++
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
	for _, l := range r.loads {
		of := func(server string) cell { return at(r.runs, l, server) }
		for _, m := range metrics() {
			compare(m, " at "+l.String(), of)
		}
	}
	compare(connecting(), "", func(server string) cell { return total(r.runs, server) })
	var b strings.Builder
	b.WriteString(r.ownLosses())
	if len(lines) == 0 {
		fmt.Fprintf(&b, "In none of the %d comparisons.\n", columns)
		return b.String()
	}
	fmt.Fprintf(&b, "In %d of %d comparisons:\n\n%s\n", len(lines), columns, strings.Join(lines, "\n"))
	return b.String()
}

// behind compares Barrage with the best of the others in one column. compared is
// false if there is nothing to compare.
func (r results) behind(m metric, where string, of func(server string) cell) (line string, compared bool) {
	own := m.of(of("barrage"))
	var best stat
	var title string
	lost := false
	for _, c := range r.available {
		if c.name == "barrage" {
			continue
		}
		cell := of(c.name)
		s := m.of(cell)
		if s.n > 0 && (best.n == 0 || (s.median > best.median) == m.higher && s.median != best.median) {
			best, title, lost = s, c.title, cell.lost()
		}
	}
	if best.n == 0 {
		return "", false
	}
	if own.n == 0 {
		return fmt.Sprintf("- %s%s: there is no figure for Barrage; the best of the others is %s with %s.", m.name, where, title, ranged(best, m.number)), true
	}
	if (own.median >= best.median) == m.higher || own.median == best.median {
		return "", true
	}
	ratio := own.median / best.median
	if m.higher {
		ratio = best.median / own.median
	}
	line = fmt.Sprintf("- %s%s: Barrage %s, %s %s: %s", m.name, where, ranged(own, m.number), title, ranged(best, m.number), worseBy(ratio))
	if own.overlaps(best) && own.n > 1 {
		line += "; the ranges overlap"
	}
	if lost {
		line += "; " + title + " had losses or failed runs"
	}
	return line + ".", true
}

// worseBy is a ratio above 1 in words.
func worseBy(ratio float64) string {
	if ratio >= 2 {
		return fmt.Sprintf("worse by a factor of %.1f", ratio)
	}
	return fmt.Sprintf("worse by %.1f %%", 100*(ratio-1))
}

// ownLosses says first what Barrage lost.
func (r results) ownLosses() string {
	var b strings.Builder
	for _, l := range r.loads {
		c := at(r.runs, l, "barrage")
		if c.lost() {
			fmt.Fprintf(&b, "At %s Barrage itself had losses in %d and failures in %d of %d runs: %s missing, %s duplicated, %s out of order, %s not taken, %s connections failed.\n\n",
				l, c.lossy, len(c.failures), c.runs, thousands(c.missing), thousands(c.duplicated), thousands(c.outOfOrder), thousands(c.unpublished), thousands(c.connectionsFailed))
		}
	}
	return b.String()
}

func (r results) has(server string) bool {
	for _, c := range r.available {
		if c.name == server {
			return true
		}
	}
	return false
}
