package redisbridge

// What reading leaves behind in Redis: nothing.

import (
	"context"
	"slices"
	"testing"

	"barrage/internal/broker"
)

// TestReadingWritesNothing: who looks at rooms that are none leaves no key, nor does a
// node that follows them; a position to resume from is one key.
func TestReadingWritesNothing(t *testing.T) {
	ctx := context.Background()
	s := startRedis(t)
	n := healthyNode(t, kept(calmConfig(s.URL()), plenty), "followed")
	here := newHere(t, "", PresenceConfig{Client: s.Client})
	for _, room := range []string{"followed", "nowhere", "user:nobody"} {
		for _, q := range []broker.Query{{}, {Limit: 1}, {After: &broker.Position{}}, {After: &broker.Position{Epoch: "e", Offset: 7}}, {After: &broker.Position{Offset: 7}}} {
			page, err := n.History(ctx, room, q)
			if err != nil || page.Head != (broker.Position{}) || page.Begun || (page.Gap == nil) != (q.After == nil || *q.After == broker.Position{}) {
				t.Errorf("History of %s, %+v: %+v, %v", room, q, page, err)
			}
		}
		_, acked := n.Acknowledged(ctx, room)
		_, unread := n.Unread(ctx, room)
		_, list := here.List(ctx, room, 10, true)
		_, viewers := here.Viewers(ctx, room, 1, 3)
		rooms := here.Rooms(ctx, room, func(string) bool { return true })
		for _, err := range []error{n.Acknowledge(ctx, room, broker.Position{Epoch: "e", Offset: 1}), acked, unread, list, viewers, rooms} {
			if err != nil {
				t.Error(err)
			}
		}
	}
	if keys := s.Keys(ctx, "*").Val(); len(keys) != 0 {
		t.Errorf("reading left %q", keys)
	}
	page, err := n.History(ctx, "nowhere", broker.Query{Limit: 1, Begin: true})
	if err != nil || page.Head.Epoch == "" || page.Head.Offset != 0 || !page.Begun {
		t.Errorf("begun: %+v, %v", page, err)
	}
	key := n.names.meta("nowhere")
	if keys := s.Keys(ctx, "*").Val(); !slices.Equal(keys, []string{key}) || s.TTL(ctx, key).Val() <= 0 {
		t.Errorf("a position left %q, for %v", keys, s.TTL(ctx, key).Val())
	}
}
