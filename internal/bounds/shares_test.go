package bounds_test

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"barrage/internal/bounds"
	"barrage/internal/fair"
)

// TestSharesInWords: what the documents say that one alone may have is what they get.
func TestSharesInWords(t *testing.T) {
	t.Parallel()
	ann := fair.Owner{Address: netip.MustParseAddr("192.0.2.1"), User: "ann"}
	places := func(most int64) (n int) {
		for p := fair.NewPlaces(most); p.Take(ann, 1); n++ {
		}
		return n
	}
	slots := func(routes int) (n int) {
		for s := fair.NewSlots[string](bounds.RequestSlots, routes); s.Take(1, "m", ann.User, ann.Address); n++ {
		}
		return n
	}
	for file, want := range map[string]string{
		"limits.md":   fmt.Sprintf("one user alone has a third (%d workers, %d methods)", places(bounds.Workers), places(bounds.WorkerPatterns)),
		"webhooks.md": fmt.Sprintf("(one alone gets %d, or with several routes %d)", slots(1), slots(2)),
	} {
		text, err := os.ReadFile("../../docs/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(strings.Join(strings.Fields(string(text)), " "), want) {
			t.Errorf("%s does not say %q", file, want)
		}
	}
}
