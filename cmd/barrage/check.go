package main

// This file is the check command: what limits the number of connections on this
// machine, which limit comes first, and whether the number wanted can be met.

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"barrage/redisbridge"
)

func checkCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say what limits the number of connections on this machine",
		Long: "Read limits, sysctls, kernel features and the settings; say what limits the number of\n" +
			"connections, and the command that lifts each limit. Exit code 1 says that\n" +
			"target_connections (or else max_connections) cannot be met, 2 that settings are bad.\n" +
			"Run it as the user and in the unit or container that will run the server.",
		Args: cobra.NoArgs,
		RunE: command(func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd.Flags(), p.environ)
			if err != nil {
				return err
			}
			// Redis not answering is a line of the report, not of the log.
			redisbridge.RouteClientLog(newLogger(&cfg, p.stderr))
			return check(cmd.Context(), machine{p.root}, &cfg, p.stdout)
		}),
	}
	addConfigFlag(cmd.Flags())
	addFlags(cmd.Flags())
	return cmd
}

// checkup is all that check found.
type checkup struct {
	target   int64 // connections wanted; 0: no number
	findings []finding
	first    *finding // that limits connections first; nil if none could be read
}

func check(ctx context.Context, m machine, cfg *Config, out io.Writer) error {
	r := examine(ctx, m, cfg)
	if err := r.print(out); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	if r.missed() {
		// The report has said why.
		return exit(exitFailure, nil)
	}
	return nil
}

func examine(ctx context.Context, m machine, cfg *Config) *checkup {
	r := &checkup{target: int64(cfg.TargetConnections)}
	if r.target == 0 {
		r.target = int64(cfg.MaxConnections)
	}
	limits := m.limits(cfg, r.target)
	for i := range limits {
		f := &limits[i]
		if f.connections == unbounded {
			continue
		}
		if r.first == nil || f.connections < r.first.connections {
			r.first = f
		}
		if f.connections < r.target {
			f.verdict = verdictLow
		}
	}
	for i := range limits {
		if f := &limits[i]; f.verdict == verdictOK && f != r.first {
			f.lift = "" // nothing is gained by it
		}
	}
	expected := r.target
	if expected == 0 && r.first != nil {
		expected = r.first.connections
	}
	r.findings = append(r.findings, limits...)
	r.findings = append(r.findings, m.queues(cfg, expected)...)
	r.findings = append(r.findings, m.features(cfg)...)
	r.findings = append(r.findings, finding{name: "settings", value: "valid", connections: unbounded, verdict: verdictOK})
	if cfg.Redis != "" {
		r.findings = append(r.findings, redisFinding(ctx, cfg))
	}
	return r
}

// missed tells whether the target cannot be met.
func (r *checkup) missed() bool {
	return r.first != nil && r.first.connections < r.target
}

func (r *checkup) print(w io.Writer) error {
	out := bufio.NewWriter(w)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tVALUE\tCONNECTIONS\tVERDICT\tTO LIFT IT")
	for _, f := range r.findings {
		connections := "-"
		if f.connections != unbounded {
			connections = fmt.Sprint(f.connections)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", f.name, f.value, connections, f.verdict, orDash(f.lift))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	for _, f := range r.findings {
		if f.note != "" {
			fmt.Fprintf(out, "%s: %s.\n", f.name, f.note)
		}
	}
	fmt.Fprintf(out, "\n%s\n", r.conclusion())
	return out.Flush()
}

// conclusion is the answer in a sentence or two.
func (r *checkup) conclusion() string {
	if r.first == nil {
		return "No limit could be read: is proc mounted?"
	}
	text := fmt.Sprintf("%s limits first: %d connections in one process.", r.first.name, r.first.connections)
	switch {
	case r.target == 0:
		return text + " Set target_connections to have a number checked."
	case r.missed():
		return text + fmt.Sprintf(" The %d wanted cannot be met: lift what is TOO LOW, or run several nodes that share a Redis.", r.target)
	}
	return text + fmt.Sprintf(" The %d wanted can be met.", r.target)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
