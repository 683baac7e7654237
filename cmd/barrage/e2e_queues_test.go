package main

// Lists and streams of Redis, through the program.

import (
	"context"
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"barrage/frame"
)

// queuesFeedRooms: two nodes read a list and a stream, one that is killed and one that is
// told to stop; each viewer gets each entry once, in order. What drops, drops.
func queuesFeedRooms(t *testing.T, bin binary) {
	r, ctx := startedRedis(t), context.Background()
	args := []string{r.url(), "--redis-queues=jobs=salon,idle=nobody drop", "--redis-streams=orders=shop 0", "--drain-window=0", "--redis-queue-rate=2000"}
	first, second := bin.serve(t, args...), bin.serve(t, args...)
	salon, shop := second.join("salon"), second.join("shop")
	const half = 400
	push := func(from int) {
		_, err := r.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i := from; i < from+half; i++ {
				p.LPush(ctx, "jobs", fmt.Sprint("job ", i))
				p.XAdd(ctx, &redis.XAddArgs{Stream: "orders", Values: []string{"data", fmt.Sprintf(`{"order": %d}`, i)}})
			}
			return p.LPush(ctx, "idle", "tick").Err()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	push(0)
	salon.want(frame.Text, "job 0")
	first.end() // whichever held them
	push(half)
	for i := range 2 * half {
		if i > 0 {
			salon.want(frame.Text, fmt.Sprint("job ", i))
		}
		shop.want(frame.Text, fmt.Sprintf(`{"order":%d}`, i))
	}
	await(t, "the queues to be empty", func() bool {
		pending, err := r.XPending(ctx, "orders", "barrage").Result()
		return err == nil && pending.Count == 0 && r.LLen(ctx, "jobs").Val() == 0 && r.LLen(ctx, "idle").Val() == 0
	})
	await(t, "what nobody hears to be dropped", func() bool { return r.LLen(ctx, "barrage:queue:{idle}:taken:idle").Val() == 0 })
	if n := second.metrics().sum("barrage_queue_entries_total"); n == 0 {
		t.Error("the metrics know nothing of the queues")
	}
	second.signal(sigterm)
	second.wantExit(exitOK)
	if holders := r.Keys(ctx, "barrage:queue:*:holder:*").Val(); len(holders) > 0 {
		t.Errorf("%q are held by a node that stopped", holders)
	}
}
