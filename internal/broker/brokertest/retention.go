// What a room keeps may change while it speaks.

package brokertest

import (
	"testing"
	"time"

	"barrage/internal/broker"
)

// testRetention: less, more, nothing, and something again, each from the next
// message on.
func testRetention(t *testing.T, c *Cluster) {
	const room = "changing"
	c.join(t, room)
	wantKept := func(head broker.Position, first uint64) {
		t.Helper()
		for _, n := range c.Nodes {
			n.wantPage(t, room, broker.Query{}, head, nil, first, head.Offset)
		}
	}
	wantKept(c.Nodes[0].publishMany(t, room, 10).Position, 1)
	c.keep(room, 3, time.Hour)
	wantKept(c.last().publishMany(t, room, 1).Position, 9)
	c.keep(room, 5, time.Hour)
	wantKept(c.Nodes[0].publishMany(t, room, 1).Position, 9)
	head := c.Nodes[0].publishMany(t, room, 4).Position
	wantKept(head, 12)

	c.keep(room, 0, 0)
	none := broker.Position{}
	equal(t, c.last().publishMany(t, room, 2).Position, none, "a position in a room that keeps nothing now")
	for _, n := range c.Nodes {
		n.wantPage(t, room, after(head), none, unknown(head), 1, 0)
	}

	c.keep(room, keepAll, time.Hour)
	next := c.Nodes[0].publishMany(t, room, 1).Position
	equal(t, next, broker.Position{Epoch: head.Epoch, Offset: 17}, "the next position")
	wantKept(next, 12)
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
	head := c.last().publishMany(t, room, 3).Position
	for _, n := range c.Nodes {
		got := n.messages(t, room, 8)
		wantOffsets(t, n.String(), got[2:], 1, 6)
		n.wantPage(t, room, after(broker.Position{Epoch: got[2].Epoch, Offset: 2}), head, nil, 3, 6)
	}
}
