// Workers: connections that serve methods.

package requests

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"barrage/edge/events"
	"barrage/internal/bounds"
	"barrage/internal/fair"
	"barrage/internal/refusal"
)

// Host is a worker's connection. Its methods are called from any goroutine, and do not
// block.
type Host interface {
	// Wake has the connection take what Worker.Next has.
	Wake()
	// Dismiss tells that the worker will be given nothing any more, as this node stops.
	Dismiss()
}

// Who is who holds a worker's connection.
type Who struct {
	Conn, User string
	Remote     string     // where it comes from, for people
	Address    netip.Addr // of an IPv6 host its network
}

func (w *Who) owner() fair.Owner { return fair.Owner{Address: w.Address, User: w.User} }

// Worker is a connection that serves methods. Its methods may be called from any goroutine.
type Worker struct {
	x    *Exchange
	who  Who
	host Host

	// Guarded by x.mu.
	methods []*method
	turn    int // of methods: whose queue is next
	limit   int
	last    uint64               // job that it was given
	under   map[uint64]*job      // given, and neither answered nor given up
	owed    map[uint64]time.Time // when those were given up that it has not answered
	outbox  []Word
}

// Word is what a worker is told: a request, or with Cancel that it need not answer one.
type Word struct {
	Cancel reason
	Number uint64
	Left   time.Duration // until the deadline
	Again  bool          // a worker that died had it before
	events.Request

	job *job
}

var (
	errStopping    = refusal.Retry(http.StatusServiceUnavailable, "unavailable", "the server is stopping", time.Second)
	errWorkers     = refusal.TooMany("overloaded", fmt.Sprintf("of the %d places for workers none is left for this user or address", bounds.Workers), time.Second)
	errManyMethods = refusal.TooMany("overloaded", fmt.Sprintf("of the %d patterns of methods that workers may serve here none is left for this user or address", bounds.WorkerPatterns), time.Second)
)

// Serve makes a worker of a connection, or has one (w, else nil) serve these methods from now
// on instead of others, and take so many requests at a time. Patterns are good ones, and
// none is there twice. Without any it is given nothing more.
func (x *Exchange) Serve(w *Worker, who Who, host Host, patterns []string, limit int) (_ *Worker, err error) {
	x.do(func() {
		if err = x.mayServeLocked(w, who, patterns); err != nil {
			return
		}
		if w == nil {
			w = &Worker{x: x, who: who, host: host, under: make(map[uint64]*job), owed: make(map[uint64]time.Time)}
			x.workers[w] = true
			x.places.Add(w.owner(), 1)
		}
		before := w.methods
		w.methods, w.limit, w.turn = nil, limit, 0
		for _, p := range patterns {
			if i := slices.IndexFunc(before, func(m *method) bool { return m.pattern == p }); i >= 0 {
				w.methods = append(w.methods, before[i])
			} else {
				x.joinLocked(w, p)
			}
		}
		now := w.methods
		w.methods = slices.DeleteFunc(before, func(m *method) bool { return slices.Contains(now, m) })
		x.leaveLocked(w)
		w.methods = now
		w.feedLocked()
	})
	return w, err
}

func (x *Exchange) mayServeLocked(w *Worker, who Who, patterns []string) error {
	if x.draining && len(patterns) > 0 {
		return errStopping
	}
	if w == nil && !x.places.Fits(who.owner(), 1) {
		x.counts.turnedAway[awayWorkers].Add(1)
		return errWorkers
	}
	more := 0
	for _, p := range patterns {
		if m := x.methods[p]; m == nil || len(m.workers) == 0 {
			more++
		}
	}
	if w != nil {
		who = w.who
		for _, m := range w.methods {
			if len(m.workers) == 1 && !slices.Contains(patterns, m.pattern) {
				more--
			}
		}
	}
	if !x.served.Fits(who.owner(), int64(more)) {
		x.counts.turnedAway[awayMethods].Add(1)
		return errManyMethods
	}
	return nil
}

// Close tells that the connection is gone.
func (w *Worker) Close() {
	x := w.x
	x.do(func() {
		if !x.workers[w] {
			return
		}
		delete(x.workers, w)
		x.places.Give(w.owner(), 1)
		x.leaveLocked(w)
		w.outbox = nil
		for _, j := range w.under {
			what := died
			if !j.seen {
				what = unserved
			}
			x.endLocked(j, outcome{What: what})
		}
	})
}

