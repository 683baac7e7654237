package queues

// Queues in a Redis Cluster, and how fast they are emptied.

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"barrage/internal/redistest"
)

// TestCluster: all keys of a queue are on one node of a cluster, which takes no others
// together, whatever the queue's name.
func TestCluster(t *testing.T) {
	t.Parallel()
	r, ctx := redistest.Start(t, "--cluster-enabled", "yes"), context.Background()
	must(t, r.ClusterAddSlotsRange(ctx, 0, 16383).Err())
	eventually(t, "the cluster to be whole", func() bool { return strings.Contains(r.ClusterInfo(ctx).Val(), "cluster_state:ok") })
	url := strings.Replace(r.URL(), "redis:", "redis+cluster:", 1)
	n := newNode(t, url)
	for i, q := range []Queue{{Key: "list", Room: "r"}, {Key: "a{list}b", Room: "r"}, {Key: "stream", Room: "r", Stream: true, All: true}} {
		push(t, r, q, fmt.Sprint(i))
		s := n.newSet(t, url, nil, q)
		eventually(t, q.Key+" to be delivered", func() bool { return len(n.all()) == i+1 })
		s.settled(t)
	}
	n.expect(t, []string{"0", "1", "2"})
}

// BenchmarkDrain is how fast a queue is emptied when no rate holds it back; with
// -benchtime=1000000x a million entries.
func BenchmarkDrain(b *testing.B) {
	for name, q := range kinds {
		b.Run(name, func(b *testing.B) {
			r := redistest.Start(b)
			n := newNode(b, r.URL())
			for left := b.N; left > 0; left -= 10_000 {
				push(b, r, q, numbered(min(left, 10_000))...)
			}
			b.ResetTimer()
			n.newSet(b, r.URL(), nil, q)
			for n.count() < b.N {
				time.Sleep(time.Millisecond)
			}
		})
	}
}
