package redisbridge

// How many bytes a room's history may have in Redis.

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
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

// TestRetainedAsCounted: whatever sizes come, a history is the newest messages that have
// room, no fewer than while it is small, and what is noted of its bytes is true.
func TestRetainedAsCounted(t *testing.T) {
	const bound, limit = 64 << 10, 20
	s := startRedis(t)
	ctx := context.Background()
	cfg := calmConfig(s.URL())
	cfg.Retention = func(string) broker.Retention { return broker.Retention{Messages: limit, Age: time.Hour, Bytes: bound} }
	n := healthyNode(t, cfg)
	names := newLayout("room:")
	rng := rand.New(rand.NewPCG(1, 2))
	var sizes []int
	for i := range 600 {
		// Runs of small ones, of some that all fit, of large ones, and of all mixed.
		size := []int{10, 2500, 12000, rng.IntN(30000)}[i/30%4]
		if _, err := n.publish("a", strings.Repeat("x", size)); err != nil {
			t.Fatal(err)
		}
		entries, err := s.XRange(ctx, names.log("a"), "-", "+").Result()
		if err != nil {
			t.Fatal(err)
		}
		whole := 0
		for _, e := range entries {
			whole += len(e.Values["m"].(string)) + 200
		}
		newest := entries[len(entries)-1].Values["m"].(string)
		sizes = append(sizes, len(newest)+200)
		want, sum := 0, 0
		for want < min(limit, len(sizes)) && sum+sizes[len(sizes)-1-want] <= bound {
			sum += sizes[len(sizes)-1-want]
			want++
		}
		if len(entries) != want {
			t.Fatalf("message %d: %d are kept, want %d", i, len(entries), want)
		}
		meta := s.HGetAll(ctx, names.meta("a")).Val()
		noted, _ := strconv.Atoi(meta["b"])
		if noted < whole || meta["c"] != "" && (noted != whole || meta["c"] != fmt.Sprintf("%d %d", want, i+1)) {
			t.Fatalf("message %d: noted are %d bytes of %q, there are %d of %d", i, noted, meta["c"], whole, want)
		}
	}
}

// TestLargeHistoryIsNotReadAgain: a history of large messages is not read for each few that
// are published, which would be all that Redis does.
func TestLargeHistoryIsNotReadAgain(t *testing.T) {
	for _, size := range []int{60 << 10, 36 << 10} { // fewer than may be kept, and as many
		s := startRedis(t)
		cfg := calmConfig(s.URL())
		cfg.Retention = func(string) broker.Retention { return broker.Retention{Messages: 100, Age: time.Hour} }
		n := healthyNode(t, cfg)
		room := fmt.Sprint("of-", size)
		const messages = 400
		for range messages {
			if _, err := n.publish(room, strings.Repeat("x", size)); err != nil {
				t.Fatal(err)
			}
		}
		stats := s.Info(context.Background(), "commandstats").Val()
		// Each time it is read by 32 entries, which is once here, when it is found to be large.
		if m := regexp.MustCompile("cmdstat_xrevrange:calls=([0-9]+)").FindStringSubmatch(stats); m == nil || len(m[1]) > 1 {
			t.Errorf("readings of the log for %d messages of %d bytes: %q", messages, size, m)
		}
	}
}
