// The tables of docs/loadtest.md are what the program takes.

package plan

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"barrage/internal/settings"
)

const docsPath = "../../docs/loadtest.md"

var update = flag.Bool("update", false, "write the tables into "+docsPath)

// settingsTable is a Markdown table of all settings.
func settingsTable() string {
	var b strings.Builder
	b.WriteString("| flag | key in YAML | default | meaning |\n|---|---|---|---|\n")
	for _, s := range rows {
		if s.Group != "" {
			fmt.Fprintf(&b, "| **%s** | | | |\n", s.Group)
		}
		flag, value := "", settings.Format(s.Default)
		if s.Flag != settings.NoFlag {
			flag = "`--" + s.FlagName() + "`"
		}
		if value != "" {
			value = "`" + value + "`"
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", flag, s.Key, value, s.Help)
	}
	return b.String()
}

// presetsTable is a Markdown table of the presets.
func presetsTable() string {
	var b strings.Builder
	b.WriteString("| `--preset` | server | path of `--url` | when open, a viewer sends | messages go to |\n|---|---|---|---|---|\n")
	for _, s := range presets() {
		onOpen, port := s.onOpen, "the same port"
		if onOpen == "" {
			onOpen = "nothing"
		}
		if s.publishPort != "" {
			port = "port " + s.publishPort
		}
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s | POST `%s`, %s |\n", s.name, s.about, s.path, onOpen, s.publishPath, port)
	}
	fmt.Fprintf(&b, "| `%s` | any other | `/` | nothing | nowhere |\n", presetNone)
	return b.String()
}

// between replaces what is between two marks, each on a line of its own.
func between(t *testing.T, text, name, table string) string {
	t.Helper()
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->\n"
	head, rest, ok1 := strings.Cut(text, begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("the marks around the table of %s are gone", name)
	}
	return head + begin + table + end + tail
}

// TestDocsTables keeps two tables of docs/loadtest.md at what the program takes.
func TestDocsTables(t *testing.T) {
	text, err := os.ReadFile(docsPath)
	if err != nil {
		t.Fatal(err)
	}
	want := between(t, string(text), "settings", settingsTable())
	want = between(t, want, "presets", presetsTable())
	if *update {
		if err := os.WriteFile(docsPath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(text) != want {
		t.Errorf("%s differs from the program: run go test ./loadtest/plan -run TestDocsTables -update", docsPath)
	}
}
