package redisbridge

import (
	"strings"
	"testing"
	"time"
)

// TestNeighbours: deployments on one Redis that do not go together are told of on both
// sides, or on the one that hears too much.
func TestNeighbours(t *testing.T) {
	s := startRedis(t)
	config := func(prefix, database, history string) Config {
		cfg := kept(calmConfig(s.URL()+"/"+database), plenty)
		cfg.Prefix, cfg.History = prefix, history
		return cfg
	}
	start := func(prefix, database, history string) *node { return healthyNode(t, config(prefix, database, history)) }
	says := func(n *node, text string) {
		t.Helper()
		eventually(t, "it says "+text, func() bool {
			list := n.Concerns()
			return len(list) == 1 && strings.Contains(list[0], text)
		})
	}
	first := start("room:", "0", "a=1")
	same := start("room:", "0", "a=1")
	other := start("app:", "1", "a=2") // its own
	t.Run("histories", func(t *testing.T) {
		third := healthyNode(t, config("room:", "0", "a=2"))
		says(third, "keeps other histories than this one, a=1 instead of a=2")
		says(first, "keeps other histories than this one, a=2 instead of a=1")
		says(same, "keeps other histories")
	})
	if list := other.Concerns(); len(list) != 0 {
		t.Errorf("who has another prefix: %q", list)
	}
	a, b := start("x:", "0", ""), start("x:", "3", "")
	says(a, `database 3 of this redis has our redis_prefix, "x:"`)
	says(b, `database 0 of this redis has our redis_prefix, "x:"`)
}

// TestNestedPrefixes: of two deployments one of which has a prefix that begins with the
// other's, none hears the other, nor do they share keys, whatever the rooms are called.
func TestNestedPrefixes(t *testing.T) {
	s := startRedis(t)
	outer, inner := kept(calmConfig(s.URL()), plenty), kept(calmConfig(s.URL()), plenty)
	inner.Prefix = "room:eu:"
	a := healthyNode(t, outer)
	b := healthyNode(t, inner)
	eventually(t, "the outer one knows", func() bool {
		list := a.Concerns()
		return len(list) == 1 && strings.Contains(list[0], `redis_prefix "room:eu:", which begins with ours, "room:"`)
	})
	room := ""
	for i := 0; room == ""; i++ { // one of the same partition in both
		if name := strings.Repeat("x", i+1); a.names.partition("eu:"+name) == b.names.partition(name) {
			room = name
		}
	}
	a.join("eu:" + room)
	b.join(room)
	if a.names.message("eu:"+room) == b.names.message(room) || a.names.meta("eu:"+room) == b.names.meta(room) || a.names.log("eu:"+room) == b.names.log(room) {
		t.Error("they share names")
	}
	for _, n := range []struct {
		*node
		room, payload string
	}{{a, "eu:" + room, "of the outer"}, {b, room, "of the inner"}} {
		if r, err := n.publish(n.room, n.payload); err != nil || r.Position.Offset != 1 {
			t.Errorf("%s: %+v, %v", n.payload, r, err)
		}
	}
	s.say("room:eu:"+room, "plain")
	b.waitFor("plain")
	s.say("room:eu:"+room, "last")
	b.waitFor("last")
	a.setMembers("end", 1)
	a.join("end")
	s.say("room:end", "end")
	a.waitFor("end")
	if a.times("of the inner")+a.times("plain")+a.times("last")+b.times("of the outer") != 0 || a.times("of the outer") != 1 || b.times("of the inner") != 1 {
		t.Errorf("the outer one got %+v, the inner one %+v", a.deliveries(), b.deliveries())
	}
}

// TestNeighbourGoes: one that says nothing any more, or something else, is no concern.
func TestNeighbourGoes(t *testing.T) {
	var l neighbours
	us := &neighbour{Prefix: "a:"}
	longer := &neighbour{Node: "1", Prefix: "a:b:"}
	if news := l.note(longer, us, 1); news == "" || !l.others("a:b:c") || l.others("a:c") || len(l.texts(1)) != 1 {
		t.Errorf("%q, %q", news, l.texts(1))
	}
	if news := l.note(&neighbour{Node: "2", Prefix: "a:b:"}, us, time.Second); news != "" {
		t.Errorf("said again: %q", news)
	}
	l.note(&neighbour{Node: "1", Prefix: "a:"}, us, time.Second)
	if !l.others("a:b:c") {
		t.Error("one of two is forgotten with the other")
	}
	later := time.Second + forgottenAfter + 1
	if list := l.texts(later); len(list) != 0 {
		t.Errorf("%q after a long silence", list)
	}
	l.note(&neighbour{Node: "3", Prefix: "a:"}, us, later)
	if l.others("a:b:c") || len(l.heard) != 0 {
		t.Error("who said nothing for long is not forgotten")
	}
}
