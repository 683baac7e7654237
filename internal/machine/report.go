// What was found about the machine, and how people read it.

package machine

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"text/tabwriter"
)

// Use is how a server will use the machine.
type Use struct {
	Target         int   // connections wanted; 0: MaxConnections
	MaxConnections int   // the setting's; 0: as many as can be
	LogBytes       int64 // bound of all room logs
	Backlog        int   // accept queue of each shard
	Shards         int
}

// Verdict is the judgement on one finding.
type Verdict string

// The verdicts.
const (
	OK     Verdict = "ok"
	Low    Verdict = "TOO LOW" // the target cannot be met
	Bad    Verdict = "BAD"     // serve does not start
	Warn   Verdict = "warn"    // costs speed or connects, not connections
	Info   Verdict = "info"
	Unread Verdict = "unreadable"
)

// Unbounded is the number of connections of a finding that does not limit them.
const Unbounded = -1

// Finding is one line of the table.
type Finding struct {
	Name        string
	Value       string
	Connections int64 // that it allows, or Unbounded
	Verdict     Verdict
	Lift        string // the command that lifts it
	Note        string // what the line cannot say
}

// limit is a finding that allows a number of connections.
func limit(name, value string, connections int64, lift string) Finding {
	return Finding{Name: name, Value: value, Connections: max(connections, 0), Verdict: OK, Lift: lift}
}

func fact(name, value string, v Verdict) Finding {
	return Finding{Name: name, Value: value, Connections: Unbounded, Verdict: v}
}

func unread(name string) Finding { return fact(name, "-", Unread) }

// Report is all that was found.
type Report struct {
	Target   int64 // connections wanted; 0: no number
	Findings []Finding
	First    *Finding // the one that limits connections first; nil if none could be read
}

// Examine looks at everything once.
func (m Machine) Examine(u Use) *Report {
	r := &Report{Target: int64(cmp.Or(u.Target, u.MaxConnections))}
	limits := m.limits(u, r.Target)
	for i := range limits {
		f := &limits[i]
		if f.Connections == Unbounded {
			continue
		}
		if r.First == nil || f.Connections < r.First.Connections {
			r.First = f
		}
		if f.Connections < r.Target {
			f.Verdict = Low
		}
	}
	for i := range limits {
		if f := &limits[i]; f.Verdict == OK && f != r.First {
			f.Lift = "" // nothing is gained by it
		}
	}
	expected := r.Target
	if expected == 0 && r.First != nil {
		expected = r.First.Connections
	}
	r.Findings = append(r.Findings, limits...)
	r.Findings = append(r.Findings, m.queues(u, expected)...)
	r.Findings = append(r.Findings, m.features(u)...)
	return r
}

// Missed tells whether the target cannot be met.
func (r *Report) Missed() bool {
	return r.First != nil && r.First.Connections < r.Target
}

// Print writes a table, the notes, and the conclusion.
func (r *Report) Print(w io.Writer) error {
	out := bufio.NewWriter(w)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tVALUE\tCONNECTIONS\tVERDICT\tTO LIFT IT")
	for _, f := range r.Findings {
		connections := "-"
		if f.Connections != Unbounded {
			connections = fmt.Sprint(f.Connections)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", f.Name, f.Value, connections, f.Verdict, cmp.Or(f.Lift, "-"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	for _, f := range r.Findings {
		if f.Note != "" {
			fmt.Fprintf(out, "%s: %s.\n", f.Name, f.Note)
		}
	}
	fmt.Fprintf(out, "\n%s\n", r.Conclusion())
	return out.Flush()
}

// Conclusion is the answer in a sentence or two.
func (r *Report) Conclusion() string {
	if r.First == nil {
		return "No limit could be read: is proc mounted?"
	}
	text := fmt.Sprintf("%s limits first: %d connections in one process.", r.First.Name, r.First.Connections)
	switch {
	case r.Target == 0:
		return text + " Set target_connections to have a number checked."
	case r.Missed():
		return text + fmt.Sprintf(" The %d wanted cannot be met: lift what is TOO LOW, or run several nodes that share a Redis.", r.Target)
	}
	return text + fmt.Sprintf(" The %d wanted can be met.", r.Target)
}
