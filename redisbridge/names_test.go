package redisbridge

// Names that are not ASCII, and those that mean something to Redis.

import (
	"context"
	"testing"
	"time"

	"barrage/internal/broker"
)

// TestPlainPublishInEitherForm: programs that know nothing of normal forms write é in one
// or the other.
func TestPlainPublishInEitherForm(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	cfg := calmConfig(s.URL())
	cfg.Linger = 60 * time.Millisecond
	const room, decomposed, mixed = "\u00e9\u00e0", "e\u0301a\u0300", "\u00e9a\u0300"
	n := healthyNode(t, cfg, room, "直播间42", "user:"+room, "}{a}")
	for i, x := range []struct {
		channel string
		want    delivery
	}{
		{"room:" + room, delivery{room, "1", false}},
		{"room:" + decomposed, delivery{room, "2", false}},
		{"room:user:" + decomposed, delivery{"user:" + room, "3", false}},
		{"room:直播间42", delivery{"直播间42", "4", false}},
		{"room:}{a}", delivery{"}{a}", "5", false}},
	} {
		s.say("room:"+mixed, "by nobody") // a mixture of both forms
		s.say(x.channel, x.want.payload)
		eventually(t, x.channel, func() bool { return len(n.deliveries()) == i+1 })
		if got := n.deliveries()[i]; got != x.want {
			t.Errorf("%q: got %+v, want %+v", x.channel, got, x.want)
		}
	}
	// Each is subscribed once, and given up as others are.
	channels := []string{"room:" + room, "room:" + decomposed, n.names.message(room)}
	subscribed := func(want int) func() bool {
		return func() bool {
			for _, channel := range channels {
				if s.subscribers(channel) != want {
					return false
				}
			}
			return true
		}
	}
	if !subscribed(1)() || s.subscribers("room:直播间42") != 1 {
		t.Error("not each channel is subscribed once")
	}
	n.setMembers(room, 0)
	eventually(t, "the room is dropped", subscribed(0))
	n.join(room)
	eventually(t, "the room is back", subscribed(1))
	s.say("room:"+decomposed, "back again")
	n.waitFor("back again")
}

// oddNames are those in which Redis could see more than a name: the braces of a cluster's
// hash tag, a pattern of SCAN, a key of another kind.
var oddNames = []string{"}", "}x", "}{a}", "{}", "{a}b", "a}:at:x", "a?", "[a-z]", `a\b`, "直播间42", "user:{1b4e28ba}", "user:}x"}

// testOddNames publishes to each and reads what it keeps.
func testOddNames(t *testing.T, cfg Config) {
	n := healthyNode(t, cfg, oddNames...)
	for _, room := range oddNames {
		p := message(room, "in "+room)
		p.Key = room
		r, err := n.Publish(context.Background(), p)
		if err != nil || r.Position.Offset != 1 {
			t.Fatalf("%s: %+v, %v", room, r, err)
		}
		n.waitFor("in " + room)
		page, err := n.History(context.Background(), room, broker.Query{})
		if err != nil || len(page.Messages) != 1 || page.Messages[0].Room != room {
			t.Errorf("%s: %+v, %v", room, page, err)
		}
		if err := n.Clear(context.Background(), room); err != nil {
			t.Errorf("%s: %v", room, err)
		}
	}
}
