package redisbridge

// The suite that every broker passes, on a real Redis.

import (
	"context"
	"fmt"
	"testing"

	"barrage/internal/broker/brokertest"
)

func TestConformance(t *testing.T) {
	for _, nodes := range []int{1, 3} {
		t.Run(fmt.Sprintf("nodes=%d", nodes), func(t *testing.T) {
			t.Parallel()
			s := startRedis(t)
			start := func(t *testing.T, retention brokertest.Retention, n int) *brokertest.Cluster {
				if err := s.FlushAll(context.Background()).Err(); err != nil {
					t.Fatal(err)
				}
				cfg := calmConfig(s.URL())
				cfg.Retention, cfg.Target = retention, brokertest.Target
				return startNodes(t, cfg, n)
			}
			brokertest.Run(t, nodes, start)
		})
	}
}

// startNodes starts n nodes with the recording receiver.
func startNodes(t *testing.T, cfg Config, n int) *brokertest.Cluster {
	t.Helper()
	c := &brokertest.Cluster{}
	for range n {
		r := brokertest.NewReceiver()
		b, err := New(cfg, r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := b.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
		b.Start()
		c.Nodes = append(c.Nodes, &brokertest.Node{Broker: b, Receiver: r, Close: b.Close})
	}
	return c
}
