// What History answers for every kind of position.

package brokertest

import (
	"errors"
	"fmt"
	"testing"

	"barrage/internal/broker"
)

func trimmed(epoch string, from, to uint64) *broker.Gap {
	return &broker.Gap{Epoch: epoch, From: from, To: to, Reason: broker.GapTrimmed}
}

// unknown is the gap for a position of which nothing is known any more: all
// behind it in its own epoch.
func unknown(after broker.Position) *broker.Gap {
	return &broker.Gap{Epoch: after.Epoch, From: after.Offset + 1, Reason: broker.GapEpoch}
}

func wantGap(t *testing.T, what string, got, want *broker.Gap) {
	t.Helper()
	if (got == nil) != (want == nil) || got != nil && *got != *want {
		t.Errorf("%s: gap %+v, want %+v", what, got, want)
	}
}

// testPositions reads a history of 12 messages of which 5 are kept.
func testPositions(t *testing.T, c *Cluster) {
	const room = "few:positions"
	head := c.Nodes[0].publishMany(t, room, 12).Position
	if head.Offset != 12 {
		t.Fatalf("the 12th message is at %+v", head)
	}
	e := head.Epoch
	at := func(epoch string, offset uint64) *broker.Position {
		return &broker.Position{Epoch: epoch, Offset: offset}
	}
	stale := func(epoch string, offset uint64) *broker.Gap { return unknown(*at(epoch, offset)) }
	for _, test := range []struct {
		name        string
		after       *broker.Position
		limit       int
		gap         *broker.Gap
		first, last uint64
	}{
		{"newest, all", nil, 0, nil, 8, 12},
		{"newest, some", nil, 2, nil, 11, 12},
		{"newest, one", nil, 1, nil, 12, 12},
		{"newest, more than are kept", nil, 100, nil, 8, 12},
		{"before everything", at("", 0), 0, trimmed(e, 1, 7), 8, 12},
		{"before everything, some", at("", 0), 2, trimmed(e, 1, 7), 8, 9},
		{"beginning of the epoch", at(e, 0), 0, trimmed(e, 1, 7), 8, 12},
		{"trimmed", at(e, 3), 0, trimmed(e, 4, 7), 8, 12},
		{"trimmed, some", at(e, 3), 2, trimmed(e, 4, 7), 8, 9},
		{"one trimmed", at(e, 6), 0, trimmed(e, 7, 7), 8, 12},
		{"just kept", at(e, 7), 0, nil, 8, 12},
		{"just kept, some", at(e, 7), 2, nil, 8, 9},
		{"in the middle", at(e, 9), 0, nil, 10, 12},
		{"in the middle, exactly the rest", at(e, 9), 3, nil, 10, 12},
		{"in the middle, one less", at(e, 9), 2, nil, 10, 11},
		{"one before the head", at(e, 11), 5, nil, 12, 12},
		{"head", at(e, 12), 0, nil, 13, 12},
		{"ahead of the head", at(e, 13), 0, stale(e, 13), 8, 12},
		{"far ahead of the head", at(e, 1<<53), 2, stale(e, 1<<53), 11, 12},
		{"other epoch", at("other", 9), 0, stale("other", 9), 8, 12},
		{"other epoch, some", at("other", 9), 2, stale("other", 9), 11, 12},
		{"beginning of another epoch", at("other", 0), 0, stale("other", 0), 8, 12},
		{"head of another epoch", at("other", 12), 0, stale("other", 12), 8, 12},
		{"offset without an epoch", at("", 9), 0, stale("", 9), 8, 12},
		{"epoch of odd bytes", at("\x00*:1-2\xff", 9), 1, stale("\x00*:1-2\xff", 9), 12, 12},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, n := range c.Nodes {
				q := broker.Query{After: test.after, Limit: test.limit}
				for _, m := range n.wantPage(t, room, q, head, test.gap, test.first, test.last) {
					equal(t, string(m.Payload), fmt.Sprintf("comment %d", m.Offset), "%v: payload at %d", n, m.Offset)
				}
			}
		})
	}
}

