// What the tests share: waiting, publishing, and comparing sequences.

package brokertest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"barrage/internal/broker"
)

// patience bounds every wait. It is never the thing measured.
const patience = 30 * time.Second

// eventually polls until ok or patience runs out.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// equal ends the test unless got is want.
func equal[T comparable](t *testing.T, got, want T, what string, args ...any) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: %+v, want %+v", fmt.Sprintf(what, args...), got, want)
	}
}

// limited returns a context for one call, or for the calls of one goroutine.
func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func (c *Cluster) last() *Node { return c.Nodes[len(c.Nodes)-1] }

// node returns the i-th, counted round and round.
func (c *Cluster) node(i int) *Node { return c.Nodes[i%len(c.Nodes)] }

// join gives the rooms members on all nodes, one more on each, and waits until
// they get messages.
func (c *Cluster) join(t *testing.T, rooms ...string) {
	t.Helper()
	for i, n := range c.Nodes {
		for _, room := range rooms {
			n.join(t, room, i+1)
		}
	}
}

func (n *Node) join(t *testing.T, room string, members int) {
	t.Helper()
	n.Receiver.SetMembers(room, members)
	before := n.Receiver.ReadyCalls(room)
	if !n.Want(room) {
		eventually(t, "Ready for "+room, func() bool { return n.Receiver.ReadyCalls(room) > before })
	}
}

// text is a plain comment.
func text(room, payload string) *broker.Publication {
	return &broker.Publication{Room: room, Format: broker.Text, Payload: []byte(payload)}
}

// keyed is a plain comment with an idempotency key.
func keyed(room, payload, key string) *broker.Publication {
	p := text(room, payload)
	p.Key = key
	return p
}

// try publishes from any goroutine and reports what no healthy broker may answer.
func (n *Node) try(t *testing.T, ctx context.Context, p *broker.Publication) (broker.Receipt, bool) {
	t.Helper()
	r, err := n.Publish(ctx, p)
	if err != nil {
		t.Errorf("Publish in %s: %v", p.Room, err)
		return r, false
	}
	if r.LocalOnly || r.ID == "" {
		t.Errorf("Publish in %s: receipt %+v of a healthy cluster", p.Room, r)
		return r, false
	}
	return r, true
}

// publish is try for the test's own goroutine.
func (n *Node) publish(t *testing.T, p *broker.Publication) broker.Receipt {
	t.Helper()
	r, ok := n.try(t, limited(t), p)
	if !ok {
		t.FailNow()
	}
	return r
}

// publishMany publishes count comments and returns the last receipt.
func (n *Node) publishMany(t *testing.T, room string, count int) (last broker.Receipt) {
	t.Helper()
	for i := range count {
		last = n.publish(t, text(room, fmt.Sprintf("comment %d", i+1)))
	}
	return last
}

// history reads, and checks what holds for every page.
func (n *Node) history(t *testing.T, room string, q broker.Query) broker.Page {
	t.Helper()
	page, err := n.History(limited(t), room, q)
	if err != nil {
		t.Fatalf("History of %s: %v", room, err)
	}
	if wrong := pageWrong(room, q, page); wrong != "" {
		t.Fatalf("History of %s after %+v: %s; the page: head %+v, gap %+v, messages %.999s, more %v",
			room, q.After, wrong, page.Head, page.Gap, said(page.Messages), page.More)
	}
	return page
}

// wantPage reads, and wants the head, the gap, and the messages from first to last.
func (n *Node) wantPage(t *testing.T, room string, q broker.Query, head broker.Position, gap *broker.Gap, first, last uint64) []*broker.Message {
	t.Helper()
	page := n.history(t, room, q)
	what := fmt.Sprintf("%v, room %s after %+v", n, room, q.After)
	equal(t, page.Head, head, "%s: head", what)
	wantGap(t, what, page.Gap, gap)
	wantOffsets(t, what, page.Messages, first, last)
	return page.Messages
}

// after asks for all messages behind a position.
func after(p broker.Position) broker.Query { return broker.Query{After: &p} }

// pageWrong says what is wrong with a page, whatever was published.
func pageWrong(room string, q broker.Query, page broker.Page) string {
	_, mailbox := broker.UserOf(room) // which has holes, also at its end
	for i, m := range page.Messages {
		switch {
		case m.Room != room:
			return "a message of room " + m.Room
		case m.Epoch != page.Head.Epoch || m.Offset == 0 || m.Offset > page.Head.Offset:
			return "a message that is not at or before the head"
		case i > 0 && m.Offset <= page.Messages[i-1].Offset:
			return "offsets that do not ascend"
		case i > 0 && m.Offset != page.Messages[i-1].Offset+1 && !mailbox:
			return "a hole"
		}
	}
	last := len(page.Messages) - 1
	switch {
	case q.Limit > 0 && len(page.Messages) > q.Limit:
		return "more messages than the limit"
	case page.More && (q.After == nil || len(page.Messages) == 0):
		return "More, though nothing was cut"
	case !mailbox && last >= 0 && page.More == (page.Messages[last].Offset == page.Head.Offset):
		return "More does not agree with the head"
	}
	return ""
}

// messages waits until a node got so many in a room and returns them.
func (n *Node) messages(t *testing.T, room string, count int) []*broker.Message {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("%v has %d messages of %s, and %.999s", n, n.Receiver.Count(room), room, said(n.Receiver.Messages(room)))
		}
	}()
	eventually(t, fmt.Sprintf("%d messages of %s", count, room), func() bool { return n.Receiver.Count(room) >= count })
	got := n.Receiver.Messages(room)
	if len(got) > count {
		t.Fatalf("%d messages of %s were delivered, want %d; the next one: %+v", len(got), room, count, *got[count])
	}
	return got
}

// flush publishes a last message and returns all that came on each node up to
// it: what is not there will not come any more.
func (c *Cluster) flush(t *testing.T, room string) (upTo [][]*broker.Message) {
	t.Helper()
	id := c.Nodes[0].publish(t, text(room, "the last")).ID
	for _, n := range c.Nodes {
		var got []*broker.Message
		eventually(t, "the last message of "+room, func() bool {
			got = n.Receiver.Messages(room)
			return slices.ContainsFunc(got, func(m *broker.Message) bool { return m.ID == id })
		})
		upTo = append(upTo, got)
	}
	return upTo
}

// wantOffsets tells whether messages are those from first to last.
func wantOffsets(t *testing.T, what string, messages []*broker.Message, first, last uint64) {
	t.Helper()
	ok := uint64(len(messages)) == last+1-first
	for i, m := range messages {
		ok = ok && m.Offset == first+uint64(i)
	}
	if !ok {
		t.Fatalf("%s: %.999s, want offsets %d to %d", what, said(messages), first, last)
	}
}

func ids(messages []*broker.Message) (list []string) {
	for _, m := range messages {
		list = append(list, m.ID)
	}
	return list
}

func payloads(messages []*broker.Message) (list []string) {
	for _, m := range messages {
		list = append(list, string(m.Payload))
	}
	return list
}

// said is what messages say and where, as in [hello@1 hm@0].
func said(messages []*broker.Message) string {
	list := payloads(messages)
	for i, m := range messages {
		list[i] += fmt.Sprint("@", m.Offset)
	}
	return fmt.Sprint(list)
}
