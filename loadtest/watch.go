// What the controller sees while a test runs, and a Point of it each second.

package loadtest

import (
	"context"
	"time"

	"barrage/loadtest/probe"
	"barrage/loadtest/report"
	"barrage/loadtest/swarm"
	"barrage/loadtest/tally"
)

// watch is what the controller has seen: the present, and a Point for each
// second.
type watch struct {
	phase   string
	shown   string // the phase of the last view
	now     swarm.Snapshot
	latency *tally.Histogram // of the window
	second  *tally.Histogram

	last struct { // at the last point
		at        int64
		snapshot  swarm.Snapshot
		published uint64
		server    probe.Sample
		client    float64
	}
}

// take notes a new snapshot.
func (w *watch) take(s swarm.Snapshot) {
	w.latency.Merge(s.Latency)
	w.second.Merge(s.Latency)
	w.now = s
}

// look takes a snapshot of everything, and makes a Point of it when a second has
// passed since the one before.
func (c *controller) look(ctx context.Context, phaseEnd int64) error {
	w := &c.watch
	s, err := c.fleet.snapshot(ctx)
	if err != nil {
		return err
	}
	w.take(s)
	now := c.clock.Now()
	second := now-w.last.at >= int64(time.Second) || w.last.at == 0
	if second {
		c.r.Timeline = append(c.r.Timeline, c.point(ctx, now))
	}
	if c.o.View != nil && (second || w.phase != w.shown) {
		w.shown = w.phase
		p := report.Progress{
			Point: c.r.Timeline[len(c.r.Timeline)-1], Wanted: c.plan.Connections,
			Elapsed: time.Duration(now - c.start), PhaseLeft: time.Duration(max(0, phaseEnd-now)),
			Failed: s.Failed, Closed: s.Closed, LastFailure: most(s.Failures),
		}
		p.Point.Open, p.Point.Phase = s.Open, w.phase
		c.o.View(p)
	}
	return nil
}

// most is the commonest of some kinds.
func most(kinds map[string]uint64) (kind string) {
	for k, n := range kinds {
		if n > kinds[kind] || n == kinds[kind] && k < kind {
			kind = k
		}
	}
	return kind
}

// point is the time since the last point.
func (c *controller) point(ctx context.Context, now int64) report.Point {
	w := &c.watch
	s, server, client := &w.now, c.sample(ctx), c.clientCPU()
	p := report.Point{
		T: time.Duration(now - c.start).Seconds(), Phase: w.phase, Open: s.Open, Gaps: s.Gaps,
		P50: ms(w.second.Quantile(0.5)), P99: ms(w.second.Quantile(0.99)), P999: ms(w.second.Quantile(0.999)), Max: ms(w.second.Max()),
		RSS: known(server.RSS),
	}
	published := s.Published
	if c.publisher != nil {
		published = c.publisher.Stats().Published
	}
	if seconds := time.Duration(now - w.last.at).Seconds(); w.last.at != 0 && seconds > 0 {
		if published >= w.last.published { // else a window has begun
			p.Published = float64(published-w.last.published) / seconds
		}
		if got, had := arrivals(s), arrivals(&w.last.snapshot); got >= had {
			p.Delivered = float64(got-had) / seconds
		}
		p.ServerCPU = max(0, server.CPU-w.last.server.CPU) / seconds
		p.ClientCPU = (client - w.last.client) / seconds
		p.SendsPerMsg = sendsPerDelivery(&w.last.server, &server)
	}
	w.last.at, w.last.snapshot, w.last.published, w.last.server, w.last.client = now, *s, published, server, client
	w.second.Reset()
	return p
}

func arrivals(s *swarm.Snapshot) uint64 {
	return s.Counts.Delivered + s.Counts.Duplicated + s.Counts.ToSlow
}

// clientCPU is what the agents and the controller have used.
func (c *controller) clientCPU() float64 {
	sum := 0.0
	for _, cpu := range c.fleet.cpu() {
		sum += cpu
	}
	if !c.fleet.inside {
		sum += probe.Self()
	}
	return sum
}
