// One publishing goroutine and the lanes it is responsible for.

package publish

import (
	"context"
	"errors"
	"time"

	"barrage/loadtest/plan"
	"barrage/loadtest/stamp"
	"barrage/loadtest/swarm"
	"barrage/loadtest/tally"
)

// maxSpans bounds the list of failed messages of one worker.
const maxSpans = 1 << 20

type laneID struct{ room, lane int }

// worker sends the messages of some lanes. It belongs to the goroutine of run
// while that runs.
type worker struct {
	sender sender
	totals *totals
	msgRun stamp.Run
	now    func() int64
	sleep  func(context.Context, time.Duration) error

	agenda *plan.Agenda
	batch  []message
	failed map[laneID][]tally.Span
	spans  int // in failed
	most   int // of spans
	err    error
}

func newWorker(s sender, totals *totals, run stamp.Run, sched *plan.Schedule, now func() int64) *worker {
	return &worker{
		sender: s, totals: totals, msgRun: run, now: now, agenda: plan.NewAgenda(sched),
		failed: make(map[laneID][]tally.Span), most: maxSpans,
	}
}

// run sends everything, or fails what is left when ctx ends.
func (w *worker) run(ctx context.Context) {
	for t := w.agenda.First(); t != nil; t = w.agenda.First() {
		if err := w.wait(ctx, t.At); err != nil {
			w.giveUp(ctx, err)
			return
		}
		w.take()
		w.sender.send(ctx, w.msgRun, w.batch)
		for i := range w.batch {
			m := &w.batch[i]
			if m.err == nil {
				w.totals.publish()
				continue
			}
			w.totals.fail(outcome(ctx, m.err), 1)
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
	w.totals.late(now - w.agenda.First().At)
	for t := w.agenda.First(); t != nil && t.At <= now && len(w.batch) < w.sender.burst(); t = w.agenda.First() {
		w.batch = append(w.batch, message{room: int(t.Room), lane: int(t.Lane), seq: t.Seq, due: t.At})
		w.agenda.Next()
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
	for _, t := range w.agenda.Left() {
		w.totals.fail(err, uint64(t.Count-t.Seq)+1)
		w.fail(laneID{int(t.Room), int(t.Lane)}, tally.Span{First: t.Seq, Last: t.Count})
	}
}

// fail notes failed messages. When they are too many to list, the list covers
// published ones between them, too: for these viewers are not blamed either.
func (w *worker) fail(id laneID, s tally.Span) {
	list := w.failed[id]
	if n := len(list); n > 0 && w.spans >= w.most {
		list[n-1].Last = s.Last
		return
	}
	longer := tally.Append(list, s)
	w.spans += len(longer) - len(list)
	w.failed[id] = longer
}

func (w *worker) failures() []swarm.Failure {
	list := make([]swarm.Failure, 0, len(w.failed))
	for id, spans := range w.failed {
		list = append(list, swarm.Failure{Room: id.room, Lane: id.lane, Spans: spans})
	}
	return list
}
