// What is counted of hooks.

package hooks

import (
	"sync/atomic"
	"time"
)

// Kind is what a hook is asked about.
type Kind uint8

// The kinds.
const (
	KindConnect Kind = iota
	KindJoin
	KindPublish

	numKinds
)

var kindNames = [numKinds]string{"connect", "join", "publish"}

// String is the kind's name in questions, logs and metric labels.
func (k Kind) String() string { return kindNames[k] }

// Result is what became of a question of a client.
type Result uint8

// The results.
const (
	Allowed    Result = iota
	Changed           // allowed, with another payload
	Refused           // by the backend
	Away              // refused, as the backend is away
	Excused           // allowed although the backend is away, as the setting says
	Failed            // refused, as the answer is none
	Overloaded        // refused: too many questions are under way, or it waited too long for its turn
	Guessed           // refused: too many wrong logins

	numResults
)

var resultNames = [numResults]string{"allowed", "changed", "refused", "away", "excused", "failed", "overloaded", "guessed"}

// String is the result's name in metric labels.
func (r Result) String() string { return resultNames[r] }

// Bounds are those of the histogram of durations.
var Bounds = [...]time.Duration{
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// Stats are the counters of one kind of hooks.
type Stats struct {
	Results  map[string]uint64 // questions of clients, by what became of them
	Requests uint64            // HTTP requests that were made for them
	Repeated uint64            // made once more, as no byte of an answer had come
	Resting  int               // URLs that are not asked at present
	Took     [len(Bounds) + 1]uint64
	TookSum  time.Duration
	Waiting  int // bytes of questions under way, of all kinds
}

// counters are those of one kind.
type counters struct {
	results  [numResults]atomic.Uint64
	requests atomic.Uint64
	took     [len(Bounds) + 1]atomic.Uint64
	tookSum  atomic.Int64
}

func (c *counters) observe(d time.Duration) {
	i := 0
	for i < len(Bounds) && d > Bounds[i] {
		i++
	}
	c.took[i].Add(1)
	c.tookSum.Add(int64(d))
}

// Stats returns the counters by kind. A nil Hooks has none.
func (h *Hooks) Stats() map[string]Stats {
	if h == nil {
		return nil
	}
	all := make(map[string]Stats, numKinds)
	for k := range numKinds {
		c := &h.counters[k]
		s := Stats{Results: make(map[string]uint64, numResults), Requests: c.requests.Load(), TookSum: time.Duration(c.tookSum.Load()), Waiting: h.slots.Used()}
		for r := range numResults {
			s.Results[r.String()] = c.results[r].Load()
		}
		for i := range c.took {
			s.Took[i] = c.took[i].Load()
		}
		all[k.String()] = s
	}
	for _, u := range h.urls {
		s := all[u.kind.String()]
		s.Repeated += u.client.Repeated()
		if u.breaker.refuses() {
			s.Resting++
		}
		all[u.kind.String()] = s
	}
	return all
}
