// Members that are held, and go on.

package fanout

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

func TestResume(t *testing.T) {
	tests := []struct {
		name     string
		size     int      // of each message
		held     []uint64 // sequences of what is published while the member is held
		after    uint64
		want     []int    // indexes in held of what it then gets
		later    []uint64 // sequences of what is published then, each by itself
		laterIs  []int    // indexes in later of what it gets
		replayed uint64
	}{
		{name: "nothing was published", after: 3},
		{name: "in the middle", held: []uint64{1, 2, 3}, after: 2, want: []int{2}, later: []uint64{4}, laterIs: []int{0}, replayed: 2},
		{name: "given nothing", held: []uint64{0, 4, 0, 5}, after: 0, want: []int{0, 1, 2, 3}},
		{name: "given everything", held: []uint64{1, 2, 3}, after: 3, later: []uint64{4}, laterIs: []int{0}, replayed: 3},
		{name: "given less than was published before", held: []uint64{7, 8}, after: 5, want: []int{0, 1}},
		{name: "sequences with holes", held: []uint64{10, 20, 30}, after: 25, want: []int{2}, replayed: 2},
		{name: "without sequence behind", held: []uint64{1, 2, 0, 0, 3}, after: 2, want: []int{2, 3, 4}, replayed: 2},
		{name: "without sequence before", held: []uint64{0, 1, 0, 2}, after: 1, want: []int{2, 3}, replayed: 2},
		{name: "none has a sequence", held: []uint64{0, 0}, after: 9, want: []int{0, 1}, later: []uint64{0, 9, 10}, laterIs: []int{0, 2}, replayed: 1},
		{name: "ahead of what was published", held: []uint64{1, 2}, after: 4, later: []uint64{3, 4, 5}, laterIs: []int{2}, replayed: 4},
		{name: "ahead, the last never comes", held: []uint64{1}, after: 4, later: []uint64{2, 0, 6, 7}, laterIs: []int{1, 2, 3}, replayed: 2},
		{name: "ahead of an empty log", after: 4, later: []uint64{3, 0, 4, 0, 5}, laterIs: []int{1, 3, 4}, replayed: 2},
		{name: "lower sequences are none", held: []uint64{5, 1, 5, 6}, after: 5, want: []int{1, 2, 3}, replayed: 1},
		{name: "ahead of all", held: []uint64{1}, after: math.MaxUint64, later: []uint64{2, math.MaxUint64}, replayed: 3},
		{name: "segments of one message", size: 2 * sharedFrameSize, held: []uint64{1, 0, 2, 3, 0}, after: 2, want: []int{3, 4}, replayed: 3},
		{name: "two segments", size: sharedFrameSize - 100, held: []uint64{1, 2, 3, 0, 5, 6}, after: 3, want: []int{3, 4, 5}, replayed: 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hub, s, sink := newTestShard(t, Config{}, 2)
			s.Join(0, "r", 0, false)
			s.Join(1, "r", 0, true)
			send := func(num int, seq uint64) {
				p := newPub(num, tt.size)
				p.seq = seq
				publish(t, hub, "r", p)
				workAll([]*Shard{s})
			}
			for i, seq := range tt.held {
				send(i, seq)
			}
			if got := sink.socks[1].take(t); got != nil {
				t.Errorf("while held it got %v", got)
			}
			s.Resume(1, "r", tt.after)
			if got := sink.socks[1].take(t); !slices.Equal(got, tt.want) {
				t.Errorf("resumed, it got %v, want %v", got, tt.want)
			}
			for i, seq := range tt.later {
				send(i, seq)
			}
			if got := sink.socks[1].take(t); !slices.Equal(got, tt.laterIs) {
				t.Errorf("later it got %v, want %v", got, tt.laterIs)
			}
			workAll([]*Shard{s})
			if n := len(sink.socks[0].take(t)); n != len(tt.held)+len(tt.later) {
				t.Errorf("the other member got %d messages", n)
			}
			if st := s.Stats(); st.Skipped[SkipReplayed] != tt.replayed || st.Pending != 0 || st.LogBytes != 0 {
				t.Errorf("replayed %d, pending %d, %d bytes of log; want %d, 0, 0", st.Skipped[SkipReplayed], st.Pending, st.LogBytes, tt.replayed)
			}
			checkAccounts(t, s)
		})
	}
}

// TestResumeOfOthers: Resume means members that are held, and nobody else.
func TestResumeOfOthers(t *testing.T) {
	hub, s, sink := newTestShard(t, Config{}, 2)
	s.Join(0, "r", 0, false)
	s.Resume(0, "r", 10)
	s.Resume(0, "nowhere", 10)
	s.Resume(1, "r", 10)
	p := newPub(1, 10)
	p.seq = 1
	publish(t, hub, "r", p)
	s.Work()
	if got := sink.socks[0].take(t); len(got) != 1 {
		t.Errorf("it got %v, want message 1", got)
	}
}

