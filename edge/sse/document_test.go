package sse_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"barrage/edge/edgetest"
)

// TestDocument: a stream has the events that docs/protocol.md shows, with the same members.
func TestDocument(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/protocol.md")
	edgetest.Must(t, err)
	_, rest, found := strings.Cut(string(doc), "```events\n")
	example, _, _ := strings.Cut(rest, "```")
	if !found {
		t.Fatal("there is no example")
	}
	s := edgetest.Start(t, remembering(10))
	c := ask(t, s, get("/sse?room=news"))
	actions := map[string]func(){
		"joined": func() { edgetest.PublishTo(t, s, "news", "one") },
		"":       func() { go func() { _ = s.Drain(t.Context(), 0) }() }, // ends with the test at the latest
	}
	for _, lines := range strings.Split(strings.TrimSpace(example), "\n\n") {
		want, got := parse(t, lines), c.next()
		if want.kind != got.kind || (want.id == "") != (got.id == "") || (want.retry == "") != (got.retry == "") {
			t.Errorf("got %+v, the document has %+v", got, want)
		}
		if want.data == "" {
			continue
		}
		members := func(e event) []string {
			all := slices.Sorted(maps.Keys(decode(t, e)))
			return slices.DeleteFunc(all, func(name string) bool { return name == "wait" }) // if it is not 0
		}
		if !slices.Equal(members(want), members(got)) {
			t.Errorf("got %s, the document has %s", got.data, want.data)
		}
		if do := actions[got.kind]; do != nil {
			do()
		}
	}
	c.wantEnd()
}

// parse reads an event of the document.
func parse(t *testing.T, lines string) (e event) {
	t.Helper()
	for line := range strings.Lines(lines) {
		field, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch field {
		case "event":
			e.kind = value
		case "id":
			e.id = value
		case "retry":
			e.retry = value
		case "data":
			e.data = value
		default:
			t.Fatalf("the document has the line %q", line)
		}
	}
	return e
}
