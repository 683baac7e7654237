// What a room keeps may change while it speaks.

package brokertest

import (
	"fmt"
	"testing"
	"time"

	"barrage/internal/broker"
)

// testRetention: less, more, nothing, and something again, each from the next
// message on.
func testRetention(t *testing.T, c *Cluster) {
	const room = "changing"
	c.join(t, room)
	wantKept := func(first, last uint64) {
		t.Helper()
		for i, n := range c.Nodes {
			page := n.history(t, room, broker.Query{})
			wantOffsets(t, fmt.Sprintf("node %d", i), page.Messages, first, last)
		}
	}
	c.Nodes[0].publishMany(t, room, 10)
	wantKept(1, 10)
	c.keep(room, 3, time.Hour)
	c.last().publishMany(t, room, 1)
	wantKept(9, 11)
	c.keep(room, 5, time.Hour)
	c.Nodes[0].publishMany(t, room, 1)
	wantKept(9, 12)
	head := c.Nodes[0].publishMany(t, room, 4).Position
	wantKept(12, 16)

	c.keep(room, 0, 0)
	if r := c.last().publishMany(t, room, 2); r.Position != (broker.Position{}) {
		t.Fatalf("receipt %+v of a room that keeps nothing now", r)
	}
	for i, n := range c.Nodes {
		page := n.history(t, room, broker.Query{After: &head})
		wantGap(t, fmt.Sprintf("node %d", i), page.Gap, unknown(head))
		if len(page.Messages) != 0 || page.Head != (broker.Position{}) {
			t.Fatalf("node %d: page %+v of a room that keeps nothing now", i, page)
		}
	}

	c.keep(room, keepAll, time.Hour)
	next := c.Nodes[0].publishMany(t, room, 1).Position
	if want := (broker.Position{Epoch: head.Epoch, Offset: 17}); next != want {
		t.Fatalf("%+v is the next position, want %+v", next, want)
	}
	wantKept(12, 17)
	for _, n := range c.Nodes {
		n.messages(t, room, 10+1+1+4+2+1)
	}
}

// testBegunLate: a room that people are in begins to keep a history.
func testBegunLate(t *testing.T, c *Cluster) {
	const room = "off:begins"
	c.join(t, room)
	c.Nodes[0].publishMany(t, room, 2)
	for _, n := range c.Nodes {
		n.messages(t, room, 2)
	}
	c.keep(room, keepAll, time.Hour)
	c.join(t, room)
	c.Nodes[0].publishMany(t, room, 3)
	c.last().publishMany(t, room, 3)
	for i, n := range c.Nodes {
		got := n.messages(t, room, 8)
		wantOffsets(t, fmt.Sprintf("node %d", i), got[2:], 1, 6)
		page := n.history(t, room, broker.Query{After: &broker.Position{Epoch: got[2].Epoch, Offset: 2}})
		wantGap(t, fmt.Sprintf("node %d", i), page.Gap, nil)
		wantOffsets(t, fmt.Sprintf("node %d", i), page.Messages, 3, 6)
	}
}
