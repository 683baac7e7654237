package share

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"barrage/internal/doctable"
)

var update = flag.Bool("update", false, "write the tables to docs/limits.md")

func TestDocument(t *testing.T) {
	var b strings.Builder
	b.WriteString("| kind | weight | is |\n|---|---|---|\n")
	for _, c := range Classes {
		fmt.Fprintf(&b, "| %s | %d | %s |\n", c.Name, c.Weight, c.What)
	}
	doctable.Hold(t, "../../docs/limits.md", *update, map[string]string{"turns": b.String()})
}
