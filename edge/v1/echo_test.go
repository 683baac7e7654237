// Senders that are spared what they send.

package v1_test

import (
	"fmt"
	"testing"

	"barrage/edge/edgetest"
	"barrage/fanout"
	"barrage/frame"
)

// texts are the data of the next n messages that come.
func (c *viewer) texts(n int) (all []any) {
	c.T.Helper()
	for range n {
		all = append(all, c.push("message")["data"])
	}
	return all
}

func wantTexts(t *testing.T, c *viewer, want ...string) {
	t.Helper()
	if got := c.texts(len(want)); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestEcho: by the message, by the room and by the URL a connection is spared what it sends
// itself, and nothing else; others get all. Histories have all.
func TestEcho(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, nil)
	ann, bob, url := joinJSON(t, s, "/ws"), joinJSON(t, s, "/ws?room=a"), joinJSON(t, s, "/ws?room=a&echo=0")
	raw, loud := join(t, s, "/ws?room=a&echo=0"), join(t, s, "/ws?room=a")
	edgetest.WaitMembers(t, s, "a", 4)
	joined := ann.ask(`{"id":1,"cmd":"join","room":"a","echo":false}`)
	okOf(t, joined)
	okOf(t, ann.ask(`{"id":2,"cmd":"join","room":"b"}`))
	url.push("joined")

	okOf(t, ann.ask(`{"id":3,"cmd":"publish","room":"a","data":"of a room without"}`))
	okOf(t, ann.ask(`{"id":4,"cmd":"publish","room":"a","echo":true,"data":"with"}`))
	okOf(t, ann.ask(`{"id":5,"cmd":"publish","room":"b","data":"elsewhere"}`))
	okOf(t, bob.ask(`{"id":2,"cmd":"publish","room":"a","echo":false,"data":"by a message without"}`))
	okOf(t, url.ask(`{"id":2,"cmd":"publish","room":"a","data":"of a URL without"}`))
	raw.Send(frame.Text, "raw without")
	for _, text := range []string{"of a room without", "with", "by a message without", "of a URL without", "raw without"} {
		loud.Want(frame.Text, text)
	}
	loud.Send(frame.Text, "raw")
	loud.Want(frame.Text, "raw")
	okOf(t, bob.ask(`{"id":3,"cmd":"publish","room":"a","data":"end"}`))
	loud.Want(frame.Text, "end")
	for _, text := range []string{"of a room without", "with", "by a message without", "of a URL without", "raw", "end"} {
		raw.Want(frame.Text, text)
	}
	// What came before the answers was passed over there.
	wantTexts(t, url, "raw without", "raw", "end")
	edgetest.Balanced(t, s)
	echoes := uint64(0)
	for _, f := range s.Stats().Fanout {
		echoes += f.Skipped[fanout.SkipEcho]
	}
	if echoes != 4 {
		t.Errorf("%d messages were spared, want 4", echoes)
	}
	okOf(t, ann.ask(`{"id":6,"cmd":"leave","room":"a"}`))
	since := okOf(t, joined)
	v := okOf(t, ann.ask(fmt.Sprintf(`{"id":7,"cmd":"join","room":"a","since":{"epoch":%q,"offset":0}}`, since["epoch"])))
	if list, _ := v["messages"].([]any); v["resumed"] != true || len(list) != 7 {
		t.Errorf("who comes back has %v", v)
	}
	okOf(t, ann.ask(`{"id":8,"cmd":"publish","room":"a","data":"of a room with, again"}`))
	bob.Send(frame.Text, `{"cmd":"publish","room":"a","data":"the very end"}`)
	for v := ann.push("message"); v["data"] != "the very end"; v = ann.push("message") {
		if v["data"] == "of a room with, again" {
			return // it came before bob's
		}
	}
}

// TestEchoOfMany: in a room where all send, what each gets lacks its own, and no other
// message.
func TestEchoOfMany(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, nil)
	const senders, each = 8, 50
	var all []*viewer
	for range senders {
		c := joinJSON(t, s, "/ws?room=a&echo=0")
		c.push("joined")
		all = append(all, c)
	}
	for i := range each {
		for n, c := range all {
			c.Send(frame.Text, fmt.Sprintf(`{"cmd":"publish","data":"%d %d"}`, n, i))
		}
	}
	for n, c := range all {
		next := make([]int, senders)
		for range (senders - 1) * each {
			var by, i int
			text, _ := c.push("message")["data"].(string)
			if _, err := fmt.Sscan(text, &by, &i); err != nil || by == n || i != next[by] {
				t.Fatalf("%d got %q, want number %d of it", n, text, next[by])
			}
			next[by]++
		}
	}
	edgetest.Balanced(t, s)
}

// TestEchoInBatches: a batch comes without what its reader sent.
func TestEchoInBatches(t *testing.T) {
	t.Parallel()
	s := startBatching(t, nil)
	c, other := joinBatch(t, s, "/ws?room=a&batch=1&echo=0").joined(), joinBatch(t, s, "/ws?room=a&batch=1").joined()
	b := joinJSON(t, s, "/ws?room=a")
	b.push("joined")
	for i := range 20 {
		b.Send(frame.Text, fmt.Sprintf(`{"cmd":"publish","data":"b%d"}`, i))
		c.Send(frame.Text, fmt.Sprintf(`{"cmd":"publish","data":"c%d"}`, i))
	}
	next := func(c *batchViewer) string {
		for {
			if v := c.object(); v["push"] == "message" {
				return v["data"].(string)
			}
		}
	}
	for i := range 20 {
		if got := next(c); got != fmt.Sprint("b", i) {
			t.Fatalf("got %s, want b%d", got, i)
		}
	}
	seen := make(map[string]bool)
	for range 40 {
		seen[next(other)] = true
	}
	if len(seen) != 40 {
		t.Errorf("another got %d different messages", len(seen))
	}
	edgetest.Balanced(t, s)
}
