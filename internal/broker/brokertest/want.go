// Want and Ready, and Close.

package brokertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"barrage/internal/broker"
)

func receive[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(patience):
		t.Fatalf("nothing came for %v", patience)
	}
	return v
}

// testWant wants many rooms at once. Each Want that says no is answered, and
// from then on everything arrives.
func testWant(t *testing.T, c *Cluster) {
	const rooms = 60
	name := func(r int) string { return []string{"", "off:", "few:"}[r%3] + fmt.Sprint("want-", r) }
	pending := make([][]string, len(c.Nodes))
	for i, n := range c.Nodes {
		for r := range rooms {
			n.Receiver.SetMembers(name(r), 1)
			if !n.Want(name(r)) {
				pending[i] = append(pending[i], name(r))
			}
		}
	}
	for i, n := range c.Nodes {
		for _, room := range pending[i] {
			eventually(t, "Ready for "+room, func() bool { return n.Receiver.ReadyCalls(room) > 0 })
		}
		for r := range rooms {
			if !n.Want(name(r)) {
				t.Errorf("node %d: Want(%s) says no again, after Ready", i, name(r))
			}
		}
	}
	for r := range rooms {
		c.node(r).publish(t, text(name(r), "hello"))
	}
	for _, n := range c.Nodes {
		for r := range rooms {
			n.messages(t, name(r), 1)
		}
	}
}

// testWantMidstream has a node join and leave a room that never falls silent. A
// history taken once the room is ready, and what comes behind its head, have no
// hole.
func testWantMidstream(t *testing.T, c *Cluster) {
	const room, rounds, behind = "want-midstream", 8, 10
	ctx := limited(t)
	n := c.last()
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; !stop.Load(); i++ {
			if _, ok := c.Nodes[0].try(t, ctx, text(room, fmt.Sprint(i))); !ok {
				return
			}
			time.Sleep(200 * time.Microsecond) // only to keep the record short
		}
	})
	defer wg.Wait()
	defer stop.Store(true)
	for round := range rounds {
		n.join(t, room, 1)
		from := n.Receiver.Count(room)
		head := n.history(t, room, broker.Query{Limit: 1, Begin: true}).Head
		next := head.Offset + 1
		eventually(t, "messages behind the head", func() bool {
			got := n.Receiver.Messages(room)
			return len(got) > from && got[len(got)-1].Offset >= next+behind
		})
		for _, m := range n.Receiver.Messages(room)[from:] {
			if m.Offset <= head.Offset {
				continue
			}
			if m.Offset != next || m.Epoch != head.Epoch {
				t.Fatalf("round %d: message %d of %s came after head %+v, want %d", round, m.Offset, m.Epoch, head, next)
			}
			next++
		}
		n.Receiver.SetMembers(room, 0)
	}
}

// testClose closes one node; it refuses everything from then on, and the others
// go on.
func testClose(t *testing.T, c *Cluster) {
	const room = "close"
	c.join(t, room)
	n := c.last()
	pos := n.publish(t, text(room, "x")).Position
	for range 2 {
		if err := n.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
		n.Receiver.Seal()
	}
	ctx := limited(t)
	_, published := n.Publish(ctx, text(room, "y"))
	_, read := n.History(ctx, room, broker.Query{})
	_, acknowledged := n.Acknowledged(ctx, room)
	_, cleared := n.ClearAt(ctx, room, pos)
	for what, err := range map[string]error{
		"ClearAt": cleared, "Publish": published, "History": read, "Acknowledged": acknowledged, "Err": n.Err(),
		"Clear": n.Clear(ctx, room), "Acknowledge": n.Acknowledge(ctx, room, pos),
	} {
		if !errors.Is(err, broker.ErrClosed) {
			t.Errorf("%s after Close: %v, want ErrClosed", what, err)
		}
	}
	if n.TryPublish(text(room, "y"), func(broker.Receipt, error) { t.Error("done was called after TryPublish refused") }) {
		t.Error("TryPublish after Close took a message")
	}
	if !n.Want(room) {
		t.Error("Want after Close promises a Ready")
	}
	for i, other := range c.Nodes[:len(c.Nodes)-1] {
		if r := other.publish(t, text(room, "z")); r.Position != (broker.Position{Epoch: pos.Epoch, Offset: uint64(i + 2)}) {
			t.Errorf("node %d publishes at %+v after another was closed", i, r.Position)
		}
	}
	for _, other := range c.Nodes[:len(c.Nodes)-1] {
		wantOffsets(t, "another node", other.messages(t, room, len(c.Nodes)), 1, uint64(len(c.Nodes)))
	}
}

// testCloseMidstream closes a node while it publishes. What it said yes to is in
// the history.
func testCloseMidstream(t *testing.T, c *Cluster) {
	const room, publishers = "close-midstream", 3
	c.join(t, room)
	n := c.last()
	ctx := limited(t)
	said := make([][]broker.Receipt, publishers)
	var count atomic.Int32
	var closed atomic.Bool
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for {
				late := closed.Load()
				r, err := n.Publish(ctx, text(room, fmt.Sprint(p)))
				if err != nil {
					checkClosing(t, ctx, err)
					return
				}
				if late {
					t.Errorf("Publish after Close: %+v", r)
					return
				}
				said[p] = append(said[p], r)
				count.Add(1)
			}
		})
	}
	eventually(t, "some messages", func() bool { return count.Load() >= 50 })
	if err := n.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	closed.Store(true)
	n.Receiver.Seal()
	wg.Wait()
	if len(c.Nodes) == 1 {
		return // nobody is left to ask
	}
	page := c.Nodes[0].history(t, room, broker.Query{})
	kept := make(map[string]bool)
	for _, id := range ids(page.Messages) {
		kept[id] = true
	}
	for _, list := range said {
		for _, r := range list {
			if !kept[r.ID] && r.Position.Offset+keepAll > page.Head.Offset {
				t.Errorf("%+v is not in the history", r)
			}
		}
	}
}

// checkClosing tells whether a publish failed the way it may while its node
// closes.
func checkClosing(t *testing.T, ctx context.Context, err error) {
	if ctx.Err() != nil || !(errors.Is(err, broker.ErrClosed) || errors.Is(err, broker.ErrUnavailable)) {
		t.Errorf("Publish during Close: %v", err)
	}
}
