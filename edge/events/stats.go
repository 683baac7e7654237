// What an emitter counts.

package events

import "time"

// DropReason says why an event was not delivered.
type DropReason uint8

// The reasons.
const (
	DropOverflow   DropReason = iota // pushed out of a full queue by a newer one, or found no place in it
	DropTooBig                       // over Config.QueueBytes, without a place of its own
	DropInvalid                      // it has no JSON form
	DropExpired                      // older than Config.MaxAge
	DropRefused                      // the sink will not have it
	DropClosed                       // the emitter was closed first
	NumDropReasons                   // how many there are
)

var dropNames = [NumDropReasons]string{"overflow", "too_big", "invalid", "expired", "refused", "closed"}

// String is the reason's name in logs and metric labels.
func (r DropReason) String() string { return dropNames[r] }

// Stats is a snapshot. Counters only grow, and at any time Emitted is the sum of
// Delivered, all of Dropped, and Queued.
type Stats struct {
	Emitted   uint64 // passed the filters
	Delivered uint64
	Dropped   [NumDropReasons]uint64
	Retried   uint64 // batches sent again

	Queued    int           // events waiting or under way
	Bytes     int           // about what those waiting hold in memory
	OldestAge time.Duration // of those; 0 if there are none
}

// Stats may be called from any goroutine. A nil Emitter's are zero.
func (e *Emitter) Stats() Stats {
	var s Stats
	if e == nil {
		return s
	}
	now := time.Now()
	for _, l := range e.lanes {
		l.addTo(&s, now)
	}
	return s
}

func (l *lane) addTo(s *Stats, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Emitted += l.emitted
	s.Delivered += l.delivered
	s.Retried += l.retried
	for r, n := range l.dropped {
		s.Dropped[r] += n
	}
	s.Queued += l.under + l.queue.len
	s.Bytes += l.queue.bytes
	switch {
	case l.under > 0:
		s.OldestAge = max(s.OldestAge, now.Sub(l.underSince))
	case l.queue.len > 0:
		s.OldestAge = max(s.OldestAge, now.Sub(l.queue.front().emitted))
	}
}
