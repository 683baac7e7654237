// Attacks by way of the lists and streams of Redis that a server publishes.

package hostile

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	floodedList   = "flood:list"
	floodedStream = "flood:stream"
	queueRate     = 1000 // entries a second of each, redis_queue_rate
)

var floodsQueues = Attack{
	Name: "queue-flood", Who: "a back end", About: "so many entries at once in a list and in a stream, many of them invalid, and again when they are taken; the list feeds one of the honest viewers' rooms",
	Sizes: []int{1, 50_000}, Short: 2000, Redis: true, Memory: 64,
	Flags: []string{"--redis-queues=" + floodedList + "=" + rawRoom(0) + " dead", "--redis-streams=" + floodedStream + "=queued"},
	Run: func(ctx context.Context, f *Field) {
		o, err := redis.ParseURL(f.Redis)
		if err != nil {
			f.note(err.Error())
			return
		}
		c := redis.NewClient(o)
		defer c.Close()
		f.each(ctx, 1, func(ctx context.Context, _ int) error {
			waiting, err := c.LLen(ctx, floodedList).Result()
			if err != nil || waiting > 0 {
				pause(ctx, again)
				return err
			}
			return f.pour(ctx, c)
		})
	},
	Check: func(f *Facts) (wrong []string) {
		n, bound := f.Grown("queue_entries_taken_total"), 2*queueRate*(f.Seconds+late)
		if n == 0 || n > bound {
			wrong = append(wrong, fmt.Sprintf("%.0f entries were taken, at most %.0f may be", n, bound))
		}
		return wrong
	},
}

// pour puts entries into the list and the stream.
func (f *Field) pour(ctx context.Context, c *redis.Client) error {
	const atOnce = 1000
	tooLong := string(make([]byte, 100<<10))
	for k := 0; k < f.Size; {
		p := c.Pipeline()
		for end := min(f.Size, k+atOnce); k < end; k++ {
			list, fields := fmt.Sprint("noise ", k), []string{"text", fmt.Sprint("noise ", k)}
			if k%4 == 0 {
				fields = []string{"data", "{"}
			}
			if k%100 == 0 { // few, as they are long
				list = tooLong
			}
			p.LPush(ctx, floodedList, list)
			p.XAdd(ctx, &redis.XAddArgs{Stream: floodedStream, Values: fields})
		}
		if _, err := p.Exec(ctx); err != nil {
			return err
		}
		f.replies.Add(atOnce)
	}
	pause(ctx, time.Second)
	return nil
}
