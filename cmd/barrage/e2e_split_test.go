package main

// Two nodes are split from each other, not from their viewers: nodes know each
// other by Redis alone, so one of them loses it.

import (
	"fmt"
	"strings"
	"testing"

	"barrage/frame"
)

// split is two nodes, the second of which reaches Redis by a network that can be
// cut.
type split struct {
	t        *testing.T
	wire     *network
	nodes    [2]*child
	ann, bob *member    // on the first and on the second node
	raw      [2]*viewer // likewise
	at       [2]uint64  // how far ann and bob have got in the history
}

func nodesSplit(t *testing.T, bin binary) {
	r := startedRedis(t)
	s := &split{t: t, wire: newNetwork(t, r.Addr)}
	// However slow the machine is, Redis is well for the first.
	s.nodes[0] = bin.serveNamed(t, r.url(), "--redis-timeout=20s")
	s.nodes[1] = bin.serveNamed(t, s.wire.url(), "--redis-timeout=1s")
	for i, n := range s.nodes {
		n.waitReady()
		s.raw[i] = n.watch("salon", fmt.Sprint("raw", i))
	}
	s.ann, s.bob = s.nodes[0].member("ann"), s.nodes[1].member("bob")
	s.ann.enter("salon")
	s.bob.enter("salon")
	s.round("reset", s.wire.cutOff)
	s.round("swallowed", s.wire.swallow)
}

// round cuts the second node off in one way, has people talk on both sides, and
// mends.
func (s *split) round(name string, cut func()) {
	t := s.t
	first, second := s.nodes[0], s.nodes[1]
	say := func(what string) string { return name + ": " + what }
	s.wantPresent("ann", "bob", "raw0", "raw1")
	s.ann.say("salon", say("together"))
	for i, m := range []*member{s.ann, s.bob} {
		s.at[i] = m.wantTexts("salon", say("together")).Offset
	}

	cut()
	// Published before the outage is noticed: Redis may still execute it.
	if got := s.bob.say("salon", say("early")); !got.LocalOnly {
		t.Errorf("%s: published into the split: %+v", name, got)
	}
	await(t, "the second node to notice", func() bool { ok, _ := second.ready(); return !ok })
	if ok, reasons := first.ready(); !ok {
		t.Errorf("%s: the first node is not ready: %q", name, reasons)
	}
	// Each side serves its own people.
	here := s.ann.say("salon", say("here"))
	if here.Offset == 0 || here.LocalOnly {
		t.Errorf("%s: with Redis: %+v", name, here)
	}
	if there := s.bob.say("salon", say("there")); !there.LocalOnly || there.Offset != 0 {
		t.Errorf("%s: without Redis: %+v", name, there)
	}
	s.raw[0].mustSend(frame.Text, say("raw here"))
	s.raw[1].mustSend(frame.Text, say("raw there"))
	s.at[0] = s.ann.wantTexts("salon", say("here"), say("raw here")).Offset
	s.bob.wantTexts("salon", say("early"), say("there"), say("raw there"))
	// People come and go, and write to each other.
	carl := second.member("carl")
	carl.enter("salon")
	s.ann.ask(fmt.Sprintf(`"cmd":"publish","to":"bob","data":%q`, say("to bob")))
	// It could not wait for ann, so bob is told.
	s.bob.wantError(fmt.Sprintf(`"cmd":"publish","to":"ann","data":%q,"key":%q`, say("to ann"), name), "unavailable")

	s.wire.mend()
	second.waitReady()
	s.healed(name, say)
	s.wantPresent("ann", "bob", "carl", "raw0", "raw1")
	_ = carl.conn.Close()
}

// healed looks at what both sides get in the end: all that is in the history, once
// and in order, and nothing twice.
func (s *split) healed(name string, say func(string) string) {
	t := s.t
	s.bob.await(name+": bob to reach ann", fmt.Sprintf(`"cmd":"publish","to":"ann","data":%q,"key":%q`, say("to ann"), name),
		func(o v1Object) bool { return o.OK != nil })
	s.ann.wantInbox(say("to ann"))
	s.bob.wantInbox(say("to bob"))
	s.bob.say("salon", say("end"))
	mine, missing := s.ann.upTo("salon", say("end"), s.at[0])
	theirs, without := s.bob.upTo("salon", say("end"), s.at[1])
	// Places are without a hole, but for those of what bob had when it had none.
	if missing != 0 || without != len(mine) {
		t.Errorf("%s: ann misses %d places, bob %d beside what came late to ann: %q", name, missing, without, mine)
	}
	late := map[string]bool{say("early"): true, say("there"): true, say("raw there"): true}
	for i, texts := range [][]string{mine, theirs} {
		noneTwice(t, fmt.Sprintf("%s: viewer %d", name, i), texts)
	}
	// What bob has had already came to ann late, if Redis got it at all.
	for _, text := range mine {
		if !late[text] {
			t.Errorf("%s: ann got %q", name, text)
		}
	}
	if got := strings.Join(theirs, ", "); got != say("here")+", "+say("raw here") {
		t.Errorf("%s: bob missed only ann's side, and got %q", name, got)
	}
	t.Logf("%s: after the split ann got %q", name, mine)
	for i, v := range s.raw {
		texts := v.mustUntil(say("end"))
		times := noneTwice(t, fmt.Sprintf("%s: raw viewer %d", name, i), texts)
		for _, text := range []string{"together", "here", "raw here"} {
			if times[say(text)] != 1 {
				t.Errorf("%s: raw viewer %d got %q", name, i, texts)
			}
		}
	}
	for i, n := range s.nodes {
		if got := n.metrics().sum("barrage_redis_gaps_total"); got != 0 {
			t.Errorf("%s: %v gaps on node %d", name, got, i)
		}
	}
}

// upTo returns the room's texts before the last, and how many places between at and
// there nothing came for.
func (m *member) upTo(room, last string, at uint64) (texts []string, missing int) {
	m.t.Helper()
	for {
		got := m.push("message", room)
		if got.Offset <= at {
			m.t.Fatalf("%s got %q at %d, behind %d", m.welcome.User, got.text(), got.Offset, at)
		}
		missing += int(got.Offset - at - 1)
		if at = got.Offset; got.text() == last {
			return texts, missing
		}
		texts = append(texts, got.text())
	}
}

// wantInbox asserts the next direct message, whether it comes as such or with the
// inbox.
func (m *member) wantInbox(text string) {
	m.t.Helper()
	room := "user:" + m.welcome.User
	for {
		for i, o := range m.pushes {
			if o.Room != room {
				continue
			}
			m.pushes = append(m.pushes[:i:i], m.pushes[i+1:]...)
			if o.Push == "message" {
				o.Messages = []v1Fields{o.v1Fields}
			}
			if len(o.Messages) != 1 || o.Messages[0].text() != text {
				m.t.Fatalf("%s's inbox: %+v, want %q", m.welcome.User, o, text)
			}
			return
		}
		o, ok := m.object()
		if !ok || o.Push == "" {
			m.t.Fatalf("waiting for %q: %+v", text, o)
		}
		m.pushes = append(m.pushes, o)
	}
}

// wantPresent waits until both nodes know who is there.
func (s *split) wantPresent(names ...string) {
	s.t.Helper()
	for _, n := range s.nodes {
		n.waitPresent("salon", names...)
	}
}
