// The property that resuming rests on: a history taken at any time, and what is
// delivered behind its head, are together all messages, each once.

package brokertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"barrage/internal/broker"
)

// A resumption is what one reader did. What was delivered before its last page
// was asked for is not looked at: that page must have it.
type resumption struct {
	node  *Node
	after *broker.Position
	pages []broker.Page
	from  int // messages delivered in the room before the last page was asked for
}

func testResume(t *testing.T, c *Cluster) {
	for _, room := range []string{"resume", "few:resume"} { // all kept; most trimmed
		for seed := range uint64(4) {
			room := fmt.Sprintf("%s-%d", room, seed)
			t.Run(room, func(t *testing.T) { resume(t, c, room, seed) })
		}
	}
}

// resume publishes on all nodes while readers resume, and then checks what each
// reader put together.
func resume(t *testing.T, c *Cluster, room string, seed uint64) {
	const total, readers = 120, 3
	c.join(t, room)
	ctx := limited(t)
	var resumed atomic.Int64
	publishing := publishAll(t, ctx, c, room, total, &resumed)
	taken := make([][]resumption, readers)
	var wg sync.WaitGroup
	for r := range readers {
		random := rand.New(rand.NewPCG(seed, uint64(r)))
		wg.Go(func() {
			defer resumed.Add(total) // nobody need wait for this one any more
			for last := false; !last; {
				select {
				case <-publishing:
					last = true // one more, when all is said
				default:
				}
				one, err := take(ctx, random, c, room)
				if err != nil {
					t.Errorf("History: %v", err)
					return
				}
				taken[r] = append(taken[r], one)
				resumed.Add(1)
				time.Sleep(100 * time.Microsecond) // only to keep the record short
			}
		})
	}
	wg.Wait()
	<-publishing
	c.waitHead(t, room, total)
	count := 0
	for _, list := range taken {
		for _, one := range list {
			count++
			if wrong := one.wrong(room, total); wrong != "" {
				t.Fatalf("resumption %d, after %+v, %d pages: %s", count, one.after, len(one.pages), wrong)
			}
		}
	}
}

// publishAll publishes total messages, split among the nodes, with some between
// them that are to be forgotten, and no faster than readers resume. The channel
// is closed at the end.
func publishAll(t *testing.T, ctx context.Context, c *Cluster, room string, total int, resumed *atomic.Int64) <-chan struct{} {
	var wg sync.WaitGroup
	for i, n := range c.Nodes {
		wg.Go(func() {
			for k := i; k < total; k += len(c.Nodes) {
				if k%5 == 0 {
					typing := text(room, "typing")
					typing.Forget = true
					n.try(t, ctx, typing)
				}
				for resumed.Load() < int64(k/4) && ctx.Err() == nil {
					time.Sleep(50 * time.Microsecond)
				}
				if _, ok := n.try(t, ctx, text(room, fmt.Sprint(k))); !ok {
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }() // ends with the publishers
	return done
}

// waitHead waits until every node got the message at offset.
func (c *Cluster) waitHead(t *testing.T, room string, offset uint64) {
	t.Helper()
	for i, n := range c.Nodes {
		eventually(t, fmt.Sprintf("node %d gets message %d of %s", i, offset, room), func() bool {
			got := n.Receiver.Messages(room)
			for k := len(got) - 1; k >= 0; k-- {
				if got[k].Offset != 0 {
					return got[k].Offset >= offset
				}
			}
			return false
		})
	}
}

// take resumes once, on any node, from a position that any node has seen, or
// from nothing, in pages of any size.
func take(ctx context.Context, random *rand.Rand, c *Cluster, room string) (resumption, error) {
	one := resumption{node: c.node(random.IntN(len(c.Nodes)))}
	limit := []int{0, 1, 3, 50}[random.IntN(4)]
	switch random.IntN(4) {
	case 0:
	case 1:
		one.after = &broker.Position{}
	default:
		one.after = &broker.Position{}
		if seen := c.node(random.IntN(len(c.Nodes))).Receiver.Messages(room); len(seen) > 0 {
			one.after = seen[random.IntN(len(seen))].Position()
		}
	}
	for at := one.after; ; {
		one.from = one.node.Receiver.Count(room)
		page, err := one.node.History(ctx, room, broker.Query{After: at, Limit: limit})
		if err != nil {
			return one, err
		}
		one.pages = append(one.pages, page)
		if !page.More {
			return one, nil
		}
		if len(page.Messages) == 0 || len(one.pages) > 1000 {
			return one, fmt.Errorf("no end after %d pages, the last of %d messages", len(one.pages), len(page.Messages))
		}
		at = page.Messages[len(page.Messages)-1].Position()
	}
}

// wrong says what a resumption lacks or has twice, "" if nothing.
func (one *resumption) wrong(room string, total uint64) string {
	next := uint64(1)
	if one.after != nil {
		next = one.after.Offset + 1
	} else if page := one.pages[0]; len(page.Messages) > 0 {
		next = page.Messages[0].Offset
	} else {
		next = page.Head.Offset + 1
	}
	for i, page := range one.pages {
		query := broker.Query{After: one.after}
		if wrong := pageWrong(room, query, page); wrong != "" {
			return wrong
		}
		if gap := page.Gap; gap != nil {
			if gap.Reason != broker.GapTrimmed || gap.From != next || gap.To < gap.From {
				return fmt.Sprintf("page %d: gap %+v, want one from %d", i, *gap, next)
			}
			next = gap.To + 1
		}
		for _, m := range page.Messages {
			if m.Offset != next {
				return fmt.Sprintf("page %d: message %d, want %d", i, m.Offset, next)
			}
			next++
		}
	}
	head := one.pages[len(one.pages)-1].Head.Offset
	if next != head+1 {
		return fmt.Sprintf("the last page ends before %d, its head is %d", next, head)
	}
	for _, m := range one.node.Receiver.Messages(room)[one.from:] {
		if m.Offset == 0 || m.Offset <= head {
			continue
		}
		if m.Offset != next {
			return fmt.Sprintf("after head %d: delivered %d, want %d", head, m.Offset, next)
		}
		next++
	}
	if next != total+1 {
		return fmt.Sprintf("all was delivered, but the sequence ends before %d, want %d", next, total+1)
	}
	return ""
}
