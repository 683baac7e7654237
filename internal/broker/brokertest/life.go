// How histories end, by age and by Clear, and what readers acknowledge.

package brokertest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"barrage/internal/broker"
)

// testAge: when the newest message is too old, nothing is kept. The epoch may
// end with it or go on; either way positions tell the truth.
func testAge(t *testing.T, c *Cluster) {
	const alone, joined = "brief:alone", "brief:joined"
	c.join(t, joined)
	for _, room := range []string{alone, joined} {
		old := c.Nodes[0].publishMany(t, room, 3).Position
		if c.Advance != nil {
			c.Advance(briefAge - time.Millisecond)
			c.last().wantPage(t, room, broker.Query{}, old, nil, 1, 3)
			c.Advance(2 * time.Millisecond)
		}
		for i, n := range c.Nodes {
			eventually(t, "old messages go", func() bool { return len(n.history(t, room, broker.Query{}).Messages) == 0 })
			for offset := range old.Offset {
				wantTruth(t, n, room, broker.Position{Epoch: old.Epoch, Offset: offset})
			}
			next := n.publish(t, text(room, "next")).Position
			if next != (broker.Position{Epoch: old.Epoch, Offset: old.Offset + 1}) && (next.Epoch == old.Epoch || next.Offset != 1) {
				t.Fatalf("node %d, room %s: %+v after %+v", i, room, next, old)
			}
			old = next
			if room == joined {
				for _, n := range c.Nodes {
					n.messages(t, room, 4+i)
				}
			}
			if c.Advance != nil {
				c.Advance(briefAge + time.Millisecond)
			}
		}
	}
}

// wantTruth reads after a position of which something is gone.
func wantTruth(t *testing.T, n *Node, room string, after broker.Position) {
	t.Helper()
	page := n.history(t, room, broker.Query{After: &after})
	want := unknown(after)
	if page.Head.Epoch == after.Epoch {
		want = trimmed(after.Epoch, after.Offset+1, page.Head.Offset-uint64(len(page.Messages)))
	}
	wantGap(t, fmt.Sprintf("room %s after %+v", room, after), page.Gap, want)
}

// testAgeBusy: in a room that goes on speaking old messages go, too.
func testAgeBusy(t *testing.T, c *Cluster) {
	const room = "brief:busy"
	begin := c.Nodes[0].publish(t, text(room, "x")).Position
	begin.Offset = 0
	if c.Advance != nil {
		for i := range 10 {
			c.Advance(briefAge * 3 / 10)
			c.node(i).publish(t, text(room, "x"))
		}
		for _, n := range c.Nodes {
			// Published 0, 0.3, 0.6 and 0.9 ages ago.
			wantOffsets(t, "a busy room", n.history(t, room, broker.Query{}).Messages, 8, 11)
		}
	}
	for _, n := range c.Nodes {
		eventually(t, "the first message goes", func() bool {
			n.publish(t, text(room, "x"))
			page := n.history(t, room, broker.Query{})
			return page.Head.Epoch != begin.Epoch || len(page.Messages) == 0 || page.Messages[0].Offset > 1
		})
		wantTruth(t, n, room, begin)
	}
}

