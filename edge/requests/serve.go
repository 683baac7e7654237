// The serving half: what the workers of this node have to answer.

package requests

import (
	"hash/maphash"
	"time"

	"barrage/edge/events"
	"barrage/internal/fair"
)

// origin says where a job comes from: the node that asks, "" for this one, and the
// placement's number there.
type origin struct {
	node   string
	number uint64
}

// job is a request that a worker of this node has to answer.
type job struct {
	Request
	origin  origin
	pattern string
	until   time.Time
	again   bool // a worker that died had it before

	number uint64  // from when a worker is given it; it is the worker's name for it
	worker *Worker // that was given it
	seen   bool    // the worker has been told
	waits  *method // in whose queue it is
	over   bool    // it has an outcome, or was given up
}

// takeLocked gives a job to a worker, or has it wait for one.
func (x *Exchange) takeLocked(j *job) {
	m := x.methods[j.pattern]
	if m == nil || len(m.workers) == 0 {
		x.endLocked(j, outcome{What: unserved})
		return
	}
	if m.waiting == 0 {
		if w := m.free(); w != nil {
			x.giveLocked(w, j)
			return
		}
	}
	who := j.User
	if who == "" {
		who = j.Conn
	}
	if !m.queue.Add(0, fair.Payer{Address: j.Address, Conn: maphash.String(x.seed, who)}, 1, j) {
		x.endLocked(j, outcome{What: overloaded})
		return
	}
	j.waits = m
	m.waiting++
	x.changedLocked()
}

// nextLocked is the job whose turn it is, nil if none waits.
func (m *method) nextLocked() *job {
	for {
		j, t, ok := m.queue.Next()
		if !ok {
			return nil
		}
		m.queue.Settle(t, 0)
		if !j.over {
			j.waits = nil
			m.waiting--
			return j
		}
	}
}

func (x *Exchange) giveLocked(w *Worker, j *job) {
	x.job++
	j.number, j.worker = x.job, w
	w.last = j.number
	w.under[j.number] = j
	w.tellLocked(Word{job: j})
	x.changedLocked()
}

// endLocked tells whoever asked what became of a job.
func (x *Exchange) endLocked(j *job, o outcome) {
	x.overLocked(j)
	o.Number = j.origin.number
	if j.origin.node == "" {
		x.outcomeLocked(o)
		return
	}
	x.sendLocked(letter{to: j.origin.node, Outcome: o.letter()})
}

// overLocked forgets a job, wherever it is.
func (x *Exchange) overLocked(j *job) {
	j.over = true
	if m := j.waits; m != nil {
		j.waits = nil
		m.waiting--
	}
	if w := j.worker; w != nil {
		delete(w.under, j.number)
	}
	if j.origin.node != "" && x.foreign[j.origin] == j {
		delete(x.foreign, j.origin)
		x.bytes.Give(j.size(), j.pattern, j.User, j.Address)
	}
	j.Data = nil // it may still stand in a queue
	x.changedLocked()
}

// giveUpLocked ends a job that nobody waits for any more.
func (x *Exchange) giveUpLocked(j *job, r reason) {
	if j.over {
		return
	}
	w := j.worker
	if w != nil && j.seen {
		w.owed[j.number] = time.Now()
		w.tellLocked(Word{job: j, Cancel: r})
	}
	x.overLocked(j)
	if w != nil {
		w.feedLocked()
	}
}

// reason is why a worker need not answer.
type reason string

const (
	reasonGone    reason = "gone"    // the asker has left
	reasonTimeout reason = "timeout" // the deadline has passed
)

// joinLocked adds a worker to a method's.
func (x *Exchange) joinLocked(w *Worker, pattern string) {
	m := x.methodLocked(pattern)
	if len(m.workers) == 0 {
		x.served.Add(w.owner(), 1)
	}
	m.workers = append(m.workers, w)
	w.methods = append(w.methods, m)
}

// leaveLocked takes a worker out of its methods. What waits for one that has no more workers
// here is for others.
func (x *Exchange) leaveLocked(w *Worker) {
	left := w.methods
	w.methods = nil
	for _, m := range left {
		first := m.workers[0]
		m.workers = without(m.workers, w)
		if first == w {
			x.served.Give(w.owner(), 1)
		}
		if len(m.workers) > 0 {
			if first == w { // it counts in the next one's share now, whether or not there is room
				x.served.Add(m.workers[0].owner(), 1)
			}
			continue
		}
		x.emptyLocked(m)
		for j := m.nextLocked(); j != nil; j = m.nextLocked() {
			x.endLocked(j, outcome{What: unserved})
		}
	}
	x.offersLocked()
}

func without(list []*Worker, w *Worker) []*Worker {
	kept := make([]*Worker, 0, len(list))
	for _, other := range list {
		if other != w {
			kept = append(kept, other)
		}
	}
	return kept
}

// answeredBy is a worker's answer as an outcome.
func answeredBy(reply *events.Reply) outcome {
	if reply == nil {
		return outcome{What: malformed}
	}
	return outcome{What: answered, Reply: *reply}
}

// Drain gives this node's workers nothing any more, and tells them so: what they have they
// answer. Others' workers are asked on.
func (x *Exchange) Drain() {
	x.do(func() {
		x.draining = true
		for w := range x.workers {
			x.leaveLocked(w)
			x.calls = append(x.calls, w.host.Dismiss)
		}
	})
}
