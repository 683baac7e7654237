// Keeps the table of figures in docs/loadtest.md at what the program takes.

package report

import (
	"fmt"
	"strings"
	"testing"

	"barrage/internal/doctable"
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

func TestLoadDocsTables(t *testing.T) {
	doctable.Hold(t, loadDocsPath, *update, map[string]string{"figures": figuresTable()})
}