// Next is what the worker is to be told now; ok is false if there is nothing.
func (w *Worker) Next() (word Word, ok bool) {
	w.x.do(func() {
		for !ok && len(w.outbox) > 0 {
			word, w.outbox = w.outbox[0], w.outbox[1:]
			j := word.job
			if ok = word.Cancel != "" || !j.over; !ok {
				continue
			}
			j.seen = true
			word.Number = j.number
			if word.Cancel == "" {
				word.Request, word.Left, word.Again = j.Request.Request, time.Until(j.until), j.again
			}
		}
		if len(w.outbox) == 0 {
			w.outbox = nil
		}
	})
	return word, ok
}

// Owes tells whether the worker has still to answer a request, if only one that was given
// up.
func (w *Worker) Owes(number uint64) (owes bool) {
	w.x.do(func() {
		_, late := w.owed[number]
		j := w.under[number]
		owes = late || j != nil && j.seen
	})
	return owes
}

// Idle tells whether the worker has nothing to answer that anybody waits for.
func (w *Worker) Idle() (idle bool) {
	w.x.do(func() { idle = len(w.under) == 0 && len(w.outbox) == 0 })
	return idle
}

var (
	errLate  = refusal.New(http.StatusNotFound, "too_late", "nobody waits for this answer any more")
	errOther = refusal.New(http.StatusNotFound, "not_asked", "this connection has no such request to answer")
)

// Answer takes a worker's answer; nil is one that makes no sense. What it was not asked, or
// nobody waits for any more, is an error.
func (w *Worker) Answer(number uint64, reply *events.Reply) (err error) {
	x := w.x
	x.do(func() {
		j := w.under[number]
		switch _, late := w.owed[number]; {
		case j != nil && j.seen:
			x.endLocked(j, answeredBy(reply))
		case late:
			delete(w.owed, number)
			x.counts.dropped[droppedLate].Add(1)
			x.changedLocked()
			err = errLate
		default:
			x.counts.dropped[droppedUnasked].Add(1)
			err = errOther
			return
		}
		w.feedLocked()
	})
	return err
}

// ParseAnswer makes a reply of an answer's parts: data, one JSON value, or an error. It
// tells what is wrong with them.
func ParseAnswer(data json.RawMessage, refused *events.ReplyError) (*events.Reply, error) {
	switch {
	case refused != nil && data != nil:
		return nil, refusal.New(http.StatusBadRequest, "bad_command", "an answer has data or error, not both")
	case refused == nil && data == nil:
		return nil, refusal.New(http.StatusBadRequest, "bad_command", "an answer needs data or error")
	case refused == nil:
		return &events.Reply{Data: data}, nil
	}
	if err := refused.Check(); err != nil {
		return nil, refusal.New(http.StatusBadRequest, "bad_command", err.Error())
	}
	return &events.Reply{Error: refused}, nil
}

func (w *Worker) owner() fair.Owner { return w.who.owner() }

// busy is how many requests the worker has.
func (w *Worker) busy() int { return len(w.under) + len(w.owed) }

// feedLocked gives the worker what waits, as far as it takes it: of each of its methods in
// turn.
func (w *Worker) feedLocked() {
	for idle := 0; idle < len(w.methods) && w.busy() < w.limit; {
		m := w.methods[w.turn%len(w.methods)]
		w.turn++
		if j := m.nextLocked(); j != nil {
			w.x.giveLocked(w, j)
			idle = 0
		} else {
			idle++
		}
	}
}

// forgetLocked forgets answers that do not come any more.
func (w *Worker) forgetLocked(now time.Time) {
	before := len(w.owed)
	for number, since := range w.owed {
		if now.Sub(since) >= bounds.GivenUp {
			delete(w.owed, number)
		}
	}
	if len(w.owed) < before {
		w.x.changedLocked()
		w.feedLocked()
	}
}

func (w *Worker) tellLocked(word Word) {
	w.outbox = append(w.outbox, word)
	w.x.calls = append(w.x.calls, w.host.Wake)
}
