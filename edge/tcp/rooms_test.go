// What rooms promise, on plain connections: histories, resumption, and what becomes of those
// who are too slow.

package tcp_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"barrage/edge"
	"barrage/edge/conn"
	"barrage/edge/edgetest"
	"barrage/edge/tcp"
	"barrage/internal/broker"
)

// said is a reply or a push.
type said struct {
	ID           any // a number in replies, a text in messages
	Push, Reason string
	OK           *said
	Room, Epoch  string
	Offset       uint64
	Resumed      bool
	Gap          *said
	From, To     uint64
	Count, Code  uint64
	Messages     []said
	Reconnect    bool
}

// hear reads the next message.
func (c *client) hear() (s said) {
	c.t.Helper()
	edgetest.Must(c.t, json.Unmarshal([]byte(c.want("{")), &s))
	return s
}

// enter joins a room, with what is wanted of its history.
func (c *client) enter(room, history string) *said {
	c.t.Helper()
	c.send(fmt.Sprintf(`{"id":7,"cmd":"join","room":%q,%s}`, room, history))
	s := c.hear()
	if s.ID != 7.0 || s.OK == nil {
		c.t.Fatalf("got %+v", s)
	}
	return s.OK
}

func offsets(messages []said) (all []uint64) {
	for _, m := range messages {
		all = append(all, m.Offset)
	}
	return all
}

// TestHistory: a join brings the newest messages, all since a position, or is told that they
// are not there any more; what comes afterwards follows without a hole.
func TestHistory(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f tcp.Framing, address int) {
		s := start(t, f, func(c *edge.Config) {
			c.History = broker.Rules{{Pattern: "*", Retention: broker.Retention{Messages: 5, Age: edgetest.Patience * 100}}}
		})
		open := func() *client {
			c := dial(t, s, address)
			c.want(`{"push":"welcome"`)
			return c
		}
		publish := func(n int) {
			for range n {
				edgetest.PublishTo(t, s, "a", "a\nline")
			}
		}
		publish(4)
		first := open()
		got := first.enter("a", `"history":2`)
		if fmt.Sprint(offsets(got.Messages)) != "[3 4]" || got.Offset != 4 {
			t.Fatalf("the newest two: %+v", got)
		}
		_ = first.Close()
		since := fmt.Sprintf(`"since":{"epoch":%q,"offset":4}`, got.Epoch)
		publish(3)
		second := open()
		if got = second.enter("a", since); !got.Resumed || got.Gap != nil || fmt.Sprint(offsets(got.Messages)) != "[5 6 7]" {
			t.Fatalf("since the fourth: %+v", got)
		}
		publish(5)
		for want := uint64(8); want <= 12; want++ {
			if m := second.hear(); m.Push != "message" || m.Offset != want {
				t.Fatalf("got %+v, want %d", m, want)
			}
		}
		third := open()
		if got = third.enter("a", since); got.Resumed || got.Gap == nil || got.Gap.From != 5 || got.Gap.To != 7 || fmt.Sprint(offsets(got.Messages)) != "[8 9 10 11 12]" {
			t.Fatalf("since what is gone: %+v, %+v", got, got.Gap)
		}
		edgetest.Balanced(t, s)
	})
}

// TestSlow: who takes nothing for long skips, and is told of every message that it missed.
func TestSlow(t *testing.T) {
	t.Parallel()
	const messages = 600
	each(t, func(t *testing.T, f tcp.Framing, address int) {
		s := start(t, f, func(c *edge.Config) { c.RoomLogBytes, c.SendBuffer = 256<<10, 32<<10 })
		c, other := join(t, s, address, "a"), join(t, s, address, "a")
		_ = c.Conn.(interface{ SetReadBuffer(int) error }).SetReadBuffer(64 << 10)
		filling := strings.Repeat("x", 5000)
		for n := range messages {
			edgetest.PublishTo(t, s, "a", filling)
			if m := other.hear(); m.Offset != uint64(n+1) {
				t.Fatalf("who reads got %+v", m)
			}
		}
		gaps := 0
		for next := uint64(1); next <= messages; {
			switch m := c.hear(); {
			case m.Push == "message" && m.Offset == next:
				next++
			case m.Push == "gap" && m.From == next && m.Count == m.To-next+1 && m.Reason == "slow":
				next = m.To + 1
				gaps++
			default:
				t.Fatalf("got %+v, want %d", m, next)
			}
		}
		if gaps == 0 {
			t.Error("nothing was skipped")
		}
		edgetest.Balanced(t, s)
	})
}

// openOnes is how many connections are not being closed.
func openOnes(t *testing.T, s *edgetest.Server) (sum int) {
	t.Helper()
	all, err := conn.Gather(t.Context(), s.Node.Loops, func(l *conn.Loop) (n int) {
		for range l.OpenIDs() {
			n++
		}
		return n
	})
	edgetest.Must(t, err)
	for _, n := range all {
		sum += n
	}
	return sum
}

// TestSlowClose: with the policy "close" the last word is that coming back helps.
func TestSlowClose(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f tcp.Framing, address int) {
		s := start(t, f, func(c *edge.Config) {
			c.SlowPolicy, c.RoomLogBytes, c.SendBuffer, c.CloseTimeout = edge.SlowClose, 128<<10, 32<<10, edgetest.Patience
		})
		c, other := join(t, s, address, "a"), join(t, s, address, "a")
		_ = c.Conn.(interface{ SetReadBuffer(int) error }).SetReadBuffer(64 << 10)
		filling := strings.Repeat("x", 5000)
		for n := 0; openOnes(t, s) == 2; n++ {
			if n > 10000 {
				t.Fatal("the slow viewer was never closed")
			}
			edgetest.PublishTo(t, s, "a", filling)
			if m := other.hear(); m.Offset != uint64(n+1) {
				t.Fatalf("who reads got %+v", m)
			}
		}
		for next := uint64(1); ; next++ {
			switch m := c.hear(); {
			case m.Push == "message" && m.Offset == next:
				continue
			case m.Push != "bye" || m.Code != conn.CodeSlow || !m.Reconnect:
				t.Fatalf("got %+v, want %d or the end", m, next)
			}
			break
		}
		c.wantEnd()
	})
}
