package main

// Tables, and sections of a Markdown document.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"barrage/loadtest/probe"
)

// table is rows of cells, the first of which are the columns' titles.
type table [][]string

func (t *table) row(cells ...string) { *t = append(*t, cells) }

// String is the table in Markdown.
func (t table) String() string {
	var b strings.Builder
	for i, cells := range t {
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
		if i == 0 {
			b.WriteString(strings.Repeat("|---", len(cells)) + "|\n")
		}
	}
	return b.String()
}

// aligned pads the columns of a Markdown text's tables, for the terminal.
func aligned(text string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 0, ' ', 0)
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "|") {
			line = strings.ReplaceAll(line, "|", "\t|")
		}
		_, _ = w.Write([]byte(line)) // into memory
	}
	_ = w.Flush() // likewise
	return b.String()
}

// about says what a reader needs to judge the figures, and to get them again.
func (b *bench) about(e probe.Environment, now time.Time) string {
	return fmt.Sprintf("Measured on %s, %d cores (%s), %.0f GiB, %s, Go %s, commit %s, at most %s open files a process; servers and load test share the cores over loopback. With\n\n    %s\n",
		now.Format("2 January 2006"), e.Cores, e.CPU, float64(e.Memory)/(1<<30), e.Kernel, strings.TrimPrefix(e.Go, "go"), e.Commit,
		thousands(float64(e.NoFile)), strings.Join(append([]string{"go run ./loadtest/bench " + b.scenario}, b.given...), " "))
}

// write puts a section into the document, if there is to be one.
func (b *bench) write(section string) error {
	if b.document == "" {
		return nil
	}
	document, err := os.ReadFile(b.document)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text, err := replaceSection(string(document), b.scenario, section)
	if err != nil {
		return fmt.Errorf("%s: %w", b.document, err)
	}
	if err := os.WriteFile(b.document, []byte(text), 0o644); err != nil {
		return err
	}
	fmt.Println("written:", b.document)
	return nil
}

// replaceSection puts section between the scenario's marks in document and leaves
// all else as it is. A document without marks gets them at its end.
func replaceSection(document, scenario, section string) (string, error) {
	beginMark, endMark := marks(scenario)
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

func marks(scenario string) (begin, end string) {
	return "<!-- bench-" + scenario + ":begin -->", "<!-- bench-" + scenario + ":end -->"
}

// commit is of the work tree; a tree with changes is told.
func commit(ctx context.Context) string {
	hash, err := output(ctx, "git", "rev-parse", "--short", "HEAD")
	if err != nil {
		return "unknown"
	}
	if changes, err := output(ctx, "git", "status", "--porcelain", "--untracked-files=no"); err != nil || changes != "" {
		hash += " with changes"
	}
	return hash
}
