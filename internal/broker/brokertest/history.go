// What History answers for every kind of position.

package brokertest

import (
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
			for i, n := range c.Nodes {
				page := n.history(t, room, broker.Query{After: test.after, Limit: test.limit})
				if page.Head != head {
					t.Errorf("node %d: head %+v, want %+v", i, page.Head, head)
				}
				wantGap(t, fmt.Sprintf("node %d", i), page.Gap, test.gap)
				wantOffsets(t, fmt.Sprintf("node %d", i), page.Messages, test.first, test.last)
				for _, m := range page.Messages {
					if want := fmt.Sprintf("comment %d", m.Offset); string(m.Payload) != want {
						t.Errorf("node %d: payload %q at %d", i, m.Payload, m.Offset)
					}
				}
			}
		})
	}
}

// testEmptyRoom: the history of a room that never spoke has an epoch, so that
// who joined it then can resume exactly.
func testEmptyRoom(t *testing.T, c *Cluster) {
	const room = "empty"
	head := c.Nodes[0].history(t, room, broker.Query{}).Head
	if head.Epoch == "" || head.Offset != 0 {
		t.Fatalf("head %+v of an empty room, want an epoch and 0", head)
	}
	old := broker.Position{Epoch: "old", Offset: 3}
	for i, n := range c.Nodes {
		for _, test := range []struct {
			after *broker.Position
			gap   *broker.Gap
		}{{nil, nil}, {&broker.Position{}, nil}, {&head, nil}, {&old, unknown(old)}} {
			page := n.history(t, room, broker.Query{After: test.after})
			if page.Head != head || len(page.Messages) != 0 {
				t.Errorf("node %d: %d messages, head %+v, want %+v", i, len(page.Messages), page.Head, head)
			}
			wantGap(t, fmt.Sprintf("node %d after %s", i, positionText(test.after)), page.Gap, test.gap)
		}
	}
	r := c.last().publish(t, text(room, "first"))
	if want := (broker.Position{Epoch: head.Epoch, Offset: 1}); r.Position != want {
		t.Fatalf("the first message is at %+v, want %+v", r.Position, want)
	}
	for i, n := range c.Nodes {
		for _, after := range []broker.Position{{}, head} {
			page := n.history(t, room, broker.Query{After: &after})
			wantGap(t, fmt.Sprintf("node %d", i), page.Gap, nil)
			wantOffsets(t, fmt.Sprintf("node %d", i), page.Messages, 1, 1)
		}
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
			last := all[len(all)-1]
			at, more = broker.Position{Epoch: last.Epoch, Offset: last.Offset}, page.More
		}
		wantOffsets(t, fmt.Sprint("limit ", limit), all, 1, total)
		if want := (total + limit - 1) / limit; pages != want {
			t.Errorf("limit %d: %d pages, want %d", limit, pages, want)
		}
	}
}

// testNoHistory: a room that keeps nothing has no positions.
func testNoHistory(t *testing.T, c *Cluster) {
	const room, total = "off:room", 20
	c.join(t, room)
	for i := range total {
		if r := c.Nodes[0].publish(t, text(room, fmt.Sprint(i))); r.Position != (broker.Position{}) {
			t.Fatalf("receipt %+v of a room without history", r)
		}
	}
	old := broker.Position{Epoch: "old", Offset: 3}
	for i, n := range c.Nodes {
		for k, m := range n.messages(t, room, total) {
			if m.Offset != 0 || m.Epoch != "" || string(m.Payload) != fmt.Sprint(k) {
				t.Fatalf("node %d: message %d is %+v", i, k, *m)
			}
		}
		for after, gap := range map[*broker.Position]*broker.Gap{nil: nil, {}: nil, &old: unknown(old)} {
			page := n.history(t, room, broker.Query{After: after})
			if len(page.Messages) != 0 || page.Head != (broker.Position{}) || page.More {
				t.Errorf("node %d: page %+v of a room without history", i, page)
			}
			wantGap(t, fmt.Sprintf("node %d after %s", i, positionText(after)), page.Gap, gap)
		}
		ctx := limited(t)
		if err := n.Clear(ctx, room); err != nil {
			t.Errorf("Clear: %v", err)
		}
		if err := n.Acknowledge(ctx, room, old); err != nil {
			t.Errorf("Acknowledge: %v", err)
		}
		if pos, err := n.Acknowledged(ctx, room); err != nil || pos != (broker.Position{}) {
			t.Errorf("Acknowledged: %+v, %v", pos, err)
		}
	}
}

// testForget: what is kept out of the history gets no position in it.
func testForget(t *testing.T, c *Cluster) {
	const room = "forget"
	c.join(t, room)
	var want []uint64
	for i := range 10 {
		p := text(room, fmt.Sprint(i))
		p.Forget = i%3 != 0
		r := c.Nodes[0].publish(t, p)
		if p.Forget {
			want = append(want, 0)
			if r.Position != (broker.Position{}) {
				t.Fatalf("receipt %+v of a message that is to be forgotten", r)
			}
		} else {
			want = append(want, uint64(i/3+1))
		}
	}
	for i, n := range c.Nodes {
		for k, m := range n.messages(t, room, len(want)) {
			if m.Offset != want[k] || (m.Epoch == "") != (want[k] == 0) || string(m.Payload) != fmt.Sprint(k) {
				t.Fatalf("node %d: message %d is %+v, want offset %d", i, k, *m, want[k])
			}
		}
		page := n.history(t, room, broker.Query{After: &broker.Position{}})
		if got := fmt.Sprint(payloads(page.Messages)); got != "[0 3 6 9]" {
			t.Errorf("node %d: history %s", i, got)
		}
	}
}
