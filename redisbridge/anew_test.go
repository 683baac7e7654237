package redisbridge

// A room that is subscribed on another connection, perhaps to another server.

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"barrage/internal/broker/brokertest"
)

// said is the message at a position, whose text is its time.
func said(offset uint64, at time.Duration) *envelope {
	parsed, _ := parseBody(string(appendBody(nil, "other", uint64(at), message("a", fmt.Sprint(int64(at))))))
	return &envelope{epoch: "e", stamp: stamp{offset, int64(at)}, body: parsed}
}

// followed is a bridge, not started, that has delivered the 21st message of a room.
func followed(t *testing.T) (*Bridge, *room, *brokertest.Receiver) {
	t.Helper()
	got := brokertest.NewReceiver()
	b, err := New(kept(Config{URL: "redis://127.0.0.1:1"}, plenty), got)
	if err != nil {
		t.Fatal(err)
	}
	b.rooms.want("a", b.now(), b.freshRoom, b.followBegun)
	r := b.rooms.lookup("a")
	r.track.Store(trackFrom(said(21, 100)))
	if b.follow(r, said(21, 100)) || len(got.Messages("a")) != 1 {
		t.Fatal("the first is not delivered")
	}
	return b, r, got
}

// TestSubscribedAnew: a deposed master gave the newest offset to another message
// than its successor. The next one fits, and still is not delivered before it is
// seen that what we have is not what is there.
func TestSubscribedAnew(t *testing.T) {
	b, r, got := followed(t)
	track := r.track.Load()
	before := beginReading(r)
	before.page = page{epoch: "e", head: 21}

	b.confirmed(&b.rooms.main, b.names.message("a"))
	if b.catch.waiting() != 1 {
		t.Error("the history is not to be read")
	}
	b.follow(r, said(22, 300))
	if !b.outdated(&before) || !b.apply(&before) || len(got.Messages("a")) != 1 {
		t.Errorf("%d messages, by what was read before", len(got.Messages("a")))
	}
	here := []entry{{stamp: said(21, 200).stamp}, {stamp: said(22, 300).stamp}}
	after := beginReading(r)
	after.page = page{epoch: "e", head: 22, entries: here}
	if track.links != 1 || b.outdated(&after) || !after.diverged() {
		t.Error("what is there passes for what we have")
	}
}

// TestReadOnce: a room whose channels are confirmed is read once before it is ready, in
// whichever order they are, and not after that: what is in no history would overtake what
// is held meanwhile.
func TestReadOnce(t *testing.T) {
	for _, test := range []struct {
		name  string
		order []string // channels, and the reading's beginning and end
	}{
		{"as usual", []string{"plain", "internal", "begin", "end"}},
		{"the other last", []string{"internal", "begin", "plain", "end"}},
		{"the other later", []string{"internal", "begin", "end", "plain"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, r, got := followed(t)
			main := &b.rooms.main
			b.rooms.setUp(true)
			b.rooms.linked(main, &link{})
			b.rooms.take(main, main.link, 1, nil)
			if b.rooms.want("a", b.now(), b.freshRoom, b.followBegun); !r.waiting {
				t.Fatal("nobody waits for the room")
			}
			readings := []reading{}
			for _, step := range test.order {
				if got.ReadyCalls("a") != 0 {
					t.Fatalf("ready before %s", step)
				}
				switch step {
				case "plain":
					b.confirmed(main, b.names.plain("a"))
				case "internal":
					b.confirmed(main, b.names.message("a"))
				case "begin":
					for _, r := range b.catch.take(nil) {
						readings = append(readings, beginReading(r))
					}
				case "end":
					readings[0].page = page{epoch: "e", head: 21, entries: []entry{{stamp: said(21, 100).stamp}}}
					b.wasRead(t.Context(), &readings[0])
				}
			}
			if len(readings) != 1 || b.catch.waiting() != 0 || got.ReadyCalls("a") != 1 || !r.track.Load().live {
				t.Errorf("%d readings, %d more wait, ready %d times, live %v", len(readings), b.catch.waiting(), got.ReadyCalls("a"), r.track.Load().live)
			}
		})
	}
}

// TestReadElsewhere: while a history is being read, what comes from another server
// does not take the positions of what is in the answer.
func TestReadElsewhere(t *testing.T) {
	b, r, got := followed(t)
	reading := beginReading(r)
	b.follow(r, said(22, 400))
	text := func(offset uint64, at time.Duration) entry {
		return newEntry(said(offset, at).stamp, string(appendBody(nil, "other", uint64(at), message("a", fmt.Sprint(int64(at))))))
	}
	reading.page = page{epoch: "e", head: 23, entries: []entry{text(21, 100), text(22, 200), text(23, 300)}}
	if b.apply(&reading) || !r.track.Load().live || b.held.Load() != 0 {
		t.Error("to be read again")
	}
	var texts []string
	for _, m := range got.Messages("a") {
		texts = append(texts, string(m.Payload))
	}
	if want := []string{"100", "200", "300"}; !slices.Equal(texts, want) {
		t.Errorf("delivered %q, want %q", texts, want)
	}
}

// TestBehindAnother: the next offset, behind a message that we have not got. A
// cluster's nodes may lose what a new master says first.
func TestBehindAnother(t *testing.T) {
	for _, test := range []struct {
		name   string
		before time.Duration
		next   bool
	}{
		{"ours", 100, true},
		{"not known", 0, true},
		{"another", 200, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, r, got := followed(t)
			e := said(22, 300)
			e.before = int64(test.before)
			if b.follow(r, e) == test.next || (len(got.Messages("a")) == 2) != test.next {
				t.Errorf("%d messages, want the next one: %v", len(got.Messages("a")), test.next)
			}
		})
	}
}

// TestEnvelopesSayWhatWasBefore: all but an epoch's first have the time of the one
// before.
func TestEnvelopesSayWhatWasBefore(t *testing.T) {
	s := startRedis(t)
	n := healthyNode(t, kept(calmConfig(s.URL()), plenty))
	sub := s.Subscribe(context.Background(), n.names.message("a"))
	defer sub.Close()
	if _, err := sub.Receive(context.Background()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		before := int64(0)
		for i := range 3 {
			if _, err := n.publish("a", "x"); err != nil {
				t.Fatal(err)
			}
			m, err := sub.ReceiveMessage(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			e, ok := parseEnvelope(m.Payload)
			if !ok || e.before != before || e.offset != uint64(i+1) {
				t.Fatalf("message %d: %+v, %v, want it behind %d", i, e.stamp, e.before, before)
			}
			before = e.time
		}
		if err := n.Clear(context.Background(), "a"); err != nil {
			t.Fatal(err)
		}
	}
}
