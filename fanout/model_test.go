package fanout

import (
	"flag"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// TestModel drives the shards with random operations and compares every
// subscriber's stream with what the oracle says it should have got.
func TestModel(t *testing.T) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("1000") // the defects it has found needed that many
	}
	rapid.Check(t, func(t *rapid.T) {
		const subs, rooms = 12, 3
		hub, err := NewHub(Config{
			Shards: 2, RoomBytes: segmentSize, SliceSends: rapid.IntRange(1, 5).Draw(t, "slice"),
			ShardBytes: rapid.SampledFrom([]int{segmentSize, 1 << 30}).Draw(t, "all logs"),
		})
		if err != nil {
			t.Fatal(err)
		}
		shards := []*Shard{hub.Shard(0), hub.Shard(1)}
		sinks := []*fakeSink{newFakeSink(subs, 1<<30), newFakeSink(subs, 1<<30)}
		for i, s := range shards {
			s.Attach(sinks[i], func() {})
		}
		o := newOracle(shards, sinks)
		for sub := range subs {
			o.join(0, sub, "room0")
			o.join(1, sub, fmt.Sprint("room", sub%rooms))
		}
		var msgs []*msg
		name := func(l string) string { return fmt.Sprint("room", rapid.IntRange(0, rooms-1).Draw(t, l)) }
		t.Repeat(map[string]func(*rapid.T){
			"join": func(t *rapid.T) {
				o.join(rapid.IntRange(0, 1).Draw(t, "shard"), rapid.IntRange(0, subs-1).Draw(t, "sub"), name("room"))
			},
			"leave": func(t *rapid.T) {
				o.leave(t, rapid.IntRange(0, 1).Draw(t, "shard"), rapid.IntRange(0, subs-1).Draw(t, "sub"), name("room"))
			},
			"gone": func(t *rapid.T) {
				o.gone(t, rapid.IntRange(0, 1).Draw(t, "shard"), rapid.IntRange(0, subs-1).Draw(t, "sub"))
			},
			"publish": func(t *rapid.T) {
				room := name("room")
				for range rapid.IntRange(1, 20).Draw(t, "count") {
					m := newMsg(len(msgs), rapid.SampledFrom([]int{0, 1, 50, 3000, sharedFrameSize, 30000}).Draw(t, "size"))
					msgs = append(msgs, m)
					if _, _, err := hub.Publish(room, m); err != nil {
						t.Fatal(err)
					}
					m.Release()
					o.publish(room, len(msgs)-1)
				}
			},
			"work": func(t *rapid.T) { shards[rapid.IntRange(0, 1).Draw(t, "shard")].Work() },
			"freeze": func(t *rapid.T) {
				sinks[rapid.IntRange(0, 1).Draw(t, "shard")].socks[rapid.IntRange(0, subs-1).Draw(t, "sub")].room = rapid.IntRange(0, 70000).Draw(t, "bytes")
			},
			"thaw": func(t *rapid.T) {
				sh, sub := rapid.IntRange(0, 1).Draw(t, "shard"), rapid.IntRange(0, subs-1).Draw(t, "sub")
				o.thaw(sh, sub, rapid.IntRange(1, 1<<20).Draw(t, "bytes"))
			},
		})
		for sh := range shards {
			for sub := range subs {
				o.thaw(sh, sub, 1<<30)
			}
		}
		settleAll(shards)
		o.check(t)
		for i, m := range msgs {
			if n := m.refs.Load(); n != 0 {
				t.Fatalf("message %d still has %d references", i, n)
			}
		}
	})
}

// oracle is the naive model: a list of expected numbers per membership.
type oracle struct {
	shards []*Shard
	sinks  []*fakeSink
	// What each subscriber may still get, by room, in order; the shard's inbox
	// included.
	want map[place][]int
}

type place struct {
	shard, sub int
	room       string
}

func newOracle(shards []*Shard, sinks []*fakeSink) *oracle {
	return &oracle{shards: shards, sinks: sinks, want: make(map[place][]int)}
}

func (o *oracle) join(sh, sub int, room string) {
	o.shards[sh].Work() // so that nothing published before is in the inbox
	joined := o.shards[sh].Join(uint32(sub), room)
	p := place{sh, sub, room}
	if _, in := o.want[p]; in == joined {
		panic("Join's answer is wrong")
	}
	if joined {
		o.want[p] = []int{}
	}
}

func (o *oracle) publish(room string, num int) {
	for p := range o.want {
		if p.room == room {
			o.want[p] = append(o.want[p], num)
		}
	}
}

// consume checks what a subscriber received so far: per room, a subsequence in
// order whose gaps are as large as the skips it was told of.
func (o *oracle) consume(t *rapid.T, sh, sub int) {
	sock := o.sinks[sh].socks[sub]
	for _, num := range sock.take(t) {
		found := false
		for p, want := range o.want {
			if p.shard != sh || p.sub != sub {
				continue
			}
			for i, w := range want {
				if w == num {
					if uint64(i) > sock.skipped[p.room] {
						t.Fatalf("sub %d lost %d messages of %s and was told of %d", sub, i, p.room, sock.skipped[p.room])
					}
					sock.skipped[p.room] -= uint64(i)
					o.want[p] = want[i+1:]
					found = true
				}
			}
		}
		if !found {
			t.Fatalf("sub %d/%d got message %d, which it was not to get or had before", sh, sub, num)
		}
	}
}

func (o *oracle) leave(t *rapid.T, sh, sub int, room string) {
	o.consume(t, sh, sub)
	p := place{sh, sub, room}
	_, in := o.want[p]
	if o.shards[sh].Leave(uint32(sub), room) != in {
		t.Fatalf("Leave's answer is wrong")
	}
	delete(o.want, p)
	delete(o.sinks[sh].socks[sub].skipped, room)
}

func (o *oracle) gone(t *rapid.T, sh, sub int) {
	o.consume(t, sh, sub)
	o.shards[sh].LeaveAll(uint32(sub))
	for p := range o.want {
		if p.shard == sh && p.sub == sub {
			delete(o.want, p)
		}
	}
	clear(o.sinks[sh].socks[sub].skipped)
}

func (o *oracle) thaw(sh, sub, bytes int) {
	s := o.sinks[sh].socks[sub]
	s.room = bytes
	if s.blocked {
		s.blocked = false
		o.shards[sh].Drained(uint32(sub))
	}
}

func (o *oracle) check(t *rapid.T) {
	for sh, s := range o.shards {
		for sub := range o.sinks[sh].socks {
			o.consume(t, sh, sub)
		}
		if n := s.Stats().Pending; n != 0 {
			t.Fatalf("shard %d: %d messages pending after everybody was drained", sh, n)
		}
		st := s.Stats()
		if st.Offered != st.Delivered+st.Skipped[SkipSlow]+st.Skipped[SkipLeft] {
			t.Fatalf("shard %d: offered %d, delivered %d, skipped %v", sh, st.Offered, st.Delivered, st.Skipped)
		}
		if st.LogBytes != 0 {
			t.Fatalf("shard %d: logs hold %d bytes after everybody was drained", sh, st.LogBytes)
		}
	}
	for p, want := range o.want {
		if left := o.sinks[p.shard].socks[p.sub].skipped[p.room]; uint64(len(want)) != left {
			t.Fatalf("%+v: %d messages never came, told of %d", p, len(want), left)
		}
	}
}