func testClear(t *testing.T, c *Cluster) {
	const room, other = "clear", "clear-not"
	c.join(t, room, other)
	ctx := limited(t)
	kept := c.Nodes[0].publishMany(t, other, 2).Position
	old := c.Nodes[0].publishMany(t, room, 3).Position
	if err := c.last().Clear(ctx, room); err != nil {
		t.Fatal(err)
	}
	head := c.Nodes[0].history(t, room, broker.Query{Begin: true}).Head
	if head.Epoch == "" || head.Epoch == old.Epoch || head.Offset != 0 {
		t.Fatalf("head %+v after Clear, before it %+v", head, old)
	}
	for _, n := range c.Nodes {
		n.wantPage(t, room, after(old), head, unknown(old), 1, 0)
	}
	first := c.last().publish(t, text(room, "new")).Position
	equal(t, first, broker.Position{Epoch: head.Epoch, Offset: 1}, "the first message after Clear")
	// Without a look at the history in between.
	if err := c.Nodes[0].Clear(ctx, room); err != nil {
		t.Fatal(err)
	}
	r := c.Nodes[0].publish(t, text(room, "newer"))
	if e := r.Position.Epoch; e == head.Epoch || e == old.Epoch || r.Position.Offset != 1 {
		t.Errorf("the first message after another Clear is at %+v", r.Position)
	}
	for _, n := range c.Nodes {
		equal(t, said(n.messages(t, room, 5)), "[comment 1@1 comment 2@2 comment 3@3 new@1 newer@1]", "%v", n)
		n.wantPage(t, other, broker.Query{}, kept, nil, 1, 2) // clearing one room changes no other
		if err := n.Clear(ctx, "clear-never-spoke"); err != nil {
			t.Errorf("%v: Clear of a room that never spoke: %v", n, err)
		}
	}
}

// testClearAt: a history goes only if it ends where it is said to.
func testClearAt(t *testing.T, c *Cluster) {
	const room, off = "clear-at", "off:clear-at"
	ctx := limited(t)
	clearAt := func(n *Node, room string, head broker.Position, want bool) {
		t.Helper()
		if got, err := n.ClearAt(ctx, room, head); got != want || err != nil {
			t.Fatalf("ClearAt %+v of %s: %v, %v, want %v", head, room, got, err, want)
		}
	}
	old := broker.Position{Epoch: "old", Offset: 1}
	clearAt(c.Nodes[0], room, broker.Position{}, true)
	clearAt(c.last(), room, old, true)
	for i, n := range c.Nodes {
		begun := n.history(t, room, broker.Query{Begin: true}).Head
		clearAt(c.node(i+1), room, broker.Position{}, false)
		head := n.publishMany(t, room, 10).Position
		for _, other := range []broker.Position{{}, begun, old, {Epoch: "old", Offset: 10}, {Epoch: head.Epoch, Offset: 9}, {Epoch: head.Epoch, Offset: 11}, {Offset: 10}} {
			clearAt(c.node(i+1), room, other, false)
		}
		n.wantPage(t, room, broker.Query{}, head, nil, 1, 10)
		clearAt(c.node(i+1), room, head, true)
		clearAt(n, room, head, true) // there is nothing any more
		begun = n.history(t, room, broker.Query{Begin: true}).Head
		n.wantPage(t, room, after(head), broker.Position{Epoch: begun.Epoch}, unknown(head), 1, 0)
		clearAt(n, room, begun, true) // also one that has said nothing
		clearAt(n, off, old, true)
	}

	// What cannot be read at present is not forgotten unread.
	head := c.Nodes[0].publishMany(t, room, 3).Position
	c.keep(room, 0, 0)
	clearAt(c.last(), room, broker.Position{}, true)
	c.keep(room, keepAll, time.Hour)
	c.last().wantPage(t, room, broker.Query{}, head, nil, 1, 3)
}

// testClearMidstream clears a room that never falls silent. Each message that was
// accepted has been read before the history ended that it was in, or is in the last.
func testClearMidstream(t *testing.T, c *Cluster) {
	const room, publishers, wanted = "clear-midstream", 3, 20
	ctx := limited(t)
	said := make([][]string, publishers)
	var stop atomic.Bool
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := 0; !stop.Load(); i++ {
				r, ok := c.node(p).try(t, ctx, text(room, fmt.Sprint(p, " ", i)))
				if !ok {
					return
				}
				said[p] = append(said[p], r.ID)
				// So that now and then nothing comes between reading and clearing.
				time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
			}
		})
	}
	defer wg.Wait()
	defer stop.Store(true)
	n := c.last()
	read := make(map[string]bool)
	note := func() broker.Position {
		page := n.history(t, room, broker.Query{})
		for _, m := range page.Messages {
			read[m.ID] = true
		}
		return page.Head
	}
	cleared := 0
	eventually(t, "some histories end", func() bool {
		ok, err := n.ClearAt(ctx, room, note())
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			cleared++
		}
		return cleared == wanted
	})
	stop.Store(true)
	wg.Wait()
	note()
	for _, list := range said {
		for _, id := range list {
			if !read[id] {
				t.Errorf("%s was neither read before a history ended nor is it in the last", id)
			}
		}
	}
}

