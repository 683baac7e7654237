// Due times, against their definition.

package plan

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestScheduleAgrees: Count, Due and At say the same.
func TestScheduleAgrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := genPlan(t)
		l := NewLayout(p)
		s := &Schedule{Start: rapid.Int64Range(0, 1<<61).Draw(t, "start"), Layout: l}
		room := rapid.IntRange(0, l.Rooms()-1).Draw(t, "room")
		if l.Lanes(room) == 0 {
			return
		}
		lane := rapid.IntRange(0, l.Lanes(room)-1).Draw(t, "lane")
		n := s.Count(room, lane)
		if n == 0 {
			if got := s.Due(room, lane, s.End()); got != 0 {
				t.Fatalf("Count 0, Due %d", got)
			}
			return
		}
		for _, seq := range []uint32{1, n, rapid.Uint32Range(1, n).Draw(t, "seq")} {
			at := s.At(room, lane, seq)
			if at < s.Start || at >= s.End() {
				t.Fatalf("At(%d) = %d outside of %d to %d", seq, at, s.Start, s.End())
			}
			if got := s.Due(room, lane, at); got != seq {
				t.Fatalf("Due(At(%d)) = %d", seq, got)
			}
			if got := s.Due(room, lane, at-1); got != seq-1 {
				t.Fatalf("Due(At(%d)-1) = %d", seq, got)
			}
		}
		if s.At(room, lane, n+1) < s.End() || s.Due(room, lane, math.MaxInt64) != n {
			t.Fatalf("Count %d leaves out one at %d before %d", n, s.At(room, lane, n+1), s.End())
		}
	})
}

func TestScheduleCounts(t *testing.T) {
	for _, tt := range []struct {
		rate     float64
		duration time.Duration
		want     uint32
	}{
		{10, 10 * time.Second, 100},
		{3, time.Second, 3},
		{7, 9 * time.Second, 63},
		{0.1, 10 * time.Second, 1},
		{0.1, time.Second, 1},
		{1, 0, 0},
		{0, time.Hour, 0},
		{1e-200, time.Hour, 1},
		{1e6, time.Hour, 3_600_000_000},
		{999_983, time.Hour, 3_599_938_800},
		{7101, maxTime, 4_294_684_800},
	} {
		t.Run(fmt.Sprintf("rate=%v/duration=%v", tt.rate, tt.duration), func(t *testing.T) {
			p := defaults()
			p.Publish, p.Rate, p.Duration = PublishHTTP, tt.rate, tt.duration
			s := &Schedule{Start: 1e18, Layout: NewLayout(&p)}
			if got := s.Count(0, 0); got != tt.want {
				t.Errorf("Count %d, want %d", got, tt.want)
			}
			if got := s.Offered(); got != uint64(tt.want) {
				t.Errorf("Offered %d, want %d", got, tt.want)
			}
		})
	}
}

// TestScheduleSpreads: lanes of many rooms do not send at the same moments.
func TestScheduleSpreads(t *testing.T) {
	p := defaults()
	p.Connections, p.Rooms, p.Publish, p.Talkers, p.Rate, p.Duration = 10_000, 100, PublishSocket, 10, 1000, time.Second
	s := &Schedule{Layout: NewLayout(&p)}
	var at []int64
	for room := range 100 {
		for lane := range s.Layout.Lanes(room) {
			at = append(at, s.At(room, lane, 1))
		}
	}
	slices.Sort(at)
	if len(at) != 1000 || len(slices.Compact(slices.Clone(at))) != 1000 {
		t.Fatalf("%d lanes, %d moments", len(at), len(slices.Compact(slices.Clone(at))))
	}
	var most int64
	for i := range at[1:] {
		most = max(most, at[i+1]-at[i])
	}
	if most > int64(10*time.Millisecond) {
		t.Errorf("a rest of %v between messages that are 1ms apart on average", time.Duration(most))
	}
}

// TestScheduleOfNonsense: a window from the network is not worth an endless loop.
func TestScheduleOfNonsense(t *testing.T) {
	p := defaults()
	p.Publish, p.Rate, p.Duration = PublishHTTP, 1e18, math.MaxInt64/2
	s := &Schedule{Layout: NewLayout(&p)}
	if got := s.Count(0, 0); got < math.MaxUint32-1 {
		t.Errorf("Count %d", got)
	}
}

func BenchmarkDue(b *testing.B) {
	p := defaults()
	p.Publish, p.Rate = PublishHTTP, 1000
	s := &Schedule{Layout: NewLayout(&p)}
	b.ReportAllocs()
	for b.Loop() {
		s.Due(0, 0, 5_000_000_000)
	}
}
