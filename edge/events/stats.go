// What an emitter counts.

package events

// DropReason says why an event was not delivered.
type DropReason uint8

// The reasons.
const (
	DropOverflow   DropReason = iota // pushed out of a full queue by a newer one, or found no room in it
	DropTooBig                       // over half of Config.QueueBytes, without a reservation
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

	Queued int // events waiting or under way
	Bytes  int // about what those waiting hold in memory
}

// Stats may be called from any goroutine. A nil Emitter's are zero.
func (e *Emitter) Stats() Stats {
	var s Stats
	if e == nil {
		return s
	}
	for _, o := range e.outlets {
		o.addTo(&s)
	}
	return s
}

func (o *outlet) addTo(s *Stats) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s.Emitted += o.emitted
	s.Delivered += o.delivered
	s.Retried += o.retried
	for r, n := range o.dropped {
		s.Dropped[r] += n
	}
	s.Queued += o.underWay + o.queue.Len()
	s.Bytes += o.bytes
}
