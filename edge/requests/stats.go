// Counters for metrics.

package requests

import "sync/atomic"

// result is what became of a request that no configured backend was for.
type result uint8

const (
	resultAnswered    result = iota
	resultRefused            // by the worker, in words of its own
	resultUnknown            // nobody serves the method
	resultUnavailable        // nobody does any more
	resultOverloaded
	resultTimeout
	resultCanceled  // the asker has left
	resultDied      // the worker did, with it
	resultMalformed // the worker's answer makes no sense

	numResults
)

var resultNames = [numResults]string{"answered", "refused", "unknown_method", "unavailable", "overloaded", "timeout", "canceled", "worker_gone", "bad_reply"}

// dropped is why an answer went to nobody.
type dropped uint8

const (
	droppedLate    dropped = iota // nobody waits for it any more
	droppedUnasked                // the worker was not asked

	numDropped
)

// turnedAway is what a connection that wanted to serve found no place for.
type turnedAway uint8

const (
	awayWorkers turnedAway = iota
	awayMethods

	numTurnedAway
)

var turnedAwayNames = [numTurnedAway]string{"workers", "methods"}

var droppedNames = [numDropped]string{"late", "unasked"}

type counts struct {
	results     [numResults]atomic.Uint64
	dropped     [numDropped]atomic.Uint64
	turnedAway  [numTurnedAway]atomic.Uint64
	redelivered atomic.Uint64
}

// Stats is a snapshot. Counters only grow.
type Stats struct {
	Results     map[string]uint64 // of requests asked here, by what became of them
	Dropped     map[string]uint64 // answers that went to nobody, by why
	Redelivered uint64            // requests that were placed again, as a worker died with them
	TurnedAway  map[string]uint64 // connections that wanted to serve, by what there was no place for
	Workers     int               // of this node
	Methods     int               // patterns that they serve
	Known       int               // likewise, and those of other nodes' workers, and those that were served until lately
	UnderWay    int               // requests that they have
	Waiting     int               // requests that wait for one of them
	Bytes       int               // of requests that are asked or served here
}

// Stats may be called from any goroutine.
func (x *Exchange) Stats() Stats {
	s := Stats{Results: map[string]uint64{}, Dropped: map[string]uint64{}, TurnedAway: map[string]uint64{}, Redelivered: x.counts.redelivered.Load(), Bytes: x.bytes.Used()}
	for r, name := range resultNames {
		s.Results[name] = x.counts.results[r].Load()
	}
	for d, name := range droppedNames {
		s.Dropped[name] = x.counts.dropped[d].Load()
	}
	for a, name := range turnedAwayNames {
		s.TurnedAway[name] = x.counts.turnedAway[a].Load()
	}
	x.do(func() {
		s.Workers, s.Methods, s.Known = len(x.workers), int(x.served.Taken()), len(x.methods)
		for w := range x.workers {
			s.UnderWay += w.busy()
		}
		for _, m := range x.methods {
			s.Waiting += m.waiting
		}
	})
	return s
}
