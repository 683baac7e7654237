package redisbridge

// How many bytes a room's history may have in Redis.

import (
	"context"
	"strings"
	"testing"
	"time"

	"barrage/internal/broker"
)

// TestRetainedBytes: a history is cut by its bytes, those of older nodes included, which
// do not count; and what MAXLEN takes away counts no more.
func TestRetainedBytes(t *testing.T) {
	const bound, size = 256 << 10, 8 << 10
	s := startRedis(t)
	ctx := context.Background()
	keep := broker.Retention{Messages: 1000, Age: time.Hour, Bytes: bound}
	cfg := calmConfig(s.URL())
	cfg.Retention = func(string) broker.Retention { return keep }
	n := healthyNode(t, cfg)
	names := newLayout("room:")
	publish := func(payload string) (bytes int) {
		t.Helper()
		if _, err := n.publish("a", payload); err != nil {
			t.Fatal(err)
		}
		entries, err := s.XRange(ctx, names.log("a"), "-", "+").Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			bytes += len(e.Values["m"].(string))
		}
		return bytes
	}
	large := strings.Repeat("x", size)
	for range 3 * bound / size {
		if got := publish(large); got > bound {
			t.Fatalf("%d bytes are kept, at most %d may be", got, bound)
		}
	}
	// As an older node leaves it: nothing is counted, and there is too much.
	keep.Bytes = 0
	for range 2 * bound / size {
		publish(large)
	}
	keep.Bytes = bound
	if err := s.HDel(ctx, names.meta("a"), "b").Err(); err != nil {
		t.Fatal(err)
	}
	if got := publish(large); got > bound {
		t.Errorf("%d bytes are kept behind an older node, at most %d may be", got, bound)
	}
	counted, err := s.HGet(ctx, names.meta("a"), "b").Int()
	if err != nil || counted < bound/2 || counted > bound {
		t.Errorf("counted %d, %v, of about %d", counted, err, bound)
	}
	// Few small messages stay, however often the log was counted.
	keep.Messages = 5
	for range bound / 2000 {
		publish(strings.Repeat("y", 4000))
	}
	if got := publish("y"); got < 4*4000 {
		t.Errorf("%d bytes are kept of 5 messages, want more than 4 of 4000", got)
	}
}
