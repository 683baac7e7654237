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

	"barrage/internal/broker"
)

func TestForeignPublishIsDelivered(t *testing.T) {
	s := startRedis(t)
	cfg := calmConfig(s.URL())
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
	s := startRedis(t)
	one := healthyNode(t, calmConfig(s.URL()), "a")
	two := healthyNode(t, calmConfig(s.URL()), "a")
	none := healthyNode(t, calmConfig(s.URL()))

	want := []delivery{{"a", "\xff binary", true}, {"a", "valid UTF-8, still binary", true}, {"a", "text", false}, {"a", "", false}, {"a", "queued", false}}
	for _, d := range want[:4] {
		p := message(d.room, d.payload)
		if d.binary {
			p.Format = broker.Binary
		}
		r, err := none.Publish(context.Background(), p)
		if err != nil || r.Position != (broker.Position{}) || r.LocalOnly || !strings.HasPrefix(r.ID, none.cfg.Node+"-") {
			t.Fatalf("Publish: %+v, %v", r, err)
		}
	}
	if !none.try("a", "queued") {
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
	// Members get a message before Redis tells its publisher.
	eventually(t, "the queued one is acknowledged", func() bool { return none.Stats().Queued == 0 })
	if st := none.Stats(); st.Published != 5 || st.PublishErrors != 0 {
		t.Errorf("stats %+v", st)
	}
}

// Two nodes and a foreign program publish at once: both nodes deliver the same
// sequence, each message once, each publisher's in its own order.
func TestOneOrderOnAllNodes(t *testing.T) {
	s := startRedis(t)
	nodes := []*node{healthyNode(t, calmConfig(s.URL()), "a"), healthyNode(t, calmConfig(s.URL()), "a")}
	const each = 2000

	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Go(func() {
			for k := range each {
				for !n.try("a", fmt.Sprintf("queue%d:%d", i, k)) {
					time.Sleep(time.Millisecond)
				}
			}
		})
		wg.Go(func() {
			for k := range each / 4 {
				if r, err := n.publish("a", fmt.Sprintf("api%d:%d", i, k)); err != nil || r.LocalOnly {
					t.Errorf("Publish: %+v, %v", r, err)
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
	s := startRedis(t)
	n := healthyNode(t, calmConfig(s.URL()), "a")
	garbage := []string{"", "x", "\x03", "\x03\x00", "\x03\x00\x03", "\x03\x00\x030-1", "\x03\x00\x030-1\x00", "\x01\x01\x04node",
		"hello world, this is no envelope", strings.Repeat("\xff", 70000)}
	for _, g := range garbage {
		s.say(n.names.message("a"), g)
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
		{"by bytes", 100, 1200, 2, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := calmConfig("redis://127.0.0.1:1")
			cfg.QueueLen, cfg.QueueBytes, cfg.Node = tt.length, tt.bytes, "n"
			b, err := New(cfg, (*receiver)(&node{})) // not started: nothing empties the queue
			if err != nil {
				t.Fatal(err)
			}
			abandoned := 0
			done := func(_ broker.Receipt, err error) {
				if errors.Is(err, broker.ErrClosed) {
					abandoned++
				}
			}
			for i := range tt.accepted + tt.refuse {
				if got := b.TryPublish(message("a", strings.Repeat("x", 400)), done); got != (i < tt.accepted) {
					t.Errorf("message %d: accepted=%v", i, got)
				}
			}
			if st := b.Stats(); st.QueueFull != uint64(tt.refuse) || st.Queued != tt.accepted {
				t.Errorf("stats %+v", st)
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
			if abandoned != tt.accepted {
				t.Errorf("%d of %d were told that nobody publishes them", abandoned, tt.accepted)
			}
		})
	}
}

func TestClose(t *testing.T) {
	s := startRedis(t)
	n := healthyNode(t, calmConfig(s.URL()), "a")
	other := healthyNode(t, calmConfig(s.URL()), "a")
	for i := range 1000 {
		if !n.try("a", fmt.Sprint(i)) {
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
	if _, err := n.publish("a", ""); !errors.Is(err, broker.ErrClosed) {
		t.Errorf("Publish after Close: %v", err)
	}
	if n.try("a", "") {
		t.Error("TryPublish after Close accepted")
	}
	if !n.Want("b") {
		t.Error("Want after Close asks to wait")
	}
	if err := n.Err(); !errors.Is(err, broker.ErrClosed) {
		t.Errorf("Err after Close: %v", err)
	}
}

func TestPublishWithEndedContext(t *testing.T) {
	s := startRedis(t)
	n := healthyNode(t, calmConfig(s.URL()), "a")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if r, err := n.Publish(ctx, message("a", "x")); !errors.Is(err, context.Canceled) || r.LocalOnly {
		t.Errorf("Publish: %+v, %v", r, err)
	}
	if n.times("x") != 0 || !n.health.usable.Load() {
		t.Error("a caller that gave up was taken for an outage")
	}
}
