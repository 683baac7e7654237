// Order, receipts, and that messages arrive as they were published.

package brokertest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"barrage/internal/broker"
)

// testOrder has several publishers on every node speak in two rooms at once.
// All nodes must see one sequence, the one that the receipts tell.
func testOrder(t *testing.T, c *Cluster) {
	const publishers, each = 3, 40
	rooms := []string{"order-a", "few:order-b"}
	c.join(t, rooms...)
	ctx := limited(t)

	type sent struct{ room, payload, publisher string }
	var mu sync.Mutex
	receipts := make(map[string]broker.Receipt) // by id
	published := make(map[string]sent)
	var wg sync.WaitGroup
	for i, n := range c.Nodes {
		for p := range publishers {
			wg.Go(func() {
				for k := range each {
					for _, room := range rooms {
						s := sent{room, fmt.Sprintf("%d/%d/%d", i, p, k), fmt.Sprint(i, p)}
						r, ok := n.try(t, ctx, text(room, s.payload))
						if !ok {
							return
						}
						mu.Lock()
						if _, twice := receipts[r.ID]; twice {
							t.Errorf("id %s was given twice", r.ID)
						}
						receipts[r.ID], published[r.ID] = r, s
						mu.Unlock()
					}
				}
			})
		}
	}
	wg.Wait()
	total := len(c.Nodes) * publishers * each
	for _, room := range rooms {
		var first []*broker.Message
		for i, n := range c.Nodes {
			got := n.messages(t, room, total)
			wantOffsets(t, fmt.Sprintf("node %d, room %s", i, room), got, 1, uint64(total))
			seen := make(map[string]int) // messages by publisher, whose order must be kept
			for _, m := range got {
				s := published[m.ID]
				if s.room != room || s.payload != string(m.Payload) || receipts[m.ID].Position != (broker.Position{Epoch: m.Epoch, Offset: m.Offset}) {
					t.Fatalf("node %d: delivered %+v, published %+v, receipt %+v", i, *m, s, receipts[m.ID])
				}
				if !strings.HasSuffix(s.payload, fmt.Sprintf("/%d", seen[s.publisher])) {
					t.Fatalf("node %d: %s came after %d messages of its publisher", i, s.payload, seen[s.publisher])
				}
				seen[s.publisher]++
			}
			if i == 0 {
				first = got
			} else if !slices.Equal(ids(got), ids(first)) {
				t.Fatalf("node %d saw another sequence in %s than node 0", i, room)
			}
			page := n.history(t, room, broker.Query{})
			if !slices.Equal(ids(page.Messages), ids(first[total-len(page.Messages):])) {
				t.Fatalf("node %d: the history of %s is not what was delivered", i, room)
			}
		}
	}
}

// testReceipts compares each receipt with what is delivered, for rooms with
// members and without.
func testReceipts(t *testing.T, c *Cluster) {
	c.join(t, "receipts")
	for i := range 3 * len(c.Nodes) {
		n := c.node(i)
		r := n.publish(t, text("receipts", "x"))
		if r.Position.Epoch == "" || r.Position.Offset != uint64(i+1) || r.Replayed {
			t.Fatalf("receipt %+v, want offset %d", r, i+1)
		}
		if want := n.Receiver.Members("receipts"); r.Members != want {
			t.Errorf("receipt %+v, want %d members", r, want)
		}
		for _, n := range c.Nodes {
			m := n.messages(t, "receipts", i+1)[i]
			if m.ID != r.ID || m.Epoch != r.Position.Epoch || m.Offset != r.Position.Offset || m.Room != "receipts" {
				t.Errorf("delivered %+v, receipt %+v", *m, r)
			}
			if m.Time <= 0 {
				t.Errorf("delivered with time %d", m.Time)
			}
		}
	}
	if r := c.last().publish(t, text("receipts-alone", "x")); r.Members != 0 || r.Position.Offset != 1 {
		t.Errorf("receipt %+v of a room without members", r)
	}
}

