// Publishing: encodings, overload, and who is a member.

package fanout

import (
	"slices"
	"testing"
	"time"
)

func TestConfig(t *testing.T) {
	tests := []struct {
		name string
		cfg  Config
		ok   bool
	}{
		{"zero", Config{}, true},
		{"largest", Config{Shards: MaxShards, Encodings: MaxEncodings}, true},
		{"too many shards", Config{Shards: MaxShards + 1}, false},
		{"too many encodings", Config{Encodings: MaxEncodings + 1}, false},
		{"negative encodings", Config{Encodings: -1}, false},
		{"small logs", Config{RoomBytes: 1}, false},
		{"no sends", Config{SliceSends: -1}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := NewHub(tt.cfg); (err == nil) != tt.ok {
				t.Errorf("error is %v", err)
			}
		})
	}
}

// newTestShards returns a hub of several shards with the same number of sockets.
func newTestShards(t *testing.T, cfg Config, subs int) (*Hub, []*fakeSink) {
	t.Helper()
	hub, err := NewHub(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var sinks []*fakeSink
	for i := range cfg.Shards {
		sinks = append(sinks, newFakeSink(subs, 1<<40))
		hub.Shard(i).Attach(sinks[i], func() {})
	}
	return hub, sinks
}

func TestOnlyEncodingsInUseAreMade(t *testing.T) {
	hub, sinks := newTestShards(t, Config{Shards: 2, Encodings: 4}, 2)
	a, b := hub.Shard(0), hub.Shard(1)
	a.Join(0, "r", 0, false)
	b.Join(0, "r", 0, false)
	b.Join(1, "r", 3, true)
	b.Join(1, "other", 1, false)
	send := func(num int, encodings EncodingSet, members int) *pub {
		t.Helper()
		p := newPub(num, 10)
		n, err := hub.Publish("r", p)
		if err != nil || n != members {
			t.Fatalf("Publish returned %d, %v, want %d members", n, err, members)
		}
		if p.encodings() != encodings {
			t.Errorf("encodings are %04b, want %04b", p.encodings(), encodings)
		}
		return p
	}
	first := send(1, 0b1001, 3)
	if hub.Members("r") != 3 || hub.Rooms() != 2 {
		t.Errorf("the hub has %d members and %d rooms", hub.Members("r"), hub.Rooms())
	}
	workAll([]*Shard{a, b})
	b.Resume(1, "r", 0)
	b.Leave(1, "r")
	second := send(2, 0b0001, 2)
	a.Leave(0, "r")
	b.Leave(0, "r")
	send(3, 0, 0)
	workAll([]*Shard{a, b})
	first.checkReleased(t)
	second.checkReleased(t)
	if got, want := sinks[0].socks[0].receive(t), []got{{1, 0}}; !slices.Equal(got, want) {
		t.Errorf("the member that left with a message on its way got %v, want %v", got, want)
	}
	if got, want := sinks[1].socks[1].receive(t), []got{{1, 3}}; !slices.Equal(got, want) {
		t.Errorf("the member of encoding 3 got %v, want %v", got, want)
	}
	if hub.Members("r") != 0 || hub.Rooms() != 1 {
		t.Errorf("the hub has %d members and %d rooms, want 0 and 1", hub.Members("r"), hub.Rooms())
	}
}

// TestEveryEncoding: a message is made once in each, the last batched, and each member
// gets its own.
func TestEveryEncoding(t *testing.T) {
	const last = Encoding(MaxEncodings - 1)
	var made batcher
	hub, s, sink := newTestShard(t, Config{
		Encodings: MaxEncodings, Batched: 1 << last, BatchWait: time.Hour, Batch: made.batch,
	}, MaxEncodings)
	for e := range uint32(MaxEncodings) {
		s.Join(e, "r", Encoding(e), false)
	}
	hub.setBatching(true)
	for i := range 3 { // the last two wait, in the batched encoding
		p := newPub(i, 10)
		publish(t, hub, "r", p)
		if got := p.encodings(); !got.has(0) || !got.has(last-1) || got.has(last) != (i == 0) || !got.below(MaxEncodings) {
			t.Errorf("message %d was made in %b", i, got)
		}
	}
	flushDue(hub)
	workAll([]*Shard{s})
	for e := range Encoding(MaxEncodings) {
		if got, want := sink.socks[e].receive(t), []got{{0, e}, {1, e}, {2, e}}; !slices.Equal(got, want) {
			t.Errorf("the member in encoding %d got %v", e, got)
		}
	}
	if made.most != 2 {
		t.Errorf("%d messages in the largest batch, want 2", made.most)
	}
}

// TestEncodingTakesNoLock: while a message is encoded, members may come and go
// and others may publish.
func TestEncodingTakesNoLock(t *testing.T) {
	tests := []struct {
		name      string
		meanwhile func(hub *Hub, s *Shard, e Encoding)
		members   int
		err       error
		encodings EncodingSet
		want      [2][]got // by subscriber
	}{
		{
			name: "encodings come into use, one after the other",
			meanwhile: func(_ *Hub, s *Shard, e Encoding) {
				if e < 2 {
					s.Join(uint32(e)+1, "r", e+1, false)
				}
			},
			members: 3, encodings: 0b111, want: [2][]got{{{1, 0}}, {{1, 1}}},
		},
		{
			name: "the encoding goes out of use and another comes",
			meanwhile: func(_ *Hub, s *Shard, e Encoding) {
				if s.Leave(0, "r") {
					s.Join(1, "r", 2, false)
				}
			},
			members: 1, encodings: 0b101, want: [2][]got{nil, {{1, 2}}},
		},
		{
			name:      "the room ends",
			meanwhile: func(_ *Hub, s *Shard, _ Encoding) { s.LeaveAll(0) },
			encodings: 0b1,
		},
		{
			name: "another message overtakes",
			meanwhile: func(hub *Hub, _ *Shard, _ Encoding) {
				_, _ = hub.Publish("r", newPub(2, 10))
			},
			members: 1, encodings: 0b1, want: [2][]got{{{2, 0}, {1, 0}}},
		},
		{
			name: "the shard is overloaded",
			meanwhile: func(hub *Hub, _ *Shard, _ Encoding) {
				_, _ = hub.Publish("r", newPub(2, 2*segmentSize))
			},
			err: ErrOverloaded, encodings: 0b1, want: [2][]got{{{2, 0}}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hub, s, sink := newTestShard(t, Config{Encodings: 3, InboxBytes: segmentSize}, 3)
			s.Join(0, "r", 0, false)
			p := newPub(1, 10)
			p.encoding = func(e Encoding) { tt.meanwhile(hub, s, e) }
			members, err := hub.Publish("r", p)
			if members != tt.members || err != tt.err || p.encodings() != tt.encodings {
				t.Errorf("Publish returned %d, %v and asked for %03b; want %d, %v, %03b",
					members, err, p.encodings(), tt.members, tt.err, tt.encodings)
			}
			workAll([]*Shard{s})
			for sub, want := range tt.want {
				if got := sink.socks[sub].receive(t); !slices.Equal(got, want) {
					t.Errorf("sub %d got %v, want %v", sub, got, want)
				}
			}
			p.checkReleased(t)
			checkAccounts(t, s)
		})
	}
}

func TestRoomsReport(t *testing.T) {
	hub, s, _ := newTestShard(t, Config{Encodings: 2}, 3)
	for sub := range uint32(3) {
		s.Join(sub, "r", Encoding(sub%2), sub == 2)
	}
	s.Join(0, "silent", 1, false)
	for i := range 30 {
		publish(t, hub, "r", newPub(i, 10))
	}
	if members, rate, ok := hub.Room("r"); members != 3 || rate < 0.1 || rate > 3 || !ok {
		t.Errorf("Room returned %d, %v, %v; want 3 members and up to 3 messages a second", members, rate, ok)
	}
	if _, _, ok := hub.Room("none"); ok {
		t.Error("Room knows a room that has no members")
	}
	members := make(map[string]int)
	hub.EachRoom(func(room string, n int, rate float64) bool {
		members[room] += n
		return true
	})
	if len(members) != 2 || members["r"] != 3 || members["silent"] != 1 {
		t.Errorf("EachRoom called with %v", members)
	}
}

func TestMemberships(t *testing.T) {
	_, s, _ := newTestShard(t, Config{Encodings: 2}, 2)
	for _, room := range []string{"a", "b", "c"} {
		if !s.Join(0, room, 1, false) {
			t.Fatalf("Join of %s was refused", room)
		}
	}
	s.Join(1, "a", 0, false)
	if s.Join(0, "a", 1, false) || s.Join(0, "b", 0, true) {
		t.Error("a second Join was not refused")
	}
	if got := slices.Collect(s.Rooms(0)); !slices.Equal(got, []string{"c", "b", "a"}) {
		t.Errorf("rooms are %v", got)
	}
	for room := range s.Rooms(0) {
		if room == "a" {
			break
		}
		s.Leave(0, room)
	}
	if !s.In(0, "a") || s.In(0, "b") || s.In(7, "a") || s.LastJoined(0) != "a" {
		t.Errorf("subscriber 0 is in %v", slices.Collect(s.Rooms(0)))
	}
	s.LeaveAll(0)
	if s.LastJoined(0) != "" || s.In(0, "a") || !s.In(1, "a") {
		t.Error("LeaveAll left something, or took too much")
	}
	if rooms, members := s.byRoom[0].Len()+s.byRoom[1].Len(), s.Stats().Members; rooms != 1 || members != 1 {
		t.Errorf("%d rooms and %d members, want 1 and 1", rooms, members)
	}
}

// TestUsage: what a room costs is told, and nothing of silent ones.
func TestUsage(t *testing.T) {
	hub, s, sink := newTestShard(t, Config{RoomBytes: segmentSize}, 2)
	s.Join(0, "r", 0, false)
	s.Join(1, "r", 0, false)
	s.Join(0, "silent", 0, false)
	sink.socks[1].blocked = true
	const messages, size = 40, sharedFrameSize
	for i := range messages {
		publish(t, hub, "r", newPub(i, size))
		s.Work()
	}
	rooms := make(map[string]Usage)
	s.EachUsage(func(room string, u Usage) { u.Add(rooms[room]); rooms[room] = u })
	skipped := s.Stats().Skipped[SkipSlow]
	if want := (Usage{Bytes: 2 * messages * (msgHeader + size), Skipped: skipped}); len(rooms) != 1 || rooms["r"] != want || skipped == 0 {
		t.Errorf("rooms cost %v, want %v of r alone", rooms, want)
	}
}
