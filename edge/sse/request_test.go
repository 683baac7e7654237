// Positions, as requests bring them.

package sse

import (
	"strings"
	"testing"

	"barrage/internal/broker"
)

// FuzzPosition: whatever is taken for a position is one that an event's id could be, and
// comes back as it was.
func FuzzPosition(f *testing.F) {
	for _, text := range []string{
		"", ":", "kq3v:0", "kq3v:1", "a:b:2", "kq3v:", ":1", "kq3v:-1", "kq3v:+1", "kq3v:01", "kq3v:1 ", "kq3v:18446744073709551615", "kq3v:18446744073709551616",
		"a b:1", "a\x7f:1", "é:1", "a\n:1", strings.Repeat("e", maxEpoch) + ":1", strings.Repeat("e", maxEpoch+1) + ":1",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, ok := parsePosition(text)
		if !ok {
			return
		}
		id, found := strings.CutPrefix(string(appendID(nil, at)), "id: ")
		id, ended := strings.CutSuffix(id, "\n")
		if again, ok := parsePosition(id); !found || !ended || !ok || again != at || strings.ContainsAny(id, "\r\n\x00") {
			t.Errorf("%q is %+v, which is %q, which is %+v, %v", text, at, id, again, ok)
		}
		if len(at.Epoch) > maxEpoch || !strings.HasPrefix(text, at.Epoch+":") {
			t.Errorf("%q has the epoch %q", text, at.Epoch)
		}
		if at == (broker.Position{}) {
			t.Errorf("%q is no position", text)
		}
	})
}
