package main

// Where Barrage is not the best, said from nothing but the figures.

import (
	"fmt"
	"slices"
	"strings"
)

// verdict names each column in which Barrage is not the best, and by how much.
func (r *results) verdict() string {
	if !slices.ContainsFunc(r.available, func(c contender) bool { return c.name == "barrage" }) {
		return "Barrage was not measured.\n"
	}
	if len(r.available) == 1 {
		return "Barrage was measured alone.\n"
	}
	var lines []string
	compared := 0
	compare := func(f figure, where string, of func(server string) *cell) {
		line, known := r.behind(f, where, of)
		if known {
			compared++
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
	for _, l := range r.loads {
		for _, f := range columns() {
			compare(f, " at "+l.String(), func(server string) *cell { return r.at(l, server) })
		}
	}
	compare(connects(), "", r.total)
	if len(lines) == 0 {
		return r.ownLosses() + fmt.Sprintf("In none of the %d comparisons.\n", compared)
	}
	return r.ownLosses() + fmt.Sprintf("In %d of %d comparisons:\n\n%s\n", len(lines), compared, strings.Join(lines, "\n"))
}

// behind compares Barrage with the best of the others in one column. known is
// false if there is nothing to compare.
func (r *results) behind(f figure, where string, of func(server string) *cell) (line string, known bool) {
	own := of("barrage").stat(f)
	var best stat
	var title string
	lost := false
	for _, c := range r.available {
		s := of(c.name).stat(f)
		if c.name != "barrage" && s.n > 0 && (best.n == 0 || f.better(s, best)) {
			best, title, lost = s, c.title, of(c.name).lost()
		}
	}
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
	if lost {
		line += "; " + title + " had losses or failed runs"
	}
	return line + ".", true
}

// better reports whether a is better than b.
func (f figure) better(a, b stat) bool {
	if f.higher {
		return a.median > b.median
	}
	return a.median < b.median
}

// ownLosses says first what Barrage lost.
func (r *results) ownLosses() string {
	var b strings.Builder
	for _, l := range r.loads {
		c := r.at(l, "barrage")
		if c.lost() {
			fmt.Fprintf(&b, "At %s Barrage itself had losses in %d and failures in %d of %d runs: %d missing, %d duplicated, %d out of order, %d not taken, %d connections failed.\n\n",
				l, c.lossy, len(c.failures), len(c.runs), c.missing, c.duplicated, c.outOfOrder, c.unpublished, c.connectionsFailed)
		}
	}
	return b.String()
}
