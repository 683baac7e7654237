// Clients that ask too much, or do not read what they asked for.

package v1_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/conn"
	"barrage/edge/edgetest"
	"barrage/edge/share"
	"barrage/frame"
	"barrage/internal/bounds"
	"barrage/internal/broker"
)

// TestCommandFloods end as floods of raw messages do, whatever they consist of,
// and move nobody else.
func TestCommandFloods(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ name, command string }{
		{"pings", `{"cmd":"ping"}`},
		{"unknown commands", `{"id":1,"cmd":"dance"}`},
		{"no JSON", `x`},
		{"histories", `{"id":1,"cmd":"history","room":"a"}`},
		{"publishes", `{"id":1,"cmd":"publish","room":"b","data":1}`},
		{"joins and leaves", `{"cmd":"join","room":"c","leave":"c"}`},
		{"tokens", `{"cmd":"auth","token":"x"}`},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			s := edgetest.Start(t, func(c *edge.Config) { c.PublishRate, c.PublishBurst = 10, 20; withAuth(t, c); c.Anonymous = true })
			neighbour, c := joinJSON(t, s, "/ws?room=a"), joinJSON(t, s, "/ws")
			neighbour.push("joined")
			one := frame.AppendMasked(nil, frame.Text, edgetest.Mask, []byte(x.command))
			c.Write([]byte(strings.Repeat(string(one), 3000)))
			c.wantBye(frame.ClosePolicy, false)
			_ = c.Conn.Close()
			edgetest.WaitFor(t, "the reason", func() bool { return s.Stats().Closed["flood"] == 1 })
			okOf(t, neighbour.ask(`{"id":1,"cmd":"publish","room":"a","data":"unmoved"}`))
		})
	}
}

// TestPublishRateIsNotTheCommandRate: who may publish much may do so with commands.
func TestPublishRateIsNotTheCommandRate(t *testing.T) {
	t.Parallel()
	const burst = 1000
	s := edgetest.Start(t, func(c *edge.Config) { c.PublishRate, c.PublishBurst = 0.001, burst })
	c := joinJSON(t, s, "/ws?room=a")
	c.push("joined")
	for i := range burst + 1 {
		c.Send(frame.Text, fmt.Sprintf(`{"id":%d,"cmd":"publish","room":"a","data":1}`, i+1))
	}
	replies := c.answers(burst + 1)
	for i := range burst {
		okOf(t, replies[i+1])
	}
	v := replies[burst+1]
	if e, _ := v["error"].(map[string]any); code(v) != "rate_limited" || e["retry_after"].(float64) < 1 {
		t.Errorf("got %v", v)
	}
}

// TestPublishBytes: a message that is longer than may be published is refused by its
// name, and so are bytes over the rate; the connection lives, and other commands may be
// as long as any.
func TestPublishBytes(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) {
		c.PublishRate, c.PublishBurst, c.PublishBytes, c.MaxPublish = 0.001, 6, 1, 4<<10
	})
	c := joinJSON(t, s, "/ws?room=a")
	c.push("joined")
	publish := func(data string) map[string]any {
		return c.ask(`{"id":1,"cmd":"publish","room":"a",` + data + `}`)
	}
	text := strings.Repeat("x", 4<<10)
	for _, data := range []string{`"data":"` + text + `x"`, `"data":["` + text + `"]`, `"base64":"` + strings.Repeat("AAAA", 1366) + `"`} {
		if v := publish(data); code(v) != "too_big" || !strings.Contains(fmt.Sprint(v), "max_publish_bytes") {
			t.Errorf("got %v, want too_big", v)
		}
	}
	if v := c.ask(`{"id":2,"cmd":"request","method":"none","data":"` + strings.Repeat("x", 60<<10) + `"}`); code(v) != "unknown_method" {
		t.Errorf("a long request: %v", v)
	}
	okOf(t, publish(`"data":"`+text+`"`))
	okOf(t, publish(`"data":1`))
	if v := publish(`"data":1`); code(v) != "rate_limited" {
		t.Errorf("got %v, want rate_limited", v)
	}
	if got := s.Stats().Refused; got["too_big"] != 3 || got["rate"] != 1 {
		t.Errorf("refused %v", got)
	}
}

// TestUnreadAnswers: a client that asks for much more than its socket takes, and
// reads late, is not closed for it: each command is answered, with less or with
// "overloaded". The texts are those whose JSON is six times as long.
func TestUnreadAnswers(t *testing.T) {
	t.Parallel()
	const rooms, each = 6, 20
	s := edgetest.Start(t, func(c *edge.Config) {
		c.SendBuffer = 32 << 10
		c.History = broker.Rules{{Pattern: "*", Retention: broker.Retention{Messages: each, Age: time.Hour}}}
	})
	for i := range rooms {
		for range each {
			edgetest.PublishTo(t, s, fmt.Sprint("r", i), strings.Repeat("\x01", 60<<10))
		}
	}
	c := joinJSON(t, s, "/ws")
	_ = c.Conn.SetReadBuffer(64 << 10)
	all := []byte{}
	for i := range rooms {
		for _, command := range []string{`"join","history":1000`, `"history","limit":1000`} {
			text := fmt.Sprintf(`{"id":%d,"cmd":%s,"room":"r%d"}`, i+1, command, i)
			all = frame.AppendMasked(all, frame.Text, edgetest.Mask, []byte(text))
		}
	}
	all = frame.AppendMasked(all, frame.Text, edgetest.Mask, []byte(`{"id":100,"cmd":"ping"}`))
	c.Write(all)
	edgetest.WaitFor(t, "all histories to be read", func() bool {
		return s.Node.Pool.Waiting(share.Join)+s.Node.Pool.Waiting(share.History) == 0 && onLoops(t, s, throttled) == 1
	})
	answers, joined := 0, 0
	for answers < 2*rooms+1 {
		v := c.object()
		answers++
		ok, _ := v["ok"].(map[string]any)
		switch {
		case code(v) == "overloaded", v["id"] == 100.0:
		case ok == nil:
			t.Fatalf("got %.200v", v)
		case ok["connections"] != nil:
			joined++
		}
	}
	if joined != rooms {
		t.Errorf("in %d rooms, want %d", joined, rooms)
	}
	// Having read, it is served as before.
	var answer map[string]any
	edgetest.WaitFor(t, "its answers to be paid for", func() bool {
		answer = c.ask(`{"id":1,"cmd":"history","room":"r1","since":{"epoch":"","offset":0}}`)
		return code(answer) != "rate_limited"
	})
	page := okOf(t, answer)
	if n := len(page["messages"].([]any)); n < 1 || page["more"] != true {
		t.Errorf("%d messages, more: %v", n, page["more"])
	}
	edgetest.WaitFor(t, "reading to go on", func() bool { return onLoops(t, s, throttled) == 0 })
}

