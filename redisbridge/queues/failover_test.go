package queues

// Queues whose Redis is replaced by its replica, by sentinels.

import (
	"context"
	"fmt"
	"testing"

	"barrage/internal/redistest"
)

// TestFailover: the master dies while a queue is published. What its replica had is published at
// least once, in order, and what comes afterwards once.
func TestFailover(t *testing.T) {
	t.Parallel()
	const before, after = 500, 200
	for name, q := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			master := redistest.Start(t)
			replica := redistest.Follow(t, master)
			set := redistest.Watch(t, master.Port(), nil)
			n := newNode(t, set.URL())
			all := numbered(before + after)
			push(t, master, q, all[:before]...)
			eventually(t, "the replica to have them all", func() bool { return master.Copied(1) })
			s := n.newSet(t, set.URL(), func(c *Config) { c.Rate = 1000 }, q)
			eventually(t, "some to be delivered", func() bool { return n.count() > before/5 })
			master.Kill()
			set.Failover(replica.Port())
			eventually(t, "the replica to take writes", func() bool {
				return replica.Set(context.Background(), "k", "v", 0).Err() == nil
			})
			push(t, replica, q, all[before:]...)
			eventually(t, "the last to be delivered", func() bool { got := n.all(); return got[len(got)-1] == all[before+after-1] })
			s.settled(t)

			times, next := make(map[string]int), 0
			for _, text := range n.all() {
				if times[text]++; times[text] > 1 {
					continue
				}
				if text != all[next] {
					t.Fatalf("%s came, %s should have been next", text, all[next])
				}
				next++
			}
			if next != len(all) {
				t.Errorf("%d of %d were delivered", next, len(all))
			}
			for i := before; i < before+after; i++ {
				if n := times[fmt.Sprint("m", i)]; n != 1 {
					t.Errorf("number %d, of after the failover, came %d times", i, n)
				}
			}
		})
	}
}
