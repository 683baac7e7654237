package redisbridge

import (
	"io"
	"testing"
	"time"
)

// TestOneFailureIsProbedAtOnce: a publish that failed has the others refused until it
// is known whether Redis is there, which is not a matter of the probes' interval.
func TestOneFailureIsProbedAtOnce(t *testing.T) {
	s := startRedis(t)
	cfg := calmConfig(s.URL())
	cfg.ProbeInterval, cfg.ProbeTimeout = time.Hour, 2*time.Hour // no probe but those that are asked for
	cfg.Outage = OutageRefuse
	n := healthyNode(t, cfg, "a")
	for range 3 {
		back := n.probeSent()
		n.failed(io.ErrUnexpectedEOF) // what a publish does whose connection was cut
		eventually(t, "a probe to come back", func() bool { return n.probeSent() > back })
		if _, err := n.publish("a", "x"); err != nil {
			t.Fatalf("after the probe: %v", err)
		}
	}
	if err := n.Err(); err != nil {
		t.Errorf("a passing failure is held against Redis: %v", err)
	}
}

// probeSent is when the newest probe that came back was sent.
func (b *Bridge) probeSent() time.Duration {
	b.health.mu.Lock()
	defer b.health.mu.Unlock()
	return b.health.back
}
