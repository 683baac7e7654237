// What a room keeps may change while it speaks.

package brokertest

import (
	"strings"
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

// testRetainedBytes: a room's history has a bound in bytes, of which the newest messages
// are kept; the newest one in any case.
func testRetainedBytes(t *testing.T, c *Cluster) {
	const room, size, many = "small:room", 4 << 10, 100
	c.join(t, room)
	kept := func(head broker.Position) int {
		t.Helper()
		n := 0
		for i, node := range c.Nodes {
			page := node.history(t, room, broker.Query{})
			equal(t, page.Head, head, "%v: head", node)
			if i > 0 {
				equal(t, len(page.Messages), n, "%v: messages kept", node)
			}
			n = len(page.Messages)
			wantOffsets(t, node.String(), page.Messages, head.Offset-uint64(n)+1, head.Offset)
			if n < int(head.Offset) {
				gap := &broker.Gap{Epoch: head.Epoch, From: 1, To: head.Offset - uint64(n), Reason: broker.GapTrimmed}
				wantGap(t, node.String(), node.history(t, room, after(broker.Position{})).Gap, gap)
			}
		}
		return n
	}
	publish := func(size, count int) (head broker.Position) {
		for i := range count {
			head = c.node(i).publish(t, text(room, strings.Repeat("x", size))).Position
		}
		return head
	}
	if n := kept(publish(size, smallBytes/size/2)); n != smallBytes/size/2 {
		t.Errorf("%d messages of %d bytes kept, want all %d", n, size, smallBytes/size/2)
	}
	for range 3 { // always
		if n := kept(publish(size, many)); n > smallBytes/size || n < smallBytes/size/2 {
			t.Errorf("%d messages of %d bytes kept, want about %d", n, size, smallBytes/size)
		}
	}
	if n := kept(publish(2*smallBytes, 1)); n != 1 {
		t.Errorf("%d messages kept, want the newest, which is larger than all may be", n)
	}
	if n := kept(publish(100, 50)); n < 49 || n > 51 {
		t.Errorf("%d small messages kept behind a large one, want all 50", n)
	}
	for _, n := range c.Nodes {
		n.messages(t, room, smallBytes/size/2+3*many+1+50)
	}
}