// testEmptyRoom: the history of a room that never spoke has an epoch, so that
// who joined it then can resume exactly.
func testEmptyRoom(t *testing.T, c *Cluster) {
	const room = "empty"
	old := broker.Position{Epoch: "old", Offset: 3}
	nothing := broker.Position{}
	for _, n := range c.Nodes { // to look at it leaves it as it is
		n.wantPage(t, room, broker.Query{}, nothing, nil, 1, 0)
		n.wantPage(t, room, after(nothing), nothing, nil, 1, 0)
		n.wantPage(t, room, after(old), nothing, unknown(old), 1, 0)
		n.wantAcknowledged(t, room, nothing, false)
	}
	page := c.Nodes[0].history(t, room, broker.Query{Begin: true})
	head := page.Head
	if head.Epoch == "" || head.Offset != 0 || !page.Begun {
		t.Fatalf("head %+v of an empty room, begun %v, want an epoch and 0", head, page.Begun)
	}
	if page = c.last().history(t, room, broker.Query{Begin: true}); page.Head != head || page.Begun {
		t.Fatalf("head %+v, begun %v once it has begun at %+v", page.Head, page.Begun, head)
	}
	for _, n := range c.Nodes {
		n.wantPage(t, room, broker.Query{}, head, nil, 1, 0)
		n.wantPage(t, room, after(broker.Position{}), head, nil, 1, 0)
		n.wantPage(t, room, after(head), head, nil, 1, 0)
		n.wantPage(t, room, after(old), head, unknown(old), 1, 0)
	}
	r := c.last().publish(t, text(room, "first"))
	first := r.Position
	equal(t, r, broker.Receipt{ID: r.ID, Position: broker.Position{Epoch: head.Epoch, Offset: 1}}, "the first message's receipt")
	for _, n := range c.Nodes {
		n.wantPage(t, room, after(broker.Position{}), first, nil, 1, 1)
		n.wantPage(t, room, after(head), first, nil, 1, 1)
	}
}

// testBytes bounds what is read of a history by its bytes, whatever is asked for.
func testBytes(t *testing.T, c *Cluster) {
	const room, total, size, fit = "bytes", 20, 1000, 4 // fit: with what a message has beside its payload
	for i := range total {
		c.Nodes[0].publish(t, text(room, fmt.Sprintf("%0*d", size, i+1)))
	}
	head := c.last().history(t, room, broker.Query{Limit: 1}).Head
	at := func(offset uint64) *broker.Position { return &broker.Position{Epoch: head.Epoch, Offset: offset} }
	large := func(from, to uint64) *broker.Gap {
		return &broker.Gap{Epoch: head.Epoch, From: from, To: to, Reason: broker.GapLarge}
	}
	old := broker.Position{Epoch: "old", Offset: 3}
	for _, test := range []struct {
		name        string
		query       broker.Query
		gap         *broker.Gap
		more        bool
		first, last uint64
	}{
		{"newest", broker.Query{}, nil, false, total - fit + 1, total},
		{"last of all", broker.Query{Last: true}, nil, false, total - fit + 1, total},
		{"newest, fewer", broker.Query{Limit: 2}, nil, false, total - 1, total},
		{"after", broker.Query{After: at(3)}, nil, true, 4, 3 + fit},
		{"after, fewer", broker.Query{After: at(3), Limit: 2}, nil, true, 4, 5},
		{"after, the rest", broker.Query{After: at(total - 2)}, nil, false, total - 1, total},
		{"last", broker.Query{After: at(3), Last: true}, large(4, total-fit), false, total - fit + 1, total},
		{"last, fewer", broker.Query{After: at(3), Last: true, Limit: 2}, large(4, total-2), false, total - 1, total},
		{"last, all", broker.Query{After: at(total - 3), Last: true}, nil, false, total - 2, total},
		{"last, none", broker.Query{After: at(total), Last: true}, nil, false, total + 1, total},
		{"another epoch", broker.Query{After: &old}, unknown(old), false, total - fit + 1, total},
		{"last of another epoch", broker.Query{After: &old, Last: true}, unknown(old), false, total - fit + 1, total},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, n := range c.Nodes {
				q := test.query
				q.Bytes = fit*size + size*9/10
				page := n.history(t, room, q)
				wantGap(t, n.String(), page.Gap, test.gap)
				wantOffsets(t, n.String(), page.Messages, test.first, test.last)
				equal(t, page.More, test.more, "%v: more", n)
				q.Bytes = 1 // one message at least
				if got := len(n.history(t, room, q).Messages); got != min(1, int(test.last+1-test.first)) {
					t.Errorf("%v: %d messages of a byte", n, got)
				}
			}
		})
	}
}

