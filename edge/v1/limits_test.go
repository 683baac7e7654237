package v1

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"barrage/internal/doctable"
)

var update = flag.Bool("update", false, "write the table of prices to docs/limits.md")

func TestPrices(t *testing.T) {
	var b strings.Builder
	b.WriteString("| command | pings |\n|---|---|\n")
	for _, c := range commands {
		fmt.Fprintf(&b, "| `%s` | %d |\n", c.name, c.price)
	}
	doctable.Hold(t, "../../docs/limits.md", *update, map[string]string{"prices": b.String()})
}

// TestCut: of a page's messages as many as have room, from either end.
func TestCut(t *testing.T) {
	l := messages{[]byte("1"), []byte("22"), []byte("333"), []byte("4444")}
	for _, x := range []struct{ bytes, least, first, last int }{
		{0, 0, 0, 4}, {0, 1, 1, 3}, {1, 0, 1, 4}, {3, 0, 2, 4}, {4, 1, 2, 3}, {7, 0, 3, 2}, {9, 0, 3, 1}, {10, 0, 4, 0}, {99, 1, 4, 0},
	} {
		if f, n := l.first(x.bytes, x.least), l.last(x.bytes, x.least); f != x.first || n != x.last {
			t.Errorf("%d bytes, %d at least: %d and %d, want %d and %d", x.bytes, x.least, f, n, x.first, x.last)
		}
	}
	if (messages{}).first(9, 1) != 0 || (messages{}).last(9, 1) != 0 {
		t.Error("something of nothing")
	}
}
