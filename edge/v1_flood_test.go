// Clients that ask too much, or do not read what they asked for.

package edge

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"barrage/frame"
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
			s := startServer(t, func(c *Config) { c.PublishRate, c.PublishBurst = 10, 20; withAuth(t, c); c.Anonymous = true })
			neighbour, c := joinJSON(t, s, "/ws?room=a"), joinJSON(t, s, "/ws")
			neighbour.push("joined")
			one := frame.AppendMasked(nil, frame.Text, c.mask, []byte(x.command))
			c.write([]byte(strings.Repeat(string(one), 3000)))
			c.wantBye(frame.ClosePolicy, false)
			_ = c.c.Close()
			waitFor(t, "the reason", func() bool { return s.Stats().Closed["flood"] == 1 })
			okOf(t, neighbour.ask(`{"id":1,"cmd":"publish","room":"a","data":"unmoved"}`))
		})
	}
}

// TestPublishRateIsNotTheCommandRate: who may publish much may do so with commands.
func TestPublishRateIsNotTheCommandRate(t *testing.T) {
	t.Parallel()
	const burst = 1000
	s := startServer(t, func(c *Config) { c.PublishRate, c.PublishBurst = 0.001, burst })
	c := joinJSON(t, s, "/ws?room=a")
	c.push("joined")
	for i := range burst + 1 {
		c.send(frame.Text, fmt.Sprintf(`{"id":%d,"cmd":"publish","room":"a","data":1}`, i+1))
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

// TestRate: what is taken at once costs as much as one by one.
func TestRate(t *testing.T) {
	r := newRate(10, 5)
	tat := time.Duration(0)
	if !r.take(&tat, 0, 3) || r.take(&tat, 0, 3) || !r.take(&tat, 0, 2) || r.take(&tat, 0, 1) {
		t.Error("a burst of 5 is not 3 and 2")
	}
	if w := r.wait(tat, 0, 2); w != 200*time.Millisecond {
		t.Errorf("two more are to come after %v", w)
	}
	if !r.take(&tat, 200*time.Millisecond, 2) || r.take(&tat, 200*time.Millisecond, 1) {
		t.Error("they do not come then")
	}
	if (rate{}).take(&tat, time.Hour, 1) {
		t.Error("a rate of 0 allows something")
	}
}

// TestOverrun: refusals are counted far enough for every burst that can be set.
func TestOverrun(t *testing.T) {
	for _, limit := range []int{100, 13_107 * floodFactor, 5_000_000} {
		ses := new(session)
		n := 0
		for ; !ses.overrun(1, limit); n++ {
			if n > math.MaxUint16 {
				t.Fatalf("limit %d: never a flood", limit)
			}
		}
		if want := min(limit, math.MaxUint16-1); n != want {
			t.Errorf("limit %d: a flood after %d", limit, n)
		}
		for ses.refused = math.MaxUint16; ses.refused > 0; {
			before := ses.refused
			if ses.forgive(); ses.refused >= before {
				t.Fatalf("%d refusals are forgiven to %d", before, ses.refused)
			}
		}
	}
}

// TestRawFloodWithLargeBurst: the burst is more than the counter of refusals can
// hold five times.
func TestRawFloodWithLargeBurst(t *testing.T) {
	t.Parallel()
	s := startServer(t, func(c *Config) { c.PublishRate, c.PublishBurst = 0.001, 20_000 })
	c := join(t, s, "/ws?room=a")
	one := frame.AppendMasked(nil, frame.Text, c.mask, nil)
	go func() { // ends with the connection
		_, _ = c.c.Write([]byte(strings.Repeat(string(one), 100_000)))
	}()
	for {
		m, err := c.next()
		if err != nil {
			t.Fatalf("ended without a close frame: %v", err)
		}
		if m.op == frame.Close {
			if code, _ := frame.ParseClose([]byte(m.payload)); code != frame.ClosePolicy {
				t.Errorf("close code %d", code)
			}
			return
		}
	}
}

// TestUnreadAnswers: a client that asks for much more than its socket takes, and
// reads late, is not closed for it: each command is answered, with less or with
// "overloaded". The texts are those whose JSON is six times as long.
func TestUnreadAnswers(t *testing.T) {
	t.Parallel()
	const rooms, each = 12, 20
	s := startServer(t, func(c *Config) {
		c.SendBuffer = 32 << 10
		c.History = broker.Rules{{Pattern: "*", Retention: broker.Retention{Messages: each, Age: time.Hour}}}
	})
	for i := range rooms {
		for range each {
			publish(t, s, fmt.Sprint("r", i), strings.Repeat("\x01", 60<<10))
		}
	}
	c := joinJSON(t, s, "/ws")
	_ = c.c.SetReadBuffer(64 << 10)
	all := []byte{}
	for i := range rooms {
		for _, command := range []string{`"join","history":1000`, `"history","limit":1000`} {
			text := fmt.Sprintf(`{"id":%d,"cmd":%s,"room":"r%d"}`, i+1, command, i)
			all = frame.AppendMasked(all, frame.Text, c.mask, []byte(text))
		}
	}
	all = frame.AppendMasked(all, frame.Text, c.mask, []byte(`{"id":100,"cmd":"ping"}`))
	c.write(all)
	waitFor(t, "all histories to be read", func() bool {
		s.fetcher.mu.Lock()
		waiting := len(s.fetcher.waiting)
		s.fetcher.mu.Unlock()
		return waiting == 0 && onShards(t, s, func(s *shard) int { return s.flagged(flagThrottle) }) == 1
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
	page := okOf(t, c.ask(`{"id":1,"cmd":"history","room":"r1"}`))
	if n := len(page["messages"].([]any)); n < 1 || page["more"] != true {
		t.Errorf("%d messages, more: %v", n, page["more"])
	}
	waitFor(t, "reading to go on", func() bool { return onShards(t, s, func(s *shard) int { return s.flagged(flagThrottle) }) == 0 })
}

// flagged is how many open connections have a flag.
func (s *shard) flagged(flag uint8) (n int) {
	for i := range len(s.sessions.pages) * sessionPage {
		if ses := s.sessions.pages[i/sessionPage][i%sessionPage]; ses.state == stateOpen && ses.flags&flag != 0 {
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
	s := startServer(t, func(c *Config) { c.RoomLogBytes, c.SendBuffer = 256<<10, 32<<10 })
	c := joinJSON(t, s, "/ws?room=a")
	c.push("joined")
	_ = c.c.SetReadBuffer(64 << 10)
	filling := strings.Repeat("x", 5000)
	for range messages {
		publish(t, s, "a", filling)
	}
	for range 2 {
		onShards(t, s, func(*shard) int { return 0 })
	}
	if n := onShards(t, s, func(s *shard) int {
		n := 0
		for _, c := range s.clients.all() {
			if c.doing != nil {
				n += len(c.doing.gaps)
			}
		}
		return n
	}); n > 1 {
		t.Errorf("%d gaps are owed", n)
	}
	gaps := untilOffset(t, c.object, messages)
	if gaps < 1 || gaps > messages/20 { // the kernel may take a little now and then
		t.Errorf("told of %d gaps", gaps)
	}
	balanced(t, s)
}

// TestSlowCloseSaysBye: with the policy "close" the last word says that coming
// back helps.
func TestSlowCloseSaysBye(t *testing.T) {
	t.Parallel()
	s := startServer(t, func(c *Config) {
		c.SlowPolicy, c.RoomLogBytes, c.SendBuffer, c.CloseTimeout = SlowClose, 128<<10, 32<<10, patience
	})
	c := joinJSON(t, s, "/ws?room=a")
	c.push("joined")
	_ = c.c.SetReadBuffer(64 << 10)
	filling := strings.Repeat("x", 5000)
	closing := func(s *shard) (n int) {
		for id := range s.clients.all() {
			if s.sessions.at(id).state == stateClosing {
				n++
			}
		}
		return n
	}
	for n := 0; onShards(t, s, closing) == 0; n++ {
		if n > 10000 {
			t.Fatal("the slow viewer was never closed")
		}
		publish(t, s, "a", filling)
	}
	c.wantBye(CloseSlow, true)
}

// TestPanicOutsideOfAnEvent: what is done later for one client costs only that
// client if it panics, and its half answers go to nobody.
func TestPanicOutsideOfAnEvent(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	c, other := joinJSON(t, s, "/ws"), joinJSON(t, s, "/ws")
	okOf(t, c.ask(`{"id":1,"cmd":"ping"}`))
	for _, sh := range s.shards {
		sh.loop.Post(func() {
			for _, cl := range sh.clients.all() {
				if s.connName(cl.serial) == s.connName(1) {
					sh.post(cl, func() { panic("on purpose") })
				}
			}
		})
	}
	waitFor(t, "the panic", func() bool { return s.Stats().Closed["panic"] == 1 })
	if n := s.Stats().Connections; n != 1 {
		t.Errorf("%d connections", n)
	}
	okOf(t, other.ask(`{"id":1,"cmd":"ping"}`))
}
