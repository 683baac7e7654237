package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestMetricsAreDocumented: every metric stands in docs/interfaces.md, and nothing
// else does.
func TestMetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/interfaces.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Metrics\n")
	section, _, _ = strings.Cut(section, "\n## ")
	documented := make(map[string]bool)
	for line := range strings.SplitSeq(section, "\n") {
		if cells := strings.Split(line, "|"); len(cells) > 2 {
			for _, m := range regexp.MustCompile("`([a-z_]+)[`{]").FindAllStringSubmatch(cells[1], -1) {
				documented[m[1]] = true
			}
		}
	}
	made := metricNames(t)
	for name := range made {
		if !documented[name] {
			t.Errorf("docs/interfaces.md lacks %s", name)
		}
	}
	for name := range documented {
		if !made[name] {
			t.Errorf("docs/interfaces.md has %s, which there is not", name)
		}
	}
	if len(made) < 40 {
		t.Errorf("found %d metrics only", len(made))
	}
}

// metricNames finds them in the server's source: which ones a server shows depends
// on what has happened to it.
func metricNames(t *testing.T) map[string]bool {
	t.Helper()
	names, made := make(map[string]bool), regexp.MustCompile(`\b(?:desc\(|gauge\(ch, |counters?\(ch, )"([a-z_]+)"|"barrage_([a-z_]+)"`)
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "loadtest" || d.Name() == ".git" || d.Name() == "node_modules"):
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(path)
		for _, m := range made.FindAllStringSubmatch(string(source), -1) {
			names[m[1]+m[2]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