// TestAnswersHaveARate: a connection that asks for large histories has so many bytes of
// answers and no more, whatever its commands cost; others get theirs meanwhile.
func TestAnswersHaveARate(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, nil)
	for range 10 {
		edgetest.PublishTo(t, s, "a", strings.Repeat("x", 60<<10))
	}
	c, other := joinJSON(t, s, "/ws"), joinJSON(t, s, "/ws")
	begun, bytes, refused := time.Now(), 0, 0
	for id := range 24 { // as many as the rate of commands allows at once
		v := c.ask(fmt.Sprintf(`{"id":%d,"cmd":"history","room":"a","limit":10}`, id+1))
		if code(v) == "rate_limited" {
			refused++
			if e := v["error"].(map[string]any); e["retry_after"].(float64) < 1 {
				t.Errorf("got %v", v)
			}
			continue
		}
		for _, m := range okOf(t, v)["messages"].([]any) {
			bytes += len(m.(map[string]any)["data"].(string))
		}
	}
	if most := bounds.ConnAnswerBurst + int(bounds.ConnAnswerRate*time.Since(begun).Seconds()) + 1<<20; bytes > most {
		t.Errorf("%d bytes of answers, want %d at most", bytes, most)
	}
	if bytes < bounds.ConnAnswerBurst && refused > 0 {
		t.Errorf("%d refused after %d bytes", refused, bytes)
	}
	if n := len(okOf(t, other.ask(`{"id":1,"cmd":"history","room":"a"}`))["messages"].([]any)); n == 0 {
		t.Error("another connection got nothing")
	}
}

// throttled is how many connections have so many unread answers that nothing is read
// from them.
func throttled(l *conn.Loop) (n int) {
	for id := range l.OpenIDs() {
		if l.Queued(nil, id) > 64<<10 {
			n++
		}
	}
	return n
}

// TestStuckViewerIsToldOnce: one that takes nothing for long is owed one gap for
// each room, not one for each message that it misses; with what it gets, nothing
// is missing.
func TestStuckViewerIsToldOnce(t *testing.T) {
	t.Parallel()
	const messages = 600
	s := edgetest.Start(t, func(c *edge.Config) { c.RoomLogBytes, c.SendBuffer = 256<<10, 32<<10 })
	c := joinJSON(t, s, "/ws?room=a")
	c.push("joined")
	_ = c.Conn.SetReadBuffer(64 << 10)
	filling := strings.Repeat("x", 5000)
	for range messages {
		edgetest.PublishTo(t, s, "a", filling)
	}
	for range 2 {
		onLoops(t, s, func(*conn.Loop) int { return 0 })
	}
	gaps := untilOffset(t, c.object, messages)
	if gaps < 1 || gaps > messages/2 { // the kernel takes a little now and then, of a busy machine more often
		t.Errorf("told of %d gaps", gaps)
	}
	edgetest.Balanced(t, s)
}

// TestSlowCloseSaysBye: with the policy "close" the last word says that coming
// back helps.
func TestSlowCloseSaysBye(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) {
		c.SlowPolicy, c.RoomLogBytes, c.SendBuffer, c.CloseTimeout = edge.SlowClose, 128<<10, 32<<10, edgetest.Patience
	})
	c := joinJSON(t, s, "/ws?room=a")
	c.push("joined")
	_ = c.Conn.SetReadBuffer(64 << 10)
	filling := strings.Repeat("x", 5000)
	open := func(l *conn.Loop) (n int) {
		for range l.OpenIDs() {
			n++
		}
		return n
	}
	for n := 0; onLoops(t, s, open) == 1; n++ {
		if n > 10000 {
			t.Fatal("the slow viewer was never closed")
		}
		edgetest.PublishTo(t, s, "a", filling)
	}
	c.wantBye(conn.CodeSlow, true)
}

// TestPanicOutsideOfAnEvent: what is done later for one client costs only that
// client if it panics, and its half answers go to nobody.
func TestPanicOutsideOfAnEvent(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, nil)
	c, other := joinJSON(t, s, "/ws"), joinJSON(t, s, "/ws")
	okOf(t, c.ask(`{"id":1,"cmd":"ping"}`))
	for _, l := range s.Node.Loops.All() {
		l.Do(func() {
			for cl := range l.Clients() {
				if cl.Serial == 1 {
					l.Post(cl, func() { panic("on purpose") })
				}
			}
		})
	}
	edgetest.WaitFor(t, "the panic", func() bool { return s.Stats().Closed["panic"] == 1 })
	if n := s.Stats().Connections; n != 1 {
		t.Errorf("%d connections", n)
	}
	okOf(t, other.ask(`{"id":1,"cmd":"ping"}`))
}
