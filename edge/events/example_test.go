// How the parts are put together by a program that has a go-redis client.

package events_test

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"barrage/edge/events"
)

// addTo works with a single Redis, Sentinel and Cluster: all entries have one key.
func addTo(client redis.UniversalClient) events.AddFunc {
	return func(ctx context.Context, key string, maxLen int64, entries [][]string) error {
		_, err := client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, values := range entries {
				pipe.XAdd(ctx, &redis.XAddArgs{Stream: key, MaxLen: maxLen, Approx: true, Values: values})
			}
			return nil
		})
		return err
	}
}

func ExampleAddFunc() {
	// ContextTimeoutEnabled: otherwise the emitter's deadlines mean nothing.
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379", ContextTimeoutEnabled: true, MaxRetries: -1})
	defer client.Close()
	sink, err := events.NewStream(events.StreamConfig{Key: "barrage:events", Add: addTo(client)})
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