// TestResumeOfABlockedSocket sends nothing before it drains.
func TestResumeOfABlockedSocket(t *testing.T) {
	hub, s, sink := newTestShard(t, Config{}, 1)
	s.Join(0, "live", 0, false)
	s.Join(0, "held", 0, true)
	sink.socks[0].room = 15
	for i := range 3 {
		publish(t, hub, "live", newPub(i, 20))
		publish(t, hub, "held", newPub(10+i, 20))
	}
	workAll([]*Shard{s})
	s.Resume(0, "held", 0)
	sink.socks[0].room, sink.socks[0].blocked = 1<<40, false
	s.Drained(0)
	workAll([]*Shard{s})
	got := sink.socks[0].take(t)
	slices.Sort(got[1:])
	if want := []int{0, 1, 2, 10, 11, 12}; !slices.Equal(got, want) {
		t.Errorf("it got %v, want %v", got, want)
	}
	if n := s.Stats().LogBytes; n != 0 {
		t.Errorf("the logs hold %d bytes", n)
	}
}

// TestDrainedLeavesHeldAlone: the socket of a subscriber that is held in one room
// and live in another.
func TestDrainedLeavesHeldAlone(t *testing.T) {
	hub, s, sink := newTestShard(t, Config{}, 1)
	s.Join(0, "live", 0, false)
	s.Join(0, "held", 0, true)
	sink.socks[0].room, sink.socks[0].blocked = 0, true
	publish(t, hub, "held", newPub(1, 20))
	publish(t, hub, "live", newPub(2, 20))
	workAll([]*Shard{s})
	sink.socks[0].room, sink.socks[0].blocked = 1<<40, false
	s.Drained(0)
	if got := sink.socks[0].take(t); !slices.Equal(got, []int{2}) {
		t.Errorf("it got %v, want only the live room's 2", got)
	}
}

// TestLeftMemberWaitsNoMore: what a member that is gone was given must not be
// held against the next member with its link.
func TestLeftMemberWaitsNoMore(t *testing.T) {
	hub, s, sink := newTestShard(t, Config{}, 4)
	for sub := range uint32(3) {
		s.Join(sub, "r", 0, true)
		s.Resume(sub, "r", 10)
	}
	s.LeaveAll(1)
	s.Join(3, "r", 0, false) // in the link of 1
	p := newPub(5, 10)
	p.seq = 5
	publish(t, hub, "r", p)
	s.Work()
	for sub, want := range []int{0, 0, 0, 1} {
		if got := sink.socks[sub].take(t); len(got) != want {
			t.Errorf("sub %d got %v, want %d messages", sub, got, want)
		}
	}
	if n := s.Stats().Skipped[SkipReplayed]; n != 2 {
		t.Errorf("replayed %d, want 2", n)
	}
}

// TestHeldMemberIsBounded: a member that is held for too long loses the oldest, and
// is told exactly which.
func TestHeldMemberIsBounded(t *testing.T) {
	hub, s, sink := newTestShard(t, Config{RoomBytes: segmentSize}, 2)
	s.Join(0, "r", 0, false)
	s.Join(1, "r", 0, true)
	const n = 10000
	for i := range n {
		p := newPub(i+1, 64)
		p.seq = uint64(i + 1)
		publish(t, hub, "r", p)
		s.Work()
		publish(t, hub, "r", newPub(0, 64))
		s.Work()
	}
	if got := s.Stats().LogBytes; got > 2*segmentSize {
		t.Errorf("the log holds %d bytes for a held member, bound is %d", got, segmentSize)
	}
	next, lost := uint64(1), uint64(0)
	for _, k := range sink.socks[1].skips {
		if k.from != next || k.to < k.from || k.n > 2*(k.to-k.from)+3 {
			t.Fatalf("it was told of %+v, from %d on was to come", k, next)
		}
		next, lost = k.to+1, lost+k.n
	}
	if lost == 0 || lost != s.Stats().Skipped[SkipSlow] {
		t.Errorf("it was told of %d, counted are %d", lost, s.Stats().Skipped[SkipSlow])
	}
	s.Resume(1, "r", next+4) // the first five were in the history
	workAll([]*Shard{s})
	got := sink.socks[1].take(t)
	got = slices.DeleteFunc(got, func(num int) bool { return num == 0 })
	if len(got) != n-int(next)-4 || got[0] != int(next)+5 || got[len(got)-1] != n {
		t.Errorf("resumed after %d, it got %v", next+4, got)
	}
	if len(sink.socks[0].skips) != 0 || s.Stats().LogBytes != 0 {
		t.Errorf("the other lost %v; the log holds %d bytes", sink.socks[0].skips, s.Stats().LogBytes)
	}
	checkAccounts(t, s)
}

// TestHeldMembersShareTheBound: many quiet rooms, each with a held member.
func TestHeldMembersShareTheBound(t *testing.T) {
	const rooms, bound = 300, 1 << 20
	hub, s, _ := newTestShard(t, Config{ShardBytes: bound}, rooms)
	for i := range uint32(rooms) {
		s.Join(i, fmt.Sprint("room", i), 0, true)
	}
	for n := range 10 {
		for i := range rooms {
			publish(t, hub, fmt.Sprint("room", i), newPub(n, 1000))
		}
		workAll([]*Shard{s})
		if got := s.Stats().LogBytes; got > bound {
			t.Fatalf("logs hold %d bytes after %d messages in each room, bound is %d", got, n+1, bound)
		}
	}
	checkAccounts(t, s)
}
