package hooks

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// loop runs what is posted, on the test's goroutine.
type loop chan func()

func (l loop) post(f func()) { l <- f }

// TestLine: messages go in their order, whoever is asked; the line is bounded, and what
// waits is paid for until it goes or the connection ends.
func TestLine(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) { <-goOn })
	h, _ := newHooks(t, Config{Publish: Rules{URLs: map[string]string{"mod": b.URL}}})
	var l Line
	posts := make(loop, 2*bounds.HookMessages)
	var got []string
	out := func(m *broker.Publication, err error) { got = append(got, string(m.Payload)) }
	add := func(room, text string) error {
		return l.Publish(h, from(1), &broker.Publication{Room: room, Payload: []byte(text)}, posts.post, out)
	}
	if err := add("free", "0"); err != nil || !l.Empty() || !slices.Equal(got, []string{"0"}) {
		t.Fatalf("nobody is asked: %v, %v", got, err)
	}
	for n := range bounds.HookMessages {
		room := "mod"
		if n%2 == 1 {
			room = "free"
		}
		if err := add(room, fmt.Sprint(n+1)); err != nil {
			t.Fatal(err)
		}
	}
	if no := refusal.Of(add("free", "over")); no == nil || no.Code() != "overloaded" || no.RetryAfter() == 0 {
		t.Errorf("got %v", no)
	}
	if len(got) != 1 || l.Empty() || h.slots.Used() < bounds.HookMessages*questionCost {
		t.Errorf("%v went before their turn; %d bytes are taken", got, h.slots.Used())
	}
	close(goOn)
	for !l.Empty() {
		(<-posts)()
	}
	if len(got) != 1+bounds.HookMessages {
		t.Errorf("got %v", got)
	}
	for n, text := range got {
		if text != fmt.Sprint(n) {
			t.Fatalf("%d: got %s", n, text)
		}
	}
	waitFor(t, "all to be given back", func() bool { return h.slots.Used() == 0 })

	b.set(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	_ = add("mod", "of one who is gone")
	waiting := add("free", "too")
	l.Close()
	if waiting != nil || len(got) != 1+bounds.HookMessages || !l.Empty() {
		t.Errorf("after the end: %v", got)
	}
	(<-posts)() // the answer, too late
	waitFor(t, "all to be given back", func() bool { return h.slots.Used() == 0 })
	if len(got) != 1+bounds.HookMessages {
		t.Errorf("after the end: %v", got[bounds.HookMessages:])
	}
}

// TestLineShares: what does not fit into the share of who publishes is refused.
func TestLineShares(t *testing.T) {
	t.Parallel()
	h, _ := newHooks(t, Config{Publish: Rules{URLs: map[string]string{"mod": "http://127.0.0.1:1"}}})
	for h.slots.Take(64<<10, h.lines, "", from(1).Address) { // what it has waiting on other connections
	}
	m := &broker.Publication{Room: "free", Payload: make([]byte, 64<<10)}
	var flood, other Line
	if err := flood.Publish(h, from(1), m, nil, nil); resultOf(err) != Overloaded || !flood.Empty() {
		t.Errorf("an address has more than its share: %v", err)
	}
	went := false
	if err := other.Publish(h, from(2), m, nil, func(*broker.Publication, error) { went = true }); err != nil || !went {
		t.Errorf("another address: %v", err)
	}
}
