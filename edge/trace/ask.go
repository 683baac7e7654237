// Whoever asks for a trace: what waits for them, and what they are told.

package trace

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"barrage/internal/bounds"
)

// asked is a trace that this node was asked for.
type asked struct {
	Query
	id      string
	more    chan struct{} // there are lines
	over    atomic.Bool   // nobody waits for lines any more
	renewed time.Time     // when the order was given last; Run's

	mu    sync.Mutex // guards what follows
	lines []byte
	lost  uint64 // lines
}

// add takes lines of a node, as far as there is room for them.
func (a *asked) add(lines []byte) (lost uint64) {
	a.mu.Lock()
	if len(a.lines)+len(lines) <= bounds.TraceQueue {
		a.lines = append(a.lines, lines...)
	} else {
		lost = count(lines)
		a.lost += lost
	}
	a.mu.Unlock()
	select {
	case a.more <- struct{}{}:
	default:
	}
	return lost
}

func (a *asked) take(node string) (lines []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	lines, a.lines = a.lines, nil
	if a.lost > 0 {
		lines = Line{Node: node, Event: eventLost, Count: a.lost}.append(lines)
		a.lost = 0
	}
	return lines
}

// goOn gives the order of a trace again, if it is time, or ends it. Only Run calls it, so
// that no order comes behind that to end.
func (t *Tracing) goOn(a *asked, now time.Time) {
	switch {
	case a.over.Load():
		t.mu.Lock()
		delete(t.asked, a.id)
		t.mu.Unlock()
		t.drop(a.id)
		t.order(&order{ID: a.id, Asker: t.cfg.Node, End: true})
	case now.Sub(a.renewed) >= renewEvery:
		a.renewed = now
		t.hold(a.id, t.cfg.Node, a.Query)
		t.order(&order{ID: a.id, Asker: t.cfg.Node, Query: a.Query})
	}
}

// Trace has what connections do written, line by line, until the query's time or bytes are
// over, or ctx ends. What write takes is whole lines, and an error of it ends the trace.
func (t *Tracing) Trace(ctx context.Context, q Query, write func(lines []byte) error) error {
	a, err := t.begin(q)
	if err != nil {
		return err
	}
	defer t.finish(a)
	over := time.NewTimer(q.For)
	defer over.Stop()
	for left, reason := q.Bytes, ""; ; {
		select {
		case <-ctx.Done():
			reason = "stopped"
		case <-over.C:
			reason = "time"
		case <-a.more:
		}
		lines := a.take(t.cfg.Node)
		if left -= len(lines); left <= 0 {
			reason = "bytes"
		}
		if reason != "" {
			return write(Line{Node: t.cfg.Node, Event: eventEnd, Reason: reason}.append(lines))
		}
		if err := write(lines); err != nil {
			return err
		}
	}
}
