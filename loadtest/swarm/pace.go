// Events at a rate.

package swarm

import "time"

// pace is so many events per second from a time on, to another, without the
// bursts of catching up by more than a second.
type pace struct {
	every    float64 // nanoseconds; 0 is never
	next     float64
	end      int64 // 0 is never
	maxBurst int
}

func newPace(rate float64, start, end int64) pace {
	if rate <= 0 {
		return pace{}
	}
	return pace{every: float64(time.Second) / rate, next: float64(start), end: end, maxBurst: max(1, int(rate))}
}

// take reports whether an event is due, and counts it.
func (p *pace) take(now int64) bool {
	if p.every == 0 || float64(now) < p.next || p.end != 0 && now >= p.end {
		return false
	}
	p.next = max(p.next+p.every, float64(now)-float64(time.Second))
	return true
}

// due takes all events that are due.
func (p *pace) due(now int64) (n int) {
	for n < p.maxBurst && p.take(now) {
		n++
	}
	return n
}
