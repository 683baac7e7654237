// Coarse deadlines: one word per connection, looked at by sweeps of the table.

package netpoll

import "time"

// minSweep is the fewest connections looked at in one go, unless there are
// fewer: what comes due together is answered together, which costs the loop one
// wake-up instead of many.
const minSweep = 16 << 10

// onTick sweeps a part of the table for deadlines, so that the whole of it is
// seen once in Config.Sweep.
func (l *Loop) onTick() {
	drain(l.p.timerFD)
	if l.stopping {
		return
	}
	for _, a := range l.listeners {
		a.tick()
	}
	l.advanceClock()
	l.sweepDue += float64(l.table.n) * float64(l.cfg.Tick) / float64(l.cfg.Sweep)
	n := uint32(l.sweepDue)
	if n < min(minSweep, l.table.n) {
		n = 0
	}
	l.sweepDue -= float64(n)
	for n = min(n, l.table.n); n > 0; n-- {
		if l.sweepAt >= l.table.n {
			l.sweepAt = 0
		}
		id := ID(l.sweepAt)
		l.sweepAt++
		if c := l.table.At(id); c.deadline != 0 && c.deadline <= l.clock {
			c.deadline = 0
			l.Guard(id, l.onExpired)
		}
	}
	l.h.Tick()
	l.reap()
}

func (l *Loop) onExpired(id ID) {
	switch l.table.At(id).state {
	case stateOpen, stateConnecting:
		l.h.Expired(id)
	case stateFlushing, stateLinger:
		l.Close(id, l.table.At(id).reason)
	}
}

// clockUnit is the resolution of deadlines: 32 bits of it last two years.
const clockUnit = time.Second / 64

// advanceClock lets a tick count for at most maxStep: after the process was
// stopped, or its machine was, what the peers sent meanwhile is read before
// their deadlines pass.
func (l *Loop) advanceClock() {
	step := min(time.Since(l.ticked), maxStep+l.cfg.Tick) / clockUnit
	l.ticked = l.ticked.Add(step * clockUnit)
	if time.Since(l.ticked) > maxStep {
		l.ticked = time.Now()
	}
	l.clock += uint32(step)
}

const maxStep = time.Second
