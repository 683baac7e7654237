// The summary, against golden files.

package report

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"barrage/loadtest/tally"
)

var update = flag.Bool("update", false, "write the golden files, and the table of docs/loadtest.md, anew")

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; if it should, run go test -update\ngot:\n%s\nwant:\n%s", name, got, want)
	}
}

var samples = map[string]func() *Report{"sample": sample, "troubled": troubled, "search": search, "batches": batches, "idle": idle}

func TestSummary(t *testing.T) {
	for name, make := range samples {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Summary(&b, make()); err != nil {
				t.Fatal(err)
			}
			golden(t, name, b.String())
			for line := range strings.SplitSeq(b.String(), "\n") {
				if n := utf8.RuneCountInString(line); n > pageWidth {
					t.Errorf("%d characters: %s", n, line)
				}
			}
			if n := strings.Count(b.String(), "\n"); name != "troubled" && n > 24 {
				t.Errorf("%d lines", n)
			}
			if strings.Contains(b.String(), "\x1b") {
				t.Error("escape sequences")
			}
		})
	}
}

func TestColorSummary(t *testing.T) {
	var color, mono bytes.Buffer
	if err := errors.Join(ColorSummary(&color, troubled()), Summary(&mono, troubled())); err != nil {
		t.Fatal(err)
	}
	text := color.String()
	if !strings.Contains(text, red+"FAIL"+reset) || !strings.Contains(text, green+"PASS"+reset) {
		t.Error("no colors")
	}
	for _, code := range []string{bold, red, green, yellow, reset} {
		text = strings.ReplaceAll(text, code, "")
	}
	if text != mono.String() {
		t.Error("other text in color")
	}
}

// TestHostileTarget: what a target answers must not steer the terminal.
func TestHostileTarget(t *testing.T) {
	r := sample()
	evil := "\x1b]0;owned\a\x1b[2J\r\n" + strings.Repeat("x", 1000) + "\xff"
	r.Scenario, r.Plan.URLs[0], r.Warnings = evil, evil, []string{evil}
	r.Connections.Failures = map[string]uint64{evil: 1}
	r.Messages.PublishErrors = map[string]uint64{evil: 1}
	r.Asserts = []Assert{{Expr: evil, Found: evil}}
	r.Find = &Find{What: evil, SLO: evil, Broke: evil, Limit: evil, Advice: []string{evil}}
	r.Client.BottleneckReason, r.Client.Bottleneck = evil, true
	r.Client.Agents = []Agent{{Name: evil, RTTUS: 1e9}}
	r.Server.Unanswered, r.Server.UnansweredError = 1, evil
	r.Judge()
	var b bytes.Buffer
	if err := Summary(&b, r); err != nil {
		t.Fatal(err)
	}
	if i := strings.IndexFunc(b.String(), func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f || r == utf8.RuneError }); i >= 0 {
		t.Errorf("%q", b.String()[max(0, i-20):i+20])
	}
}

type failingWriter struct{ error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.error }

func TestWriteErrors(t *testing.T) {
	w := failingWriter{errors.New("disk full")}
	for name, err := range map[string]error{
		"summary": Summary(w, sample()), "JSON": WriteJSON(w, sample()),
	} {
		if !errors.Is(err, w.error) || !strings.HasPrefix(err.Error(), "report: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEmptyReport: nothing in a report is needed to show it.
func TestEmptyReport(t *testing.T) {
	r := &Report{Latency: Latency{Histogram: tally.NewHistogram()}, Find: &Find{}}
	r.Judge()
	var b bytes.Buffer
	if err := errors.Join(Summary(&b, r), WriteHTML(&b, r), WriteJSON(&b, r)); err != nil {
		t.Error(err)
	}
	r.Values()
}
