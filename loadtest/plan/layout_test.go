// Rooms, lanes and slow viewers, of all connections.

package plan

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// genPlan draws valid plans.
func genPlan(t *rapid.T) *Plan {
	p := defaults()
	p.Connections = rapid.IntRange(1, 3000).Draw(t, "connections")
	p.Rooms = rapid.IntRange(1, min(500, p.Connections)).Draw(t, "rooms")
	p.Zipf = rapid.Float64Range(0, 3).Draw(t, "zipf")
	p.Publish = rapid.SampledFrom([]string{PublishNone, PublishHTTP, PublishRedis, PublishSocket}).Draw(t, "publish")
	p.Publishers = rapid.IntRange(1, 20).Draw(t, "publishers")
	p.Talkers = rapid.Float64Range(0, 100).Draw(t, "talkers")
	if p.Publish == PublishSocket && rapid.Bool().Draw(t, "echo") {
		p.Echo, p.Rooms, p.Zipf = true, 1, 0
	}
	p.Rate = rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(1e-3, maxRate), rapid.Map(rapid.IntRange(1, maxRate), func(n int) float64 { return float64(n) })).Draw(t, "rate")
	longest := maxTime
	if p.Rate > 0 {
		longest = time.Duration(min(float64(maxTime), 0.99*maxMessages/p.Rate*float64(time.Second)))
	}
	p.Duration = time.Duration(rapid.Int64Range(0, int64(longest)).Draw(t, "duration"))
	return &p
}

func TestLayoutIsABijection(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := genPlan(t)
		l := NewLayout(p)
		type place struct{ room, member int }
		seen := make(map[place]bool)
		for conn := range p.Connections {
			room, member := l.Place(conn)
			if room < 0 || room >= l.Rooms() || member < 0 || member >= l.Members(room) {
				t.Fatalf("Place(%d) = %d, %d of %d rooms", conn, room, member, l.Rooms())
			}
			if seen[place{room, member}] {
				t.Fatalf("Place(%d) = %d, %d, which is taken", conn, room, member)
			}
			seen[place{room, member}] = true
		}
		total, rate := 0, 0.0
		for room := range l.Rooms() {
			total += l.Members(room)
			rate += l.rates[room]
		}
		if total != p.Connections || math.Abs(rate-p.Rate) > 1e-6*p.Rate {
			t.Fatalf("sizes add up to %d of %d, rates to %v of %v", total, p.Connections, rate, p.Rate)
		}
	})
}

func TestLayoutZipf(t *testing.T) {
	p := defaults()
	p.Connections, p.Rooms, p.Zipf, p.Rate = 10_000, 100, 1, 100
	l := NewLayout(&p)
	// The 100th harmonic number is 5.187.
	for _, tt := range []struct{ room, members int }{{0, 1928}, {1, 964}, {9, 193}, {99, 19}} {
		if got := l.Members(tt.room); got < tt.members-1 || got > tt.members+1 {
			t.Errorf("room %d has %d members, want about %d", tt.room, got, tt.members)
		}
	}
	if got := l.rates[0] / l.rates[9]; math.Abs(got-10) > 1e-9 {
		t.Errorf("the first room's rate is %v times the tenth's", got)
	}
	if got := l.RoomName(9); got != "room-10" {
		t.Errorf("name %q", got)
	}
}

// TestTalkers: exactly as many members talk as there are lanes, one in each.
func TestTalkers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := genPlan(t)
		l := NewLayout(p)
		for room := range min(20, l.Rooms()) {
			lanes := make(map[int]bool)
			for member := range l.Members(room) {
				if lane, ok := l.Talks(room, member); ok {
					lanes[lane] = true
				}
			}
			if want := l.Lanes(room); p.Publish == PublishSocket && len(lanes) != want || p.Publish != PublishSocket && len(lanes) != 0 {
				t.Fatalf("room %d of %d members: %d talk, %d lanes", room, l.Members(room), len(lanes), want)
			}
		}
	})
}

// TestSlowAreSpread: shares are exact, and about the same in all rooms.
func TestSlowAreSpread(t *testing.T) {
	for _, rooms := range []int{1, 10, 50} {
		p := defaults()
		p.Connections, p.Rooms, p.Slow, p.Stalled = 10_000, rooms, 5, 10
		l := NewLayout(&p)
		count := make([][3]int, rooms)
		for conn := range p.Connections {
			room, _ := l.Place(conn)
			count[room][l.Behaviour(conn)]++
		}
		var total [3]int
		for room, c := range count {
			for b := range c {
				total[b] += c[b]
			}
			size := float64(l.Members(room))
			if got := float64(c[ReadsSlowly]) / size; got < 0.02 || got > 0.08 {
				t.Errorf("%d rooms: %.3f of room %d read slowly, want about 0.05", rooms, got, room)
			}
			if got := float64(c[Stalls]) / size; got < 0.05 || got > 0.15 {
				t.Errorf("%d rooms: %.3f of room %d stall, want about 0.1", rooms, got, room)
			}
		}
		if total != [3]int{8500, 500, 1000} {
			t.Errorf("%d rooms: %v read, read slowly, stall", rooms, total)
		}
	}
}
