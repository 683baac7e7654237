package redisbridge

// Delivery and order while nothing is wrong.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestForeignPublishIsDelivered(t *testing.T) {
	checkLeaks(t)
	s := startRedis(t)
	cfg := calmConfig(s.url())
	cfg.Channels = map[string]string{"legacy.chat": "lobby"}
	n := healthyNode(t, cfg, "a", "ключ ключ", "x:y")

	tests := []struct {
		name, channel string
		want          delivery
	}{
		{"text", "room:a", delivery{"a", "hello", false}},
		{"utf8", "room:a", delivery{"a", "弹幕 🎆", false}},
		{"binary", "room:a", delivery{"a", "\xff\x00\x01", true}},
		{"empty", "room:a", delivery{"a", "", false}},
		{"64KiB", "room:a", delivery{"a", strings.Repeat("0123456789abcdef", 4096), false}},
		{"line ends", "room:a", delivery{"a", "a\r\nb\x00c", false}},
		{"room with space", "room:ключ ключ", delivery{"ключ ключ", "1", false}},
		{"room with colon", "room:x:y", delivery{"x:y", "2", false}},
		{"other channel", "legacy.chat", delivery{"lobby", "3", false}},
	}
	for i, tt := range tests {
		s.say(tt.channel, tt.want.payload)
		eventually(t, tt.name, func() bool { return len(n.deliveries()) == i+1 })
		if got := n.deliveries()[i]; got != tt.want {
			t.Errorf("%s: got %.60s, want %.60s", tt.name, fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", tt.want))
		}
	}
	if st := n.Stats(); st.Received != uint64(len(tests)) || st.ReceivedBytes < 64<<10 || st.Reconnects != 0 || !st.Probe || st.Subscriptions != 3 {
		t.Errorf("stats %+v", st)
	}
}

func TestPublishReachesAllNodes(t *testing.T) {
	checkLeaks(t)
	s := startRedis(t)
	one := healthyNode(t, calmConfig(s.url()), "a")
	two := healthyNode(t, calmConfig(s.url()), "a")
	none := healthyNode(t, calmConfig(s.url()))

	want := []delivery{{"a", "\xff binary", true}, {"a", "valid UTF-8, still binary", true}, {"a", "text", false}, {"a", "", false}, {"a", "queued", false}}
	for _, d := range want[:4] {
		id, offset, localOnly, err := none.Publish(context.Background(), d.room, d.binary, []byte(d.payload))
		if err != nil || offset != 0 || localOnly || !strings.HasPrefix(id, none.cfg.Node+"-") {
			t.Fatalf("Publish = %q, %d, %v, %v", id, offset, localOnly, err)
		}
	}
	if !none.TryPublish("a", false, []byte("queued")) {
		t.Fatal("TryPublish refused")
	}
	for name, n := range map[string]*node{"one": one, "two": two} {
		eventually(t, "all delivered on "+name, func() bool { return len(n.deliveries()) == len(want) })
		if got := n.deliveries(); !slices.Equal(got, want) {
			t.Errorf("node %s got %+v, want %+v", name, got, want)
		}
	}
	if got := none.deliveries(); len(got) != 0 {
		t.Errorf("node without members got %+v", got)
	}
	if st := none.Stats(); st.Published != 5 || st.PublishErrors != 0 || st.Queued != 0 {
		t.Errorf("stats %+v", st)
	}
}

// Two nodes and a foreign program publish at once: both nodes deliver the same
// sequence, each message once, each publisher's in its own order.
func TestOneOrderOnAllNodes(t *testing.T) {
	checkLeaks(t)
	s := startRedis(t)
	nodes := []*node{healthyNode(t, calmConfig(s.url()), "a"), healthyNode(t, calmConfig(s.url()), "a")}
	const each = 2000

	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Go(func() {
			for k := range each {
				msg := fmt.Appendf(nil, "queue%d:%d", i, k)
				for !n.TryPublish("a", k%2 == 0, msg) {
					time.Sleep(time.Millisecond)
				}
			}
		})
		wg.Go(func() {
			for k := range each / 4 {
				msg := fmt.Appendf(nil, "api%d:%d", i, k)
				if _, _, local, err := n.Publish(context.Background(), "a", false, msg); err != nil || local {
					t.Errorf("Publish: local=%v err=%v", local, err)
					return
				}
			}
		})
	}
	wg.Go(func() {
		for k := range each / 4 {
			s.say("room:a", fmt.Sprintf("foreign:%d", k))
		}
	})
	wg.Wait()

	total := 2*each + 2*each/4 + each/4
	for _, n := range nodes {
		eventually(t, "everything is delivered", func() bool { return len(n.deliveries()) >= total })
	}
	a, b := nodes[0].deliveries(), nodes[1].deliveries()
	if !slices.Equal(a, b) {
		t.Fatal("the two nodes delivered different sequences")
	}
	next := make(map[string]int)
	for _, d := range a {
		source, number, _ := strings.Cut(d.payload, ":")
		if number != fmt.Sprint(next[source]) {
			t.Fatalf("%s: got number %s, want %d", source, number, next[source])
		}
		next[source]++
	}
	if len(a) != total {
		t.Fatalf("delivered %d, want %d", len(a), total)
	}
}

