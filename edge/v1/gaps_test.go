// What a node that is too far behind tells its members.

package v1_test

import (
	"strings"
	"testing"

	"barrage/edge"
	"barrage/edge/edgetest"
	"barrage/edge/publish"
	"barrage/internal/broker"
)

// TestOverloadIsToldOf: what a node that is too far behind does not take is a gap
// for its members, in its place.
func TestOverloadIsToldOf(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) {
		c.Shards, c.History = 1, broker.Rules{{Pattern: "*", Retention: broker.Retention{Messages: 10, Age: edgetest.Patience}}}
	})
	c := joinJSON(t, s, "/ws?room=a&room=b")
	c.push("joined")
	c.push("joined")
	busy, rest := make(chan struct{}), make(chan struct{})
	s.Node.Loops.All()[0].Do(func() { close(busy); <-rest })
	<-busy
	filling, n := strings.Repeat("\x01", 64<<10), 0 // six times as long in JSON
	say := func(text string) (refused bool) {
		before := s.Node.Publisher.Refused.Of(publish.Overload)
		edgetest.PublishTo(t, s, "a", text)
		n++
		return s.Node.Publisher.Refused.Of(publish.Overload) > before
	}
	for refused := 0; refused < 3; {
		if say(filling) {
			refused++
		}
		if n > 10000 {
			t.Fatal("nothing was refused")
		}
	}
	edgetest.PublishTo(t, s, "b", "of the other room")
	close(rest)
	edgetest.WaitFor(t, "the shard to catch up", func() bool { return !say("the last") })
	told := false
	for next := 1.0; next <= float64(n); {
		v := c.object()
		switch {
		case v["room"] == "b":
		case v["push"] == "message" && v["offset"] == next:
			next++
		case v["push"] == "gap" && v["from"] == next:
			next = v["to"].(float64) + 1
			told = told || v["reason"] == "overloaded"
		default:
			t.Fatalf("got %.200v, want offset %v", v, next)
		}
	}
	if !told {
		t.Error("nobody was told that the server was overloaded")
	}
	if s.Delivery.Pending() > 1 {
		t.Errorf("%d rooms have gaps to tell of, want at most room b's", s.Delivery.Pending())
	}
}
