// Keeps the table of figures in docs/loadtest.md at what the program takes.

package report

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const loadDocsPath = "../../docs/loadtest.md"

// figuresTable writes the names for --assert and --slo as a table.
func figuresTable() string {
	var b strings.Builder
	b.WriteString("| name | unit | meaning |\n|---|---|---|\n")
	for _, d := range figures {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", d.Name, d.Unit, d.Meaning)
	}
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

func TestLoadDocsTables(t *testing.T) {
	text, err := os.ReadFile(loadDocsPath)
	if err != nil {
		t.Fatal(err)
	}
	want := between(t, string(text), "figures", figuresTable())
	if *update {
		if err := os.WriteFile(loadDocsPath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(text) != want {
		t.Errorf("%s differs from the program: run go test ./loadtest/report -run TestLoadDocsTables -update", loadDocsPath)
	}
}
