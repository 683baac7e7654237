package memory_test

import (
	"sync/atomic"
	"testing"
	"time"

	"barrage/internal/broker/brokertest"
	"barrage/internal/broker/memory"
)

// A clock is set by hand.
type clock struct{ passed atomic.Int64 }

func (c *clock) Now() time.Time {
	return time.Unix(1_700_000_000, 0).Add(time.Duration(c.passed.Load()))
}
func (c *clock) Advance(d time.Duration) { c.passed.Add(int64(d)) }

func TestConformance(t *testing.T) {
	for _, test := range []struct {
		name string
		fake bool
	}{{"clock=set", true}, {"clock=real", false}} {
		t.Run(test.name, func(t *testing.T) {
			start := func(t *testing.T, retention brokertest.Retention, _ int) *brokertest.Cluster {
				cfg, c := memory.Config{Retention: retention, Target: brokertest.Target}, &brokertest.Cluster{}
				if test.fake {
					clock := &clock{}
					cfg.Now, c.Advance = clock.Now, clock.Advance
				}
				receiver := brokertest.NewReceiver()
				m := newMemory(t, cfg, receiver)
				c.Nodes = []*brokertest.Node{{Broker: m, Receiver: receiver, Close: m.Close}}
				return c
			}
			brokertest.Run(t, 1, start)
		})
	}
}
