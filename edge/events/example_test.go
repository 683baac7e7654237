// How the parts are put together by a program that has a go-redis client.

package events_test

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"barrage/edge/events"
)

// redisStore is a Redis with a stream of events: one server, Sentinel or Cluster, as all is
// about one key.
type redisStore struct{ redis.UniversalClient }

// Add implements events.StreamStore.
func (s redisStore) Add(ctx context.Context, key string, maxLen int64, entries [][]string) error {
	_, err := s.TxPipelined(ctx, func(p redis.Pipeliner) error {
		for _, e := range entries {
			p.XAdd(ctx, &redis.XAddArgs{Stream: key, MaxLen: maxLen, Approx: true, Values: e})
		}
		return nil
	})
	return err
}

// Size implements events.StreamStore.
func (s redisStore) Size(ctx context.Context, key string) (bytes, entries int64, err error) {
	if entries, err = s.XLen(ctx, key).Result(); err == nil && entries > 0 {
		bytes, err = s.MemoryUsage(ctx, key, 0).Result()
	}
	return bytes, entries, err
}

// Trim implements events.StreamStore.
func (s redisStore) Trim(ctx context.Context, key string, entries int64) error {
	return s.XTrimMaxLen(ctx, key, entries).Err()
}

func ExampleStreamStore() {
	// ContextTimeoutEnabled: otherwise the emitter's deadlines mean nothing.
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379", ContextTimeoutEnabled: true, MaxRetries: -1})
	defer client.Close()
	sink, err := events.NewStream(events.StreamConfig{Key: "barrage:events", Store: redisStore{client}})
	if err != nil {
		fmt.Println(err)
		return
	}
	emitter, err := events.New(events.Config{Sink: sink, Node: "edge-1", Types: []events.Type{events.Join, events.Leave}})
	if err != nil {
		fmt.Println(err)
		return
	}
	emitter.Emit(&events.Event{Type: events.Join, Room: "lobby", User: "u1", Conn: "c7"})
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := emitter.Close(ctx); err != nil {
		fmt.Println(err)
	}
}