// testPaging reads page after page while there is More.
func testPaging(t *testing.T, c *Cluster) {
	const room, total = "paging", 25
	c.Nodes[0].publishMany(t, room, total)
	for _, limit := range []int{1, 4, 5, total - 1, total, total + 1} {
		n := c.node(limit)
		var all []*broker.Message
		at, pages := broker.Position{}, 0
		for more := true; more; pages++ {
			page := n.history(t, room, broker.Query{After: &at, Limit: limit})
			wantGap(t, fmt.Sprint("limit ", limit), page.Gap, nil)
			if len(page.Messages) == 0 || pages == total {
				t.Fatalf("limit %d: an empty page after %+v, or too many pages (%d)", limit, at, pages)
			}
			all = append(all, page.Messages...)
			at, more = *all[len(all)-1].Position(), page.More
		}
		wantOffsets(t, fmt.Sprint("limit ", limit), all, 1, total)
		equal(t, pages, (total+limit-1)/limit, "pages of %d", limit)
	}
}

// testNoHistory: a room that keeps nothing has no positions.
func testNoHistory(t *testing.T, c *Cluster) {
	const room, total = "off:room", 20
	c.join(t, room)
	none := broker.Position{}
	var want []string
	for i := range total {
		equal(t, c.Nodes[0].publish(t, text(room, fmt.Sprint(i))).Position, none, "a position without history")
		want = append(want, fmt.Sprintf("%d@0", i))
	}
	old := broker.Position{Epoch: "old", Offset: 3}
	ctx := limited(t)
	for _, n := range c.Nodes {
		equal(t, said(n.messages(t, room, total)), fmt.Sprint(want), "%v", n)
		n.wantPage(t, room, broker.Query{}, none, nil, 1, 0)
		n.wantPage(t, room, after(none), none, nil, 1, 0)
		n.wantPage(t, room, after(old), none, unknown(old), 1, 0)
		if err := errors.Join(n.Clear(ctx, room), n.Acknowledge(ctx, room, old)); err != nil {
			t.Error(err)
		}
		n.wantAcknowledged(t, room, none, false)
	}
}

// testForget: what is kept out of the history gets no position in it.
func testForget(t *testing.T, c *Cluster) {
	const room = "forget"
	c.join(t, room)
	var want []string
	for i := range 10 {
		p := text(room, fmt.Sprint(i))
		p.Forget = i%3 != 0
		r := c.Nodes[0].publish(t, p)
		if p.Forget {
			equal(t, r.Position, broker.Position{}, "what is to be forgotten")
		}
		want = append(want, fmt.Sprintf("%d@%d", i, r.Position.Offset))
	}
	for _, n := range c.Nodes {
		equal(t, said(n.messages(t, room, len(want))), fmt.Sprint(want), "%v", n)
		page := n.history(t, room, after(broker.Position{}))
		equal(t, said(page.Messages), "[0@1 3@2 6@3 9@4]", "the history on %v", n)
	}
}
