// The order in which messages of several lanes are due.

package plan

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestAgenda: every message comes once, by due time, and those of a lane by
// number.
func TestAgenda(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Plan{
			Connections: 100, Rooms: rapid.IntRange(1, 20).Draw(t, "rooms"), Zipf: rapid.Float64Range(0, 2).Draw(t, "zipf"),
			Publish: PublishHTTP, Publishers: rapid.IntRange(1, 40).Draw(t, "publishers"),
			Rate: rapid.Float64Range(1, 2000).Draw(t, "rate"), Duration: 100 * time.Millisecond,
		}
		s := NewSchedule(rapid.Int64Range(0, 1e18).Draw(t, "start"), NewLayout(&p))
		a := NewAgenda(s)
		next := make(map[uint32]uint32)
		for room := range s.Layout.Rooms() {
			for lane := range s.Layout.Lanes(room) {
				a.Add(room, lane, uint32(room*1000+lane))
			}
		}
		var n uint64
		at := int64(0)
		for m := a.First(); m != nil; m = a.First() {
			if n++; m.At < at || m.Seq != next[m.Sender]+1 || m.Sender != uint32(m.Room*1000+m.Lane) {
				t.Fatalf("after %d: %+v, number %d", at, *m, next[m.Sender])
			}
			at, next[m.Sender] = m.At, m.Seq
			a.Next()
		}
		if n != s.Offered() || len(a.Left()) != 0 {
			t.Fatalf("%d of %d, %v left", n, s.Offered(), a.Left())
		}
	})
}
