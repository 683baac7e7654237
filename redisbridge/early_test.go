package redisbridge

import (
	"context"
	"fmt"
	"testing"

	"barrage/edge/broker"
)

// A room whose history cannot be read is told ready, so that nobody waits; who
// then is given its history must get what follows.
func TestReadyBeforeItsHistoryIsRead(t *testing.T) {
	checkLeaks(t)
	s := startRedis(t)
	cfg := kept(calmConfig(s.url()), plenty)
	a, b := healthyNode(t, cfg), healthyNode(t, cfg)
	ctx := context.Background()
	for i := range 5 {
		room := fmt.Sprint("room", i)
		if _, err := a.publish(room, "one"); err != nil {
			t.Fatal(err)
		}
		meta := a.names.meta(room)
		s.Rename(ctx, meta, "aside")
		s.Set(ctx, meta, "no hash", 0)
		b.setMembers(room, 1)
		b.Want(room)
		eventually(t, "nobody has to wait", func() bool { return b.readyCalls(room) > 0 })
		s.Rename(ctx, "aside", meta)
		page, err := b.History(ctx, room, broker.Query{After: &broker.Position{}})
		if err != nil || len(page.Messages) != 1 {
			t.Fatalf("%+v, %v", page, err)
		}
		if _, err := a.publish(room, fmt.Sprint("two", i)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the room goes on", func() bool { return b.Want(room) })
		if b.times(fmt.Sprint("two", i)) != 1 && len(b.gaps()) != i+1 {
			t.Errorf("%s: not delivered, and the gaps told are %v", room, b.gaps())
		}
	}
}
