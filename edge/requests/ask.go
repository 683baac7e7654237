// The asking half: what somebody here waits for.

package requests

import (
	"context"
	"errors"
	"net/http"
	"time"

	"barrage/edge/events"
	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// Request is what is asked.
type Request struct {
	events.Request
	Timeout   time.Duration // that the asker waits, at most Config.Timeout; 0 is that
	Redeliver bool          // another worker may be given it, if one dies with it
}

// overhead is what a request is counted with beside its data.
const overhead = 512

func (r *Request) size() int {
	return overhead + len(r.Data) + len(r.Method) + len(r.Room) + len(r.User) + len(r.Conn)
}

// asking is a request without an answer yet.
type asking struct {
	Request
	payer  string // the pattern whose route it is counted for
	until  time.Time
	done   func(events.Reply, error)
	end    func() // of what watches the asker and the deadline
	number uint64 // of its placement
	at     *peer  // where it is, nil: here
	job    *job   // if it is here
	given  int    // how often a worker had it that died
	moved  int    // how often it was placed again before a worker had it
}

// Why there is no answer of a worker.
var (
	// errNobody is for a method that was served a moment ago.
	errNobody    = refusal.Retry(http.StatusServiceUnavailable, "unavailable", "Nobody serves this method at present.", time.Second)
	errDied      = refusal.New(http.StatusBadGateway, events.CodeBackend, "The worker that had the request is gone.")
	errMalformed = refusal.New(http.StatusBadGateway, events.CodeBadReply, "The worker's answer makes no sense.")
	errTimeout   = refusal.New(http.StatusGatewayTimeout, events.CodeTimeout, "No worker has answered in time.")
)

func fail(code string) error { return &events.CallError{Code: code} }

// Ask asks who serves r.Method: a configured route first, then workers. done is called once,
// by any goroutine, and does not block. The end of ctx tells that the asker has left. The
// error's chain has a [refusal.Error]; a refusal of who was asked is no error but a reply.
func (x *Exchange) Ask(ctx context.Context, r Request, done func(events.Reply, error)) {
	timeout := x.cfg.Timeout
	if r.Timeout > 0 {
		timeout = min(timeout, r.Timeout)
	}
	if x.cfg.Caller != nil && x.cfg.Caller.Routes(r.Method) {
		go x.call(ctx, r, done)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	r.Method = broker.Normal(r.Method)
	a := &asking{Request: r, until: time.Now().Add(timeout), done: done}
	x.do(func() {
		m := x.findLocked(r.Method)
		switch {
		case m == nil:
			x.refuseLocked(a, resultUnknown, fail(events.CodeUnknownMethod), cancel)
			return
		case !x.bytes.Take(r.size(), m.pattern, r.User, r.Address):
			x.refuseLocked(a, resultOverloaded, fail(events.CodeOverloaded), cancel)
			return
		}
		a.payer = m.pattern
		stop := context.AfterFunc(ctx, func() { x.do(func() { x.leftLocked(a, ctx.Err()) }) })
		a.end = func() {
			stop()
			cancel()
		}
		x.placeLocked(a)
	})
}

// Call is Ask for who waits.
func (x *Exchange) Call(ctx context.Context, r Request) (events.Reply, error) {
	type answer struct {
		reply events.Reply
		err   error
	}
	answers := make(chan answer, 1)
	x.Ask(ctx, r, func(reply events.Reply, err error) { answers <- answer{reply, err} })
	a := <-answers // at the deadline at the latest
	return a.reply, a.err
}

// call asks a backend. It has a goroutine of its own, as backends are slow, and Caller bounds
// how many there are: it ends with the answer, the timeout, or the asker.
func (x *Exchange) call(ctx context.Context, r Request, done func(events.Reply, error)) {
	if r.Timeout > 0 { // Caller has one, too
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.Timeout)
		defer cancel()
	}
	done(x.cfg.Caller.Call(ctx, r.Request))
}

// refuseLocked answers what is not kept.
func (x *Exchange) refuseLocked(a *asking, r result, err error, cancel func()) {
	x.counts.results[r].Add(1)
	x.calls = append(x.calls, cancel, func() { a.done(events.Reply{}, err) })
}

// placeLocked brings a request to the node whose workers are least busy.
func (x *Exchange) placeLocked(a *asking) {
	m := x.findLocked(a.Method)
	if m == nil {
		x.finishLocked(a, resultUnavailable, events.Reply{}, errNobody)
		return
	}
	at, ok := m.least()
	if !ok {
		x.finishLocked(a, resultUnavailable, events.Reply{}, errNobody)
		return
	}
	x.number++
	a.number, a.at, a.job = x.number, at, nil
	x.asked[a.number] = a
	if at != nil {
		m.offers[at].sent++
		x.sendLocked(letter{to: at.node, Ask: a.letter(m.pattern)})
		return
	}
	j := &job{Request: a.Request, origin: origin{number: a.number}, pattern: m.pattern, until: a.until, again: a.given > 0}
	a.job = j
	x.takeLocked(j)
}

// leftLocked ends a request whose asker has left, or whose deadline has passed.
func (x *Exchange) leftLocked(a *asking, why error) {
	if x.asked[a.number] != a {
		return // it has its answer
	}
	r, reason, err := resultCanceled, reasonGone, fail(events.CodeCanceled)
	if errors.Is(why, context.DeadlineExceeded) {
		r, reason, err = resultTimeout, reasonTimeout, errTimeout
	}
	if a.at != nil {
		x.sendLocked(letter{to: a.at.node, Cancel: &cancelLetter{a.number, reason}})
	} else {
		x.giveUpLocked(a.job, reason)
	}
	x.finishLocked(a, r, events.Reply{}, err)
}

// finishLocked answers.
func (x *Exchange) finishLocked(a *asking, r result, reply events.Reply, err error) {
	delete(x.asked, a.number)
	x.bytes.Give(a.size(), a.payer, a.User, a.Address)
	x.counts.results[r].Add(1)
	x.calls = append(x.calls, a.end, func() { a.done(reply, err) })
}

// outcome is what became of a placement.
type outcome struct {
	Number uint64
	What   what
	Reply  events.Reply // of answered
}

type what string

const (
	answered   what = "answered"
	malformed  what = "malformed"  // what the worker sent is no answer
	overloaded what = "overloaded" // too much waits there
	unserved   what = "unserved"   // no worker was given it
	died       what = "died"       // the worker that was given it is gone
)

// outcomeLocked takes what became of a placement, from this node or another.
func (x *Exchange) outcomeLocked(o outcome) {
	a := x.asked[o.Number]
	if a == nil {
		if o.What == answered {
			x.counts.dropped[droppedLate].Add(1)
		}
		return
	}
	switch o.What {
	case answered:
		r := resultAnswered
		if o.Reply.Error != nil {
			r = resultRefused
		}
		x.finishLocked(a, r, o.Reply, nil)
	case malformed:
		x.finishLocked(a, resultMalformed, events.Reply{}, errMalformed)
	case unserved:
		if a.moved++; a.moved > bounds.RequestMoves {
			x.finishLocked(a, resultUnavailable, events.Reply{}, errNobody)
			return
		}
		x.againLocked(a)
	case died:
		if a.given++; !a.Redeliver || a.given > bounds.Redeliveries {
			x.finishLocked(a, resultDied, events.Reply{}, errDied)
			return
		}
		x.counts.redelivered.Add(1)
		x.againLocked(a)
	default: // overloaded, or of a newer node
		x.finishLocked(a, resultOverloaded, events.Reply{}, fail(events.CodeOverloaded))
	}
}

// againLocked places a request once more.
func (x *Exchange) againLocked(a *asking) {
	delete(x.asked, a.number)
	x.placeLocked(a)
}
