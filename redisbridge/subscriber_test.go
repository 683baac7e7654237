package redisbridge

// Subscriptions follow the rooms that have members, seen from outside by
// PUBSUB NUMSUB and PUBSUB CHANNELS.

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"barrage/internal/redistest"
)

func TestSubscriptionsFollowMembers(t *testing.T) {
	s := startRedis(t)
	cfg := calmConfig(s.URL())
	cfg.Linger = 60 * time.Millisecond
	n := healthyNode(t, cfg)
	channels := []string{"room:a", n.names.message("a")}
	subscribed := func(want int) func() bool {
		return func() bool {
			return s.subscribers(channels[0]) == want && s.subscribers(channels[1]) == want
		}
	}

	if !subscribed(0)() {
		t.Fatal("subscribed without anybody wanting it")
	}
	n.setMembers("a", 2)
	if n.Want("a") {
		t.Error("Want says subscribed before it can be")
	}
	eventually(t, "Ready is called", func() bool { return n.readyCalls("a") == 1 })
	if !subscribed(1)() || !n.Want("a") {
		t.Error("Ready without a subscription")
	}

	// A room that is wanted later, and stays empty, is dropped; a, which has
	// members, has been through at least the same sweeps and is not.
	n.Want("empty")
	eventually(t, "the empty room is subscribed", func() bool { return n.readyCalls("empty") == 1 })
	eventually(t, "the empty room is dropped", func() bool { return s.subscribers("room:empty") == 0 })
	if !subscribed(1)() {
		t.Error("a room with members was dropped")
	}

	n.setMembers("a", 0)
	eventually(t, "the room is dropped", subscribed(0))
	n.join("a")
	s.say("room:a", "back again")
	n.waitFor("back again")
	if got := n.Stats().Subscriptions; got != 1 {
		t.Errorf("%d subscriptions, want 1", got)
	}
}

// Rooms flicker in and out at the pace of the sweep; whatever the interleaving,
// a room that is wanted last is heard.
func TestWantWhileUnsubscribing(t *testing.T) {
	s := startRedis(t)
	cfg := calmConfig(s.URL())
	cfg.Linger = 3 * time.Millisecond
	n := healthyNode(t, cfg)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for round := range 60 {
				for r := range 10 {
					n.Want(fmt.Sprintf("r%d", (g+r)%10))
				}
				time.Sleep(time.Duration(round%7) * time.Millisecond) // varies the interleaving, decides nothing
			}
		})
	}
	wg.Wait()
	for r := range 10 {
		room := fmt.Sprintf("r%d", r)
		n.join(room)
		s.say("room:"+room, room)
		n.waitFor(room)
	}
	if st := n.Stats(); st.Reconnects != 0 || st.Subscriptions != 10 {
		t.Errorf("stats %+v", st)
	}
}

func TestManyRooms(t *testing.T) {
	s := startRedis(t)
	cfg := calmConfig(s.URL())
	cfg.Linger = 300 * time.Millisecond
	n := healthyNode(t, cfg)
	const rooms = 20000
	name := func(i int) string { return fmt.Sprintf("room-%d", i) }
	for i := range rooms {
		n.setMembers(name(i), 1)
	}
	start := time.Now()
	asked := 0
	for i := range rooms {
		if !n.Want(name(i)) {
			asked++
		}
	}
	eventually(t, "all rooms are subscribed", func() bool { return n.Stats().Subscriptions == rooms })
	t.Logf("%d rooms subscribed in %v", rooms, time.Since(start))

	n.mu.Lock()
	called, twice := len(n.ready), 0
	for _, calls := range n.ready {
		if calls != 1 {
			twice++
		}
	}
	n.members = make(map[string]int)
	n.mu.Unlock()
	if called != asked || twice != 0 {
		t.Errorf("Ready for %d rooms (%d more than once), want %d", called, twice, asked)
	}

	eventually(t, "all rooms are dropped", func() bool {
		all, err := s.PubSubChannels(context.Background(), "*").Result()
		return err == nil && len(all) == 2 && slices.Contains(all, n.probeChannel) && slices.Contains(all, n.helloChannel)
	})
	n.rooms.mu.Lock()
	defer n.rooms.mu.Unlock()
	if n.rooms.rooms.Len() != 0 || cap(n.rooms.list) >= shrinkFrom || cap(n.rooms.main.todo) > shrinkFrom {
		t.Errorf("tables kept their size: list %d, todo %d", cap(n.rooms.list), cap(n.rooms.main.todo))
	}
}

func TestWantDoesNotWaitWhileDown(t *testing.T) {
	n := newNode(t, hastyConfig(fmt.Sprintf("redis://127.0.0.1:%d", redistest.FreePort(t))))
	for i := range 100 {
		if !n.Want(fmt.Sprint(i)) {
			t.Fatal("Want asks to wait for a Redis that is not there")
		}
	}
}

// During an outage rooms come and go too; the gone ones must not pile up.
func TestRoomsAreForgottenWhileDown(t *testing.T) {
	cfg := hastyConfig(fmt.Sprintf("redis://127.0.0.1:%d", redistest.FreePort(t)))
	cfg.Linger = 30 * time.Millisecond
	n := newNode(t, cfg)
	for i := range 5000 {
		n.Want(fmt.Sprint(i))
	}
	eventually(t, "the rooms are forgotten", func() bool {
		n.rooms.mu.Lock()
		defer n.rooms.mu.Unlock()
		return len(n.rooms.list) == 0 && cap(n.rooms.list) < shrinkFrom
	})
}
