// When each message is due.

package plan

import (
	"math"
	"time"
)

// Schedule says when messages are due, in nanoseconds of the controller's clock.
// Message i, from 1, of a lane is due at a time that depends on nothing that
// happens: the load is open-loop, and a late sender does not hide behind its
// lateness. Any goroutine may use it.
type Schedule struct {
	Start  int64 // when publishing begins
	Layout *Layout
}

// NewSchedule returns the schedule of a layout's plan that begins at start.
func NewSchedule(start int64, l *Layout) *Schedule { return &Schedule{Start: start, Layout: l} }

// phase is where in its period a lane sends its first message, from 0 to 1. The
// first lane of the first room begins at once.
//
// Multiples of the golden section modulo 1 lie evenly, whatever their number.
// The lanes take multiples of the plastic number's inverse: no combination of
// both is whole, so no two lanes fall together.
func (s *Schedule) phase(room, lane int) float64 {
	const golden, plastic = 0.6180339887498949, 0.7548776662466927
	_, f := math.Modf(float64(room)*golden + float64(lane)*plastic)
	return f
}

// period is the time between two messages of a lane in nanoseconds; infinite for
// a lane that sends none.
func (s *Schedule) period(room int) float64 {
	lanes := s.Layout.Lanes(room)
	if lanes == 0 {
		return math.Inf(1)
	}
	return float64(time.Second) / s.Layout.rates[room] * float64(lanes)
}

// Count is the number of messages of a lane.
func (s *Schedule) Count(room, lane int) uint32 {
	return s.Due(room, lane, s.End()-1)
}

// Due is the number of messages of a lane that are due by a time.
func (s *Schedule) Due(room, lane int, at int64) uint32 {
	at = min(at, s.End()-1)
	period, phase := s.period(room), s.phase(room, lane)
	if at < s.Start || math.IsInf(period, 1) {
		return 0
	}
	n := uint32(min(max(0, float64(at-s.Start)/period-phase), math.MaxUint32-1))
	// The quotient is rounded; what At says is the definition.
	for n > 0 && s.Start+offset(n, phase, period) > at {
		n--
	}
	for n < math.MaxUint32 && s.Start+offset(n+1, phase, period) <= at {
		n++
	}
	return n
}

// At is when a lane's message number seq, from 1, is due; for a lane that sends
// none, after all time.
func (s *Schedule) At(room, lane int, seq uint32) int64 {
	period := s.period(room)
	if math.IsInf(period, 1) {
		return math.MaxInt64
	}
	return s.Start + offset(seq, s.phase(room, lane), period)
}

// offset is the time of a message after the start. It is rounded, so that ten
// messages per second in one second are ten, whatever the period's last digit.
func offset(seq uint32, phase, period float64) int64 {
	const never = 1 << 62
	return int64(min(math.Round((float64(seq)-1+phase)*period), never))
}

// Offered is the number of all messages.
func (s *Schedule) Offered() uint64 {
	var n uint64
	for room := range s.Layout.Rooms() {
		for lane := range s.Layout.Lanes(room) {
			n += uint64(s.Count(room, lane))
		}
	}
	return n
}

// End is when publishing is over: all messages are due before it.
func (s *Schedule) End() int64 { return s.Start + int64(s.Layout.plan.Duration) }
