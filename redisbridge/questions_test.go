package redisbridge

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"barrage/internal/broker"
)

// TestManyQuestions: while Redis is held up hundreds of histories are asked for. They go
// in a few pipelines over a few connections, each gets its own answer, also where the
// script has to be sent again, and who has given up meanwhile disturbs nobody.
func TestManyQuestions(t *testing.T) {
	t.Parallel()
	const rooms = 200
	ctx := context.Background()
	s := startRedis(t)
	n := healthyNode(t, kept(calmConfig(s.URL()), 10))
	room := func(i int) string { return fmt.Sprint("room-", i) }
	for i := range rooms {
		if _, err := n.Publish(ctx, &broker.Publication{Room: room(i), Format: broker.Text, Payload: []byte(room(i))}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.ScriptFlush(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	s.Freeze()
	brief, giveUp := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for i := range rooms {
		wg.Go(func() {
			page, err := n.History(ctx, room(i), broker.Query{})
			if err != nil || len(page.Messages) != 1 || string(page.Messages[0].Payload) != room(i) {
				t.Errorf("%s: %d messages, %v", room(i), len(page.Messages), err)
			}
		})
		wg.Go(func() {
			if _, err := n.History(brief, room(i), broker.Query{}); err == nil {
				t.Error("there was an answer while Redis was held up")
			}
		})
	}
	q := &n.client.questions
	eventually(t, "all but those in flight wait", func() bool {
		q.mu.Lock()
		defer q.mu.Unlock()
		return len(q.waiting) >= 2*rooms-questionsInFlight*questionsAtOnce && q.inFlight == questionsInFlight
	})
	giveUp()
	s.Thaw()
	wg.Wait()
	eventually(t, "nothing is in flight", func() bool {
		q.mu.Lock()
		defer q.mu.Unlock()
		return q.inFlight == 0 && len(q.waiting) == 0
	})
}