// wantAcknowledged asks for what was acknowledged, and whether more is there.
func (n *Node) wantAcknowledged(t *testing.T, room string, pos broker.Position, more bool) {
	t.Helper()
	ctx := limited(t)
	if got, err := n.Acknowledged(ctx, room); err != nil || got != pos {
		t.Errorf("%v: acknowledged %+v, %v, want %+v", n, got, err, pos)
	}
	if got, err := n.Unread(ctx, room); err != nil || got != more {
		t.Errorf("%v: unread %v, %v, want %v", n, got, err, more)
	}
}

func testAcknowledge(t *testing.T, c *Cluster) {
	const room = "user:ada"
	ctx := limited(t)
	want := func(pos broker.Position, more bool) {
		t.Helper()
		for _, n := range c.Nodes {
			n.wantAcknowledged(t, room, pos, more)
		}
	}
	step := 0
	acknowledge := func(epoch string, offset uint64) {
		t.Helper()
		step++
		if err := c.node(step).Acknowledge(ctx, room, broker.Position{Epoch: epoch, Offset: offset}); err != nil {
			t.Fatal(err)
		}
	}
	none := broker.Position{}
	want(none, false)
	acknowledge("none", 7) // no history is there
	want(none, false)
	e := c.Nodes[0].publishMany(t, room, 10).Position.Epoch
	want(none, true)
	acknowledge(e, 3)
	want(broker.Position{Epoch: e, Offset: 3}, true)
	acknowledge(e, 2) // never back
	acknowledge(e, 0)
	acknowledge("other", 5)
	acknowledge("other", 99)
	want(broker.Position{Epoch: e, Offset: 3}, true)
	acknowledge(e, 9)
	want(broker.Position{Epoch: e, Offset: 9}, true)
	acknowledge(e, 10) // forward, and not by the order of text
	want(broker.Position{Epoch: e, Offset: 10}, false)
	c.Nodes[0].publishMany(t, room, 2)
	want(broker.Position{Epoch: e, Offset: 10}, true)
	if err := c.last().Clear(ctx, room); err != nil {
		t.Fatal(err)
	}
	want(none, false)
	acknowledge(e, 11) // of the epoch before Clear
	want(none, false)
	next := c.Nodes[0].publish(t, text(room, "x")).Position
	acknowledge(e, next.Offset)
	want(none, true)
	acknowledge(next.Epoch, next.Offset)
	want(next, false)
}

// testAcknowledgeAtOnce: the furthest position wins, in whatever order they come.
func testAcknowledgeAtOnce(t *testing.T, c *Cluster) {
	const room, total = "user:bob", 40
	head := c.Nodes[0].publishMany(t, room, total).Position
	ctx := limited(t)
	var wg sync.WaitGroup
	for i, n := range c.Nodes {
		for g := range 2 {
			order := rand.New(rand.NewPCG(uint64(i), uint64(g))).Perm(total)
			wg.Go(func() {
				noted := uint64(0)
				for _, offset := range order {
					if err := n.Acknowledge(ctx, room, broker.Position{Epoch: head.Epoch, Offset: uint64(offset + 1)}); err != nil {
						t.Errorf("Acknowledge: %v", err)
						return
					}
					got, err := n.Acknowledged(ctx, room)
					if err != nil || got.Epoch != head.Epoch || got.Offset < noted || got.Offset < uint64(offset+1) {
						t.Errorf("acknowledged %+v, %v after %d and %d", got, err, noted, offset+1)
						return
					}
					noted = got.Offset
				}
			})
		}
	}
	wg.Wait()
	if got, err := c.last().Acknowledged(ctx, room); err != nil || got != head {
		t.Errorf("acknowledged %+v, %v, want %+v", got, err, head)
	}
}
