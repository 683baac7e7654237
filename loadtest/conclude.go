// The end of a test: the report is completed and judged.

package loadtest

import (
	"context"
	"time"

	"barrage/loadtest/report"
)

// conclude completes the report.
func (c *controller) conclude(ctx context.Context) {
	r := c.r
	c.connections(r)
	r.Seconds = time.Duration(c.clock.Now() - c.start).Seconds()
	s := &r.Server
	s.RSSBefore, s.RSSIdle = known(c.before.RSS), known(c.idle.RSS)
	if c.server != nil {
		var last error
		s.Gone = c.server.Gone()
		if s.Unanswered, last = c.server.Unanswered(); last != nil {
			s.UnansweredError = last.Error()
		}
	}
	if s.RSSAfter == 0 {
		s.RSSAfter = s.RSSIdle
	}
	per := func(before, idle int64) float64 {
		if before < 0 || idle < 0 || r.Connections.Open == 0 {
			return -1
		}
		return float64(idle-before) / float64(r.Connections.Open)
	}
	s.BytesPerConnection = report.BytesPerConnection{
		Resident: per(c.before.RSS, c.idle.RSS), Heap: per(c.before.Heap, c.idle.Heap),
		Stack: per(c.before.Stack, c.idle.Stack), Kernel: per(c.before.Kernel, c.idle.Kernel),
	}
	r.Judge()
	values := r.Values()
	for _, e := range c.o.Asserts {
		res := e.Eval(values)
		r.Asserts = append(r.Asserts, report.Assert{Expr: e.String(), OK: res.OK, Found: res.Found})
	}
}

// connections fills in what became of them up to now.
func (c *controller) connections(r *report.Report) {
	s, n := &c.watch.now, &r.Connections
	n.OpenAtEnd, n.Opened, n.Deflated, n.Failed, n.Failures = s.Open, s.Opened, s.Deflated, s.Failed, s.Failures
	n.Closed, n.ClosedBy, n.Dropped = s.Closed, s.ClosedBy, s.Dropped
	if n.Open == 0 {
		n.Open = s.Open
	}
}
