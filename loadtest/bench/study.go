package main

// What versus and peers have in common: several servers, which are measured in turn,
// and what came of it.

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"barrage/loadtest/report"
)

// maxConnections is what fits into one process with the hard limit of open files
// that containers often have, 20,000.
const maxConnections = 19000

// load is what is published to how many.
type load struct {
	rate        int // messages a second
	connections int
}

func (l load) String() string { return count(l.rate) + "/s to " + count(l.connections) }

// file is for names of files.
func (l load) file() string { return fmt.Sprintf("room-%d-%d", l.rate, l.connections) }

// parseRates reads a list of RATE and RATE@N, the latter for N connections instead
// of the usual number.
func parseRates(list string, connections int) ([]load, error) {
	var loads []load
	for _, item := range strings.Split(list, ",") {
		rate, members, own := strings.Cut(strings.TrimSpace(item), "@")
		l := load{connections: connections}
		var err error
		if l.rate, err = strconv.Atoi(rate); err != nil || l.rate < 1 {
			return nil, fmt.Errorf("-rates: %q is no number of messages a second", item)
		}
		if own {
			if l.connections, err = strconv.Atoi(members); err != nil {
				return nil, fmt.Errorf("-rates: %q has no number of connections", item)
			}
		}
		if l.connections < 1 || l.connections > maxConnections {
			return nil, fmt.Errorf("-connections: %d is not from 1 to %d", l.connections, maxConnections)
		}
		loads = append(loads, l)
	}
	return loads, nil
}

// subject is a server that can be measured.
type subject struct {
	server
	binary  string
	version string
}

// task is what is measured of each subject.
type task struct {
	name     string // in names of files
	title    string
	run      func(ctx context.Context, name string, s subject) (*report.Report, error)
	figures  []figure // the first of which is told at once
	subjects []subject
	cells    []cell // what came of it, for each subject
}

// measure runs all tasks in rounds. In each the next subject begins, so that the
// machine's moods hit all alike. It ends early only if ctx does.
func (b *bench) measure(ctx context.Context, tasks []task, rounds int) error {
	for round := range rounds {
		for _, t := range tasks {
			for i := range t.subjects {
				i = (i + round) % len(t.subjects)
				s := t.subjects[i]
				r, err := t.run(ctx, fmt.Sprintf("%s-%s-%d", t.name, s.name, round+1), s)
				b.stop()
				if ctx.Err() != nil {
					return ctx.Err()
				}
				said := ""
				if err == nil {
					said = t.figures[0].text(r)
				} else {
					t.cells[i].failures = append(t.cells[i].failures, public(err))
					said = "failed: " + oneLine(err.Error())
				}
				t.cells[i].reports = append(t.cells[i].reports, r)
				fmt.Printf("round %d of %d, %s, %s: %s\n", round+1, rounds, t.title, s.name, said)
			}
		}
	}
	return nil
}

// cell is one subject in one task, or in all, all rounds together.
type cell struct {
	reports  []*report.Report // by round; nil for those that failed
	failures []string
}

// What must not be: each is shown, never hidden.
const (
	missing = iota
	duplicated
	outOfOrder
	notTaken // messages that the server did not take, or not in time
	notConnected
	closed
	numLoss
)

var lossNames = [numLoss]string{"copies missing", "duplicated", "out of order", "messages not taken", "connections failed", "connections closed"}

// losses is how often each happened, in all, and in how many runs any did; and how
// many copies were expected.
func (c *cell) losses() (lost [numLoss]uint64, runs int, expected uint64) {
	for _, r := range c.reports {
		if r == nil {
			continue
		}
		m := &r.Messages
		one := [numLoss]uint64{m.Missing, m.Duplicated, m.OutOfOrder, m.Offered - min(m.Offered, m.Published), r.Connections.Failed, r.Connections.Closed}
		for i, n := range one {
			lost[i] += n
		}
		if one != [numLoss]uint64{} {
			runs++
		}
		expected += m.Expected
	}
	return lost, runs, expected
}

// values are those of a figure that are known, by round; 0 are not.
func (c *cell) values(f figure) []float64 {
	values := make([]float64, len(c.reports))
	for i, r := range c.reports {
		if r != nil {
			values[i] = max(0, f.of(r))
		}
	}
	return values
}

// stat is a figure over the rounds.
func (c *cell) stat(f figure) stat {
	return statOf(slices.DeleteFunc(c.values(f), func(v float64) bool { return v == 0 }))
}

// notes are what the figures do not say.
func (c *cell) notes() (notes []string) {
	lost, runs, _ := c.losses()
	var what []string
	for i, n := range lost {
		if n > 0 {
			what = append(what, count(n)+" "+lossNames[i])
		}
	}
	if runs > 0 {
		notes = append(notes, fmt.Sprintf("%d of %d runs with losses: %s", runs, len(c.reports), strings.Join(what, ", ")))
	}
	if n := len(c.failures); n > 0 {
		notes = append(notes, fmt.Sprintf("%d of %d runs failed: %s", n, len(c.reports), oneLine(c.failures[0])))
	}
	return notes
}

// oneLine makes text fit for a line of a list.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
