// One publishing goroutine and the lanes it is responsible for.

package publish

import (
	"context"
	"errors"
	"math"
	"time"

	"barrage/loadtest/plan"
	"barrage/loadtest/stamp"
	"barrage/loadtest/swarm"
	"barrage/loadtest/tally"
)

// maxSpans bounds the list of failed messages of one worker.
const maxSpans = 1 << 20

// never is when a lane that has no more messages sends the next.
const never = math.MaxInt64

// lane is one lane's next message.
type lane struct {
	room, lane int32
	seq, count uint32
	due        int64
}

// lanes is a heap: none is due before lanes[0], nor lanes[2*i+1] and [2*i+2]
// before lanes[i]. Container/heap would do it through an interface.
type lanes []lane

// sink puts lanes[i] in its place after its due has grown.
func (l lanes) sink(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(l); child++ {
			if l[child].due < l[least].due {
				least = child
			}
		}
		if least == i {
			return
		}
		l[i], l[least] = l[least], l[i]
		i = least
	}
}

func (l lanes) order() {
	for i := len(l)/2 - 1; i >= 0; i-- {
		l.sink(i)
	}
}

type laneID struct{ room, lane int }

// worker sends the messages of some lanes. It belongs to the goroutine of run
// while that runs.
type worker struct {
	sender sender
	book   *ledger
	msgRun stamp.Run
	sched  *plan.Schedule
	now    func() int64
	sleep  func(context.Context, time.Duration) error

	lanes  lanes
	batch  []message
	failed map[laneID][]tally.Span
	spans  int // in failed
	most   int // of spans
	err    error
}

func newWorker(s sender, book *ledger, run stamp.Run, sched *plan.Schedule, now func() int64) *worker {
	return &worker{
		sender: s, book: book, msgRun: run, sched: sched, now: now,
		failed: make(map[laneID][]tally.Span), most: maxSpans,
	}
}

// add takes on a lane. It is for before run.
func (w *worker) add(room, l int) {
	if n := w.sched.Count(room, l); n > 0 {
		w.lanes = append(w.lanes, lane{
			room: int32(room), lane: int32(l), seq: 1, count: n, due: w.sched.At(room, l, 1),
		})
	}
}

// run sends everything, or fails what is left when ctx ends.
func (w *worker) run(ctx context.Context) {
	w.lanes.order()
	for len(w.lanes) > 0 && w.lanes[0].due != never {
		if err := w.wait(ctx, w.lanes[0].due); err != nil {
			w.giveUp(ctx, err)
			return
		}
		w.take()
		w.sender.send(ctx, w.msgRun, w.batch)
		for i := range w.batch {
			m := &w.batch[i]
			if m.err == nil {
				w.book.published.Add(1)
				continue
			}
			w.book.fail(outcome(ctx, m.err), 1)
			w.fail(laneID{m.room, m.lane}, tally.Span{First: m.seq, Last: m.seq})
		}
	}
}

// outcome is what is said of a message that failed with err.
func outcome(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	switch {
	case cause == nil || !errors.Is(err, cause) && !errors.Is(err, context.Canceled):
		return plain(err)
	case errors.Is(cause, errBehind):
		return errTimeout
	}
	return errUnanswered
}

// wait returns when it is time, or with an error when there is none left.
func (w *worker) wait(ctx context.Context, due int64) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		left := due - w.now()
		if left <= 0 {
			return nil
		}
		if err := w.sleep(ctx, time.Duration(left)); err != nil {
			return err
		}
	}
}

// take fills the batch with what is due, no more than the sender takes at once.
func (w *worker) take() {
	w.batch = w.batch[:0]
	now := w.now()
	w.book.late(now - w.lanes[0].due)
	for l := &w.lanes[0]; l.due <= now && len(w.batch) < w.sender.burst(); {
		room, number := int(l.room), int(l.lane)
		w.batch = append(w.batch, message{room: room, lane: number, seq: l.seq, due: l.due})
		l.seq++
		l.due = never
		if l.seq <= l.count {
			l.due = w.sched.At(room, number, l.seq)
		}
		w.lanes.sink(0)
	}
}

// giveUp fails all that was not sent.
func (w *worker) giveUp(ctx context.Context, err error) {
	switch {
	case errors.Is(err, errBehind):
	case ctx.Err() != nil:
		err = errInterrupted
	default:
		w.err = err // the machine's
	}
	for _, l := range w.lanes {
		if l.due == never {
			continue
		}
		w.book.fail(err, uint64(l.count-l.seq)+1)
		w.fail(laneID{int(l.room), int(l.lane)}, tally.Span{First: l.seq, Last: l.count})
	}
}

// fail notes failed messages. When they are too many to list, the list covers
// published ones between them, too: for these viewers are not blamed either.
func (w *worker) fail(id laneID, s tally.Span) {
	list := w.failed[id]
	if n := len(list); n > 0 && (list[n-1].Last+1 == s.First || w.spans >= w.most) {
		list[n-1].Last = s.Last
		return
	}
	w.failed[id] = append(list, s)
	w.spans++
}

func (w *worker) failures() []swarm.Failure {
	list := make([]swarm.Failure, 0, len(w.failed))
	for id, spans := range w.failed {
		list = append(list, swarm.Failure{Room: id.room, Lane: id.lane, Spans: spans})
	}
	return list
}