// contents are publications that an encoding could spoil.
func contents() map[string]broker.Publication {
	all := make([]byte, 64<<10)
	for i := range all {
		all[i] = byte(i ^ i>>8)
	}
	plain := broker.Sender{User: "ada", Name: "Ada", Avatar: "https://example.org/a.png", Conn: "c-1"}
	odd := broker.Sender{
		User: "a:b|c\x1f{}\r\n\x00%s", Name: "名前 😀 \u202e\"\\", Avatar: strings.Repeat("/é", 1000), Conn: " ",
	}
	return map[string]broker.Publication{
		"plain":           {Sender: plain, Format: broker.Text, Payload: []byte("hello")},
		"nothing at all":  {Format: broker.Text},
		"empty binary":    {Sender: plain, Format: broker.Binary, Payload: []byte{}},
		"64 KiB binary":   {Sender: odd, Kind: "file", Format: broker.Binary, Payload: all},
		"64 KiB text":     {Format: broker.Text, Payload: bytes.Repeat([]byte("弹幕a\n"), 64<<10/8)},
		"one zero byte":   {Format: broker.Binary, Payload: []byte{0}},
		"not UTF-8":       {Format: broker.Binary, Payload: []byte("\xff\xfe\xc0\x80\xed\xa0\x80")},
		"edges of UTF-8":  {Format: broker.Text, Payload: []byte("\x00\x7f\u0080\u07ff\u0800\ufeff\ufffd\uffff\U00010000\U0010ffff\u2028")},
		"JSON":            {Sender: odd, Kind: "gift", Format: broker.JSON, Payload: []byte(`{"n":1.50,"a":"\u003c<","":[]}`)},
		"JSON in text":    {Kind: "{}", Format: broker.Text, Payload: []byte(`{"room":"x","payload":"y"}`)},
		"odd kind":        {Kind: "\x00:|\n", Format: broker.Text, Payload: []byte("k")},
		"sender only":     {Sender: odd, Format: broker.JSON, Payload: []byte("null")},
		"one field":       {Sender: broker.Sender{Avatar: "a"}, Format: broker.Text, Payload: []byte("f")},
		"to be confirmed": {Format: broker.Text, Payload: []byte("q"), Confirm: true},
		"with an end":     {Sender: plain, Format: broker.Binary, Payload: []byte{0}, TTL: 1},
		"with all":        {Sender: odd, Kind: "gift", Format: broker.JSON, Payload: []byte("0"), Confirm: true, TTL: 1<<32 - 1},
		"digits and sign": {Sender: broker.Sender{User: "-1", Name: "0x", Conn: "1e9"}, Format: broker.Text, Payload: []byte("-0")},
	}
}

// testContent sends each content from each node, with history, without, and kept
// out of it.
func testContent(t *testing.T, c *Cluster) {
	c.join(t, "content", "off:content")
	count := map[string]int{}
	for name, p := range contents() {
		for i, n := range c.Nodes {
			for _, way := range []struct {
				room   string
				forget bool
			}{{"content", false}, {"content", true}, {"off:content", false}} {
				p := p
				p.Room, p.Forget = way.room, way.forget
				r := n.publish(t, &p)
				count[p.Room]++
				for j, to := range c.Nodes {
					m := to.messages(t, p.Room, count[p.Room])[count[p.Room]-1]
					if wrong := differs(m, &p, r); wrong != "" {
						t.Errorf("%s from node %d to %d, %+v: %s", name, i, j, way, wrong)
					}
				}
				if r.Position.Offset == 0 {
					continue
				}
				page := c.node(i+1).history(t, p.Room, broker.Query{Limit: 1})
				if len(page.Messages) != 1 {
					t.Fatalf("%s: no message in the history", name)
				}
				if wrong := differs(page.Messages[0], &p, r); wrong != "" {
					t.Errorf("%s from the history: %s", name, wrong)
				}
			}
		}
	}
}

// differs says in what a message is not what was published, "" if in nothing.
func differs(m *broker.Message, p *broker.Publication, r broker.Receipt) string {
	switch {
	case m.Room != p.Room:
		return fmt.Sprintf("room %q, want %q", m.Room, p.Room)
	case m.ID != r.ID || m.Epoch != r.Position.Epoch || m.Offset != r.Position.Offset:
		return fmt.Sprintf("%s at %s/%d, receipt %+v", m.ID, m.Epoch, m.Offset, r)
	case m.Sender != p.Sender:
		return fmt.Sprintf("sender %+.99q, want %+.99q", m.Sender, p.Sender)
	case m.Kind != p.Kind || m.Format != p.Format:
		return fmt.Sprintf("kind %q, format %d, want %q, %d", m.Kind, m.Format, p.Kind, p.Format)
	case m.Confirm != p.Confirm || m.TTL != p.TTL:
		return fmt.Sprintf("confirm %v, TTL %d, want %v, %d", m.Confirm, m.TTL, p.Confirm, p.TTL)
	case !bytes.Equal(m.Payload, p.Payload):
		return fmt.Sprintf("payload of %d bytes %.99q, want %d bytes %.99q", len(m.Payload), m.Payload, len(p.Payload), p.Payload)
	}
	return ""
}

// testCopies overwrites payloads as soon as they were taken.
func testCopies(t *testing.T, c *Cluster) {
	c.join(t, "copies")
	const count = 50
	p := text("copies", "")
	buffer := make([]byte, 8)
	for i := range count {
		p.Payload = fmt.Appendf(buffer[:0], "%08d", i)
		c.Nodes[0].publish(t, p)
	}
	for i := range count {
		p.Payload = fmt.Appendf(buffer[:0], "%08d", count+i)
		eventually(t, "TryPublish accepts", func() bool { return c.Nodes[0].TryPublish(p, nil) })
	}
	copy(buffer, "spoiled!")
	for _, n := range c.Nodes {
		for i, m := range n.messages(t, "copies", 2*count) {
			if want := fmt.Sprintf("%08d", i); string(m.Payload) != want {
				t.Fatalf("payload %q, want %q", m.Payload, want)
			}
		}
	}
}
