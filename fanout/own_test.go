// Messages that their senders are spared, one case at a time; the model has the rest.

package fanout

import (
	"fmt"
	"testing"
)

// TestOwnMessages: what a member sent is left out of what it is sent, in any place, with
// one send for what is around.
func TestOwnMessages(t *testing.T) {
	const sender = 1 // newFakeSink's origin of subscriber 0
	for _, tt := range []struct {
		name  string
		own   string // x is the member's own message, o another's
		sends uint64 // to both members
	}{
		{"none", "ooo", 2}, {"all", "xxx", 1}, {"first", "xoo", 2}, {"last", "oox", 2}, {"inside", "oxo", 2}, {"in turn", "xoxoxox", 2},
		{"more than one send takes", "oxoxoxoxoxoxoxoxoxoxoxoxoxoxoxoxoxoxo", 3},
	} {
		for _, held := range []bool{false, true} {
			for _, size := range []int{10, sharedFrameSize} {
				t.Run(fmt.Sprint(tt.name, " held=", held, " size=", size), func(t *testing.T) {
					hub, s, sink := newTestShard(t, Config{}, 2)
					s.Join(0, "a", 0, held)
					s.Join(1, "a", 0, false)
					var want, all []int
					own := uint64(0)
					for i, c := range tt.own {
						p := newPub(i, size)
						if c == 'x' {
							p.from = sender
							own++
						} else {
							want = append(want, i)
						}
						all = append(all, i)
						publish(t, hub, "a", p)
					}
					workAll([]*Shard{s})
					if held {
						s.Resume(0, "a", 0)
						workAll([]*Shard{s})
					}
					if got := sink.socks[0].take(t); fmt.Sprint(got) != fmt.Sprint(want) {
						t.Errorf("its sender got %v, want %v", got, want)
					}
					if got := sink.socks[1].take(t); fmt.Sprint(got) != fmt.Sprint(all) {
						t.Errorf("another got %v", got)
					}
					st := s.Stats()
					if st.Skipped[SkipEcho] != own || st.Pending != 0 || st.LogBytes != 0 || len(s.own) != 0 {
						t.Errorf("%d spared, want %d; %d pending, %d bytes of log", st.Skipped[SkipEcho], own, st.Pending, st.LogBytes)
					}
					if size == 10 && st.Sends != tt.sends {
						t.Errorf("%d sends, want %d", st.Sends, tt.sends)
					}
					checkAccounts(t, s)
				})
			}
		}
	}
}

// TestOwnMessagesOfOneWhoLeaves: they are counted once, as spared.
func TestOwnMessagesOfOneWhoLeaves(t *testing.T) {
	hub, s, sink := newTestShard(t, Config{}, 1)
	s.Join(0, "a", 0, false)
	sink.socks[0].room = 1 // it takes the first byte, and is full
	for i := range 4 {
		p := newPub(i, 10)
		p.from = uint64(i % 2)
		publish(t, hub, "a", p)
	}
	workAll([]*Shard{s})
	s.LeaveAll(0)
	if st := s.Stats(); st.Delivered != 1 || st.Skipped[SkipEcho] != 2 || st.Skipped[SkipLeft] != 1 || len(s.own) != 0 {
		t.Errorf("%+v", st)
	}
	checkAccounts(t, s)
}
