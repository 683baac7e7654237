// Order, receipts, and that messages arrive as they were published.

package brokertest

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"barrage/internal/broker"
)

// publishers is how many there are in a flood. They are spread over the nodes.
const publishers = 12

// A flood is many publishers who speak at once.
type flood struct {
	rooms []string
	each  int           // messages of a publisher in each room
	tries int           // every so many of the publishers do so as event loops; 0: none
	slow  time.Duration // that a receiver takes for each call
}

// test: every node sees one sequence in which each publisher's messages are in order,
// the one that the receipts and the history tell.
func (f flood) test(t *testing.T, c *Cluster) {
	c.join(t, f.rooms...)
	for _, n := range c.Nodes {
		n.Receiver.Slow(f.slow)
	}
	total := publishers * f.each
	receipts := f.publish(t, c, total*len(f.rooms))
	for _, room := range f.rooms {
		kept := !strings.HasPrefix(room, "off:")
		var first []string // the sequence that node 0 saw
		for i, n := range c.Nodes {
			got := n.messages(t, room, total)
			if kept {
				wantOffsets(t, fmt.Sprintf("%v, room %s", n, room), got, 1, uint64(total))
			}
			var next [publishers]int
			for _, m := range got {
				var p, number int
				if _, err := fmt.Sscan(string(m.Payload), &p, &number); err != nil {
					t.Fatal(err)
				}
				equal(t, number, next[p], "%v, room %s: message of publisher %d", n, room, p)
				next[p]++
				want := broker.Receipt{ID: m.ID, Position: *m.Position(), Members: c.node(p / 2).Receiver.Members(room)}
				equal(t, receipts[room+" "+string(m.Payload)], want, "%v, room %s: receipt of %s", n, room, m.Payload)
			}
			if i == 0 {
				first = ids(got)
			}
			if !kept {
				continue
			}
			page := ids(n.history(t, room, broker.Query{}).Messages)
			if !slices.Equal(ids(got), first) || !slices.Equal(page, first[total-len(page):]) {
				t.Fatalf("%v saw another sequence in %s than node 0, or reads another", n, room)
			}
		}
	}
}

// publish returns the receipts by room and payload, when all are told.
func (f flood) publish(t *testing.T, c *Cluster, total int) map[string]broker.Receipt {
	ctx := limited(t)
	var mu sync.Mutex
	receipts := make(map[string]broker.Receipt)
	told := make(map[string]string) // by id
	note := func(p *broker.Publication, r broker.Receipt, err error) {
		mu.Lock()
		defer mu.Unlock()
		what := p.Room + " " + string(p.Payload)
		if told[r.ID] != "" || receipts[what].ID != "" || err != nil {
			t.Errorf("%s: %+v, %v, or an id or answer that was given before", what, r, err)
		}
		receipts[what], told[r.ID] = r, what
	}
	var wg sync.WaitGroup
	for p := range publishers {
		n := c.node(p / 2)
		wg.Go(func() {
			for k := range f.each {
				for _, room := range f.rooms {
					m := text(room, fmt.Sprint(p, " ", k))
					if f.tries == 0 || p%f.tries != 0 {
						r, err := n.Publish(ctx, m)
						note(m, r, err)
						continue
					}
					for !n.TryPublish(m, func(r broker.Receipt, err error) { note(m, r, err) }) {
						time.Sleep(time.Millisecond)
					}
				}
			}
		})
	}
	wg.Wait()
	eventually(t, "all receipts", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(receipts) == total
	})
	return receipts
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
				for _, to := range c.Nodes {
					m := to.messages(t, p.Room, count[p.Room])[count[p.Room]-1]
					wantMessage(t, fmt.Sprintf("%s from %v to %v, %+v", name, n, to, way), m, &p, r)
				}
				if r.Position.Offset == 0 {
					continue
				}
				page := c.node(i+1).history(t, p.Room, broker.Query{Limit: 1})
				if len(page.Messages) != 1 {
					t.Fatalf("%s: no message in the history", name)
				}
				wantMessage(t, name+" from the history", page.Messages[0], &p, r)
			}
		}
	}
}

// wantMessage compares a message with what was published.
func wantMessage(t *testing.T, what string, m *broker.Message, p *broker.Publication, r broker.Receipt) {
	t.Helper()
	want := broker.Message{
		Room: p.Room, ID: r.ID, Epoch: r.Position.Epoch, Offset: r.Position.Offset, Time: m.Time,
		Sender: p.Sender, Kind: p.Kind, Format: p.Format, Confirm: p.Confirm, TTL: p.TTL, Payload: m.Payload,
	}
	if !reflect.DeepEqual(*m, want) || !bytes.Equal(m.Payload, p.Payload) {
		t.Errorf("%s: %.999q, want %.999q with payload %.99q", what, fmt.Sprintf("%+v", *m), fmt.Sprintf("%+v", want), p.Payload)
	}
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
			equal(t, string(m.Payload), fmt.Sprintf("%08d", i), "payload")
		}
	}
}