func TestGarbageOnInternalChannels(t *testing.T) {
	checkLeaks(t)
	s := startRedis(t)
	n := healthyNode(t, calmConfig(s.url()), "a")
	garbage := []string{"", "x", "\x01", "\x01\x01\x04node", "hello world, this is no envelope",
		"\x02\x01\x01n12345678payload", "\x01\x01\x01n12345678\xff", strings.Repeat("\xff", 70000)}
	for _, g := range garbage {
		s.say("barrage:msg:room:a", g)
	}
	s.say(n.probeChannel, "not a probe")
	s.say(n.probeChannel, n.instance+"12x")
	s.say("room:a", "still here")
	n.waitFor("still here")
	if got := n.deliveries(); len(got) != 1 {
		t.Errorf("delivered %d messages, want 1", len(got))
	}
	if st := n.Stats(); st.Foreign != uint64(len(garbage))+2 || st.Reconnects != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestTryPublishIsBounded(t *testing.T) {
	for _, tt := range []struct {
		name             string
		length, bytes    int
		accepted, refuse int
	}{
		{"by number", 3, 1 << 20, 3, 2},
		{"by bytes", 100, 1000, 2, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := calmConfig("redis://127.0.0.1:1")
			cfg.QueueLen, cfg.QueueBytes, cfg.Node = tt.length, tt.bytes, "n"
			cfg.Deliver, cfg.Members, cfg.Ready = func(string, bool, []byte) {}, func(string) int { return 0 }, func(string) {}
			b, err := New(cfg) // not started: nothing empties the queue
			if err != nil {
				t.Fatal(err)
			}
			for i := range tt.accepted + tt.refuse {
				if got := b.TryPublish("a", false, make([]byte, 400)); got != (i < tt.accepted) {
					t.Errorf("message %d: accepted=%v", i, got)
				}
			}
			if st := b.Stats(); st.QueueFull != uint64(tt.refuse) || st.Queued != tt.accepted {
				t.Errorf("stats %+v", st)
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestClose(t *testing.T) {
	checkLeaks(t)
	s := startRedis(t)
	n := healthyNode(t, calmConfig(s.url()), "a")
	other := healthyNode(t, calmConfig(s.url()), "a")
	for i := range 1000 {
		if !n.TryPublish("a", false, fmt.Append(nil, i)) {
			t.Fatal("refused")
		}
	}
	for range 2 {
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
	n.Start() // does nothing now
	eventually(t, "what was accepted is published", func() bool { return len(other.deliveries()) == 1000 })
	if _, _, _, err := n.Publish(context.Background(), "a", false, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Publish after Close: %v", err)
	}
	if n.TryPublish("a", false, nil) {
		t.Error("TryPublish after Close accepted")
	}
	if !n.Want("b") {
		t.Error("Want after Close asks to wait")
	}
	if err := n.Err(); !errors.Is(err, ErrClosed) {
		t.Errorf("Err after Close: %v", err)
	}
}

func TestPublishWithEndedContext(t *testing.T) {
	checkLeaks(t)
	s := startRedis(t)
	n := healthyNode(t, calmConfig(s.url()), "a")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, local, err := n.Publish(ctx, "a", false, []byte("x")); !errors.Is(err, context.Canceled) || local {
		t.Errorf("Publish: local=%v err=%v", local, err)
	}
	if n.times("x") != 0 || !n.health.usable.Load() {
		t.Error("a caller that gave up was taken for an outage")
	}
}
