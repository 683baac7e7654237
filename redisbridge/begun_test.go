package redisbridge

// Rooms that begin to keep a history while people are in them.

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"barrage/internal/broker"
	"barrage/internal/broker/brokertest"
)

// switched keeps nothing until it is turned on.
func switched(cfg Config) (_ Config, on *atomic.Bool) {
	on = new(atomic.Bool)
	cfg.Retention = func(string) broker.Retention {
		if !on.Load() {
			return broker.Retention{}
		}
		return broker.Retention{Messages: plenty, Age: time.Hour}
	}
	return cfg, on
}

// TestFollowedLate: what came before the history was read the first time is given
// to those who are there.
func TestFollowedLate(t *testing.T) {
	cfg, on := switched(Config{URL: "redis://127.0.0.1:1"})
	got := brokertest.NewReceiver()
	b, err := New(cfg, got)
	if err != nil {
		t.Fatal(err)
	}
	r := b.freshRoom("a")
	if r.track.Load() != nil || b.followBegun(r) {
		t.Fatal("followed, though it keeps nothing")
	}
	on.Store(true)
	if !b.followBegun(r) || b.followBegun(r) {
		t.Fatal("not followed once")
	}
	var list []entry
	for i := uint64(1); i <= 5; i++ {
		text := string(appendBody(nil, "other", i, message("a", fmt.Sprint(i))))
		list = append(list, newEntry(stamp{i, int64(i)}, text))
		if i == 3 || i == 4 { // the third is the first that came; the fifth was lost
			parsed, _ := parseBody(text)
			b.follow(r, &envelope{epoch: "e", stamp: list[i-1].stamp, body: parsed})
		}
	}
	if !b.apply(&reading{room: r, held: 2, page: page{epoch: "e", head: 5, entries: list[4:]}}) {
		t.Fatal("not to be read again")
	}
	track := r.track.Load()
	again := &reading{room: r, known: true, epoch: track.epoch, stamp: track.stamp, held: len(track.held), page: page{epoch: "e", head: 5, entries: list[1:]}}
	if b.apply(again) || !track.live || b.held.Load() != 0 {
		t.Errorf("live %v, held %d", track.live, b.held.Load())
	}
	var offsets []uint64
	for _, m := range got.Messages("a") {
		offsets = append(offsets, m.Offset)
	}
	if !slices.Equal(offsets, []uint64{3, 4, 5}) {
		t.Errorf("%v were delivered", offsets)
	}
}

// TestBegunLate: from its first message on, or from when somebody joins, such a
// room misses nothing.
func TestBegunLate(t *testing.T) {
	s := startRedis(t)
	for _, begin := range []string{"by a message", "by a member"} {
		t.Run(begin, func(t *testing.T) {
			cfg, on := switched(calmConfig(s.URL()))
			room := "late " + begin
			here, there := healthyNode(t, cfg, room), healthyNode(t, cfg)
			say := func(text string) {
				t.Helper()
				if _, err := there.publish(room, text); err != nil {
					t.Fatal(err)
				}
			}
			say("before")
			here.waitFor("before")
			on.Store(true)
			want := []string{"before"}
			if begin == "by a message" {
				say("first")
				here.waitFor("first")
				want = append(want, "first")
			} else {
				here.join(room)
			}
			for i := range 20 {
				text := fmt.Sprint("message ", i)
				want = append(want, text)
				if i%5 == 0 {
					if err := s.Do(context.Background(), "CLIENT", "KILL", "TYPE", "pubsub").Err(); err != nil {
						t.Fatal(err)
					}
				}
				say(text)
			}
			here.waitFor("message 19")
			var got []string
			for _, d := range here.deliveries() {
				got = append(got, d.payload)
			}
			if !slices.Equal(got, want) {
				t.Errorf("delivered %q, want %q", got, want)
			}
			if gaps := here.gaps(); len(gaps) > 0 {
				t.Errorf("gaps %+v", gaps)
			}
		})
	}
}
