// How a test was called and what it tells: the command line, the summary, the
// files.

package loadtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"barrage/loadtest/report"
)

// ErrUnmet is of a test that ran and found that a condition (--assert) does not
// hold. The summary has said which.
var ErrUnmet = errors.New("loadtest: a condition does not hold")

// Output is where a test shows what it does and what it found.
type Output struct {
	Summary io.Writer
	Color   bool // of the summary
	Live    io.Writer
	Plain   bool // lines instead of the live view
}

// Run runs the test and shows what it found.
func (s *Settings) Run(ctx context.Context, o *Options, out Output) error {
	live := report.NewLive(out.Live, !s.plain && !out.Plain)
	o.View = live.Update
	r, err := Run(ctx, *o)
	live.Close()
	if r == nil {
		return err
	}
	if werr := s.show(r, out); werr != nil {
		return errors.Join(err, werr)
	}
	if err == nil && slices.ContainsFunc(r.Asserts, func(a report.Assert) bool { return !a.OK }) {
		return ErrUnmet
	}
	return err
}

func (s *Settings) show(r *report.Report, out Output) error {
	summary := report.Summary
	if out.Color {
		summary = report.ColorSummary
	}
	if err := summary(out.Summary, r); err != nil {
		return fmt.Errorf("loadtest: write the summary: %w", err)
	}
	for _, f := range []struct {
		name  string
		write func(io.Writer, *report.Report) error
	}{{s.json, report.WriteJSON}, {s.html, report.WriteHTML}} {
		if f.name == "" {
			continue
		}
		if err := toFile(f.name, func(w io.Writer) error { return f.write(w, r) }); err != nil {
			return fmt.Errorf("loadtest: write the report: %w", err)
		}
	}
	return nil
}

func toFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// Flags that are secrets, and those that are headers, which may be: which of them
// are cannot be told.
var (
	secretFlags = []string{"--secret", "--admin-token", "--token"}
	headerFlags = []string{"--header", "--publish-header", "--metrics-header"}
)

// withoutSecret is the value of a flag as others may see it.
func withoutSecret(flag, value string) string {
	switch {
	case slices.Contains(secretFlags, flag):
		return "..."
	case slices.Contains(headerFlags, flag):
		if name, _, ok := strings.Cut(value, ":"); ok {
			return name + ": ..."
		}
		return "..."
	}
	return report.Redact(value)
}

// commandLine is how the test is run again, without its secrets.
func commandLine(args []string) string {
	line := []string{"barrage"}
	for i, a := range args {
		flag, value, joined := strings.Cut(a, "=")
		switch {
		case strings.HasPrefix(a, "--") && joined:
			a = flag + "=" + withoutSecret(flag, value)
		case i > 0 && !strings.HasPrefix(a, "--"):
			a = withoutSecret(args[i-1], a)
		}
		if strings.ContainsAny(a, " \t\"'$&|;<>*?(){}[]\\") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		line = append(line, a)
	}
	return strings.Join(line, " ")
}
