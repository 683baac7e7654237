// Time: the clocks of both sides and the offset between them.

package agent

import "time"

// Clock is wall time at its start plus monotonic time since: it does not step
// when the machine's time is set. The zero value is not usable. It never
// changes, so any goroutine may use it.
type Clock struct {
	wall  int64     // at start, in nanoseconds since 1970
	start time.Time // with its monotonic reading
}

// NewClock returns a Clock that starts now.
func NewClock() Clock {
	now := time.Now()
	return Clock{wall: now.UnixNano(), start: now}
}

// Now is the time in nanoseconds since 1970.
func (c Clock) Now() int64 { return c.wall + int64(time.Since(c.start)) }

// process is the one clock of this process: a controller's agents must all be
// measured against the same. It is set once and never changes.
var process = NewClock()

// ProcessClock is this process's clock: a controller's plan is in its time.
func ProcessClock() Clock { return process }

// exchange is one measure of an agent's clock, as in RFC 5905 section 8.
type exchange struct {
	sent     int64 // of the controller's clock
	received int64 // of the agent's
	answered int64 // of the agent's
	returned int64 // of the controller's
}

// rtt is the time spent on the way.
func (e exchange) rtt() int64 { return (e.returned - e.sent) - (e.answered - e.received) }

// offset is the agent's clock less the controller's, wrong by at most half of
// rtt.
func (e exchange) offset() int64 {
	return ((e.received - e.sent) + (e.answered - e.returned)) / 2
}
