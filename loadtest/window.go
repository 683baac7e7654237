// One time of publishing: it begins, messages flow, and what became of them is counted.

package loadtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"barrage/loadtest/plan"
	"barrage/loadtest/probe"
	"barrage/loadtest/report"
	"barrage/loadtest/stamp"
	"barrage/loadtest/swarm"
	"barrage/loadtest/tally"
)

// window is one time of publishing and what was seen of it.
type window struct {
	swarm.Window
	sched  *plan.Schedule
	cpu    []float64 // of the agents, at its beginning
	client float64   // CPU of all agents and the controller, likewise
	server probe.Sample
	busy   float64 // of the machine
	total  float64

	threads map[int]float64 // CPU seconds of this process's, by number
}

// publish has messages published and waits for them. What became of them goes
// into r.
func (c *controller) publish(ctx context.Context, rate float64, d time.Duration, r *report.Report) error {
	w := &window{Window: swarm.Window{
		Run: stamp.Run(rand.Uint32()), Start: c.clock.Now() + int64(leadTime), Rate: rate, Duration: d,
	}}
	p := *c.plan
	p.Rate, p.Duration = rate, d
	w.sched = plan.NewSchedule(w.Start, plan.NewLayout(&p))
	if err := c.fleet.begin(ctx, w.Window); err != nil {
		return err
	}
	if err := c.begin(ctx, w); err != nil {
		return err
	}
	published := make(chan error, 1)
	if c.publisher != nil {
		go func() { published <- c.publisher.Run(ctx, w.Run, w.sched, c.clock.Now) }()
	} else {
		published <- nil
	}
	err := c.attend(ctx, w)
	perr := <-published // ctx ends it, or its own grace does
	if err == nil {
		err = perr
	}
	c.drain(ctx, w)
	// Also an interrupted test says what it found.
	return c.settle(context.WithoutCancel(ctx), w, r, err)
}

// begin looks at everything before the first message.
func (c *controller) begin(ctx context.Context, w *window) error {
	c.watch.phase = "publish"
	c.watch.latency.Reset()
	if err := c.look(ctx, w.sched.End()); err != nil {
		return err
	}
	w.cpu, w.client = c.fleet.cpu(), c.clientCPU()
	w.server = c.sample(ctx)
	w.busy, w.total = probe.Machine()
	w.threads = probe.Threads()
	return nil
}

// attend waits until all messages are due, and has the storms happen meanwhile.
func (c *controller) attend(ctx context.Context, w *window) error {
	for i := range c.plan.Storms {
		at := w.Start + int64(w.Duration)*int64(2*i+1)/int64(2*c.plan.Storms)
		if err := c.until(ctx, time.Duration(at-c.clock.Now()), never); err != nil {
			return err
		}
		if err := c.storm(ctx, w); err != nil {
			return err
		}
	}
	return c.until(ctx, time.Duration(w.sched.End()-c.clock.Now()), never)
}

// storm drops all connections and sees them come back.
func (c *controller) storm(ctx context.Context, w *window) error {
	dropped, opened := c.watch.now.Dropped, c.watch.now.Opened
	began := c.clock.Now()
	if err := c.fleet.storm(ctx); err != nil {
		return err
	}
	back := func() bool {
		s := &c.watch.now
		return s.Dropped > dropped && s.Opened-opened >= s.Dropped-dropped
	}
	err := c.until(ctx, time.Duration(w.sched.End()-began)+c.plan.Drain, back)
	s := &c.watch.now
	seconds := time.Duration(s.Handshake - began).Seconds()
	if !back() {
		seconds = time.Duration(c.clock.Now() - began).Seconds()
	}
	c.r.Storms = append(c.r.Storms, report.Storm{
		At:      time.Duration(began - c.start).Seconds(),
		Dropped: int(s.Dropped - dropped), Recovered: int(s.Opened - opened), Seconds: max(0, seconds),
	})
	return err
}

// drain waits for what is still on its way, until all is there, or nothing comes
// any more, or the time for it is over.
func (c *controller) drain(ctx context.Context, w *window) {
	c.watch.phase = "drain"
	var reads uint64
	changed := c.clock.Now()
	_ = c.until(ctx, c.plan.Drain, func() bool {
		s := &c.watch.now
		if s.Reads != reads {
			reads, changed = s.Reads, c.clock.Now()
		}
		quiet := time.Duration(c.clock.Now() - changed)
		return s.Owed == 0 && quiet >= lastWait || quiet >= max(quietTime, c.plan.Drain/quietShare)
	})
}

// settle ends the counting and fills in r.
func (c *controller) settle(ctx context.Context, w *window, r *report.Report, cause error) error {
	if err := c.look(ctx, 0); err != nil {
		return fmt.Errorf("%w (%w)", err, cause)
	}
	failed := slices.Clone(c.watch.now.Unsent)
	if c.publisher != nil {
		failed = append(failed, c.publisher.Failures()...)
	}
	end, err := c.fleet.finish(ctx, failed)
	if err != nil {
		return err
	}
	c.watch.take(end)
	c.fill(ctx, w, &end, failed, r)
	return cause
}

// fill writes what the window brought into r.
func (c *controller) fill(ctx context.Context, w *window, end *swarm.Snapshot, failed []swarm.Failure, r *report.Report) {
	m := &r.Messages
	m.Offered, m.Counts, m.Pings = w.sched.Offered(), end.Counts, end.Pings
	m.Published, m.PublishFailed = end.Published, count(failed)
	if c.publisher != nil {
		s := c.publisher.Stats()
		m.Published, m.PublishFailed, m.PublishErrors = s.Published, s.Failed, s.Errors
		m.PublishLagMax = ms(s.LagMax)
	} else if m.PublishFailed > 0 {
		m.PublishErrors = map[string]uint64{"the viewer was not connected": m.PublishFailed}
	}
	m.Seconds = time.Duration(max(end.Arrived-w.Start, 0)).Seconds()
	if m.Seconds > 0 {
		m.PerSecond = float64(m.Delivered) / m.Seconds
		m.BytesPerSecond = float64(end.Bytes) / m.Seconds
	}
	if copies := m.Arrived(); copies > 0 {
		m.BytesPerCopy = float64(end.Bytes) / float64(copies)
		m.CopiesPerFrame = float64(copies) / float64(max(end.Frames, 1))
	}
	r.Latency = latency(c.watch.latency)

	s, now := &r.Server, c.sample(ctx)
	if w.server.CPU >= 0 && now.CPU >= 0 {
		s.CPUSeconds = now.CPU - w.server.CPU
		if s.CPUSeconds > 0 {
			s.DeliveriesPerCPUSecond = float64(m.Delivered+m.ToSlow) / s.CPUSeconds
		}
	}
	s.SendsPerDelivery = sendsPerDelivery(&w.server, &now)
	s.RSSAfter = known(now.RSS)
	if now.GCs >= 0 && c.before.GCs >= 0 {
		s.GCs, s.GCPauseMax = now.GCs-c.before.GCs, 1000*max(0, now.GCPause)
	}

	busy, total := probe.Machine()
	cl := &r.Client
	cl.Agents = c.fleet.describe(w.cpu)
	cl.CPUSeconds = c.clientCPU() - w.client
	cl.Reads = end.Reads
	if cl.Reads > 0 {
		cl.MessagesPerRead = float64(m.Delivered+m.Duplicated+m.ToSlow) / float64(cl.Reads)
	}
	if total > w.total && len(c.o.Agents.Remote) == 0 { // of remote machines it is not known
		cl.MachineCPU = (busy - w.busy) / (total - w.total)
	}
	if wall := time.Duration(c.clock.Now() - w.Start).Seconds(); wall > 0 {
		cl.CPUShare = cl.CPUSeconds / (wall * c.fleet.cores(c.r.Environment.Cores, len(c.o.Agents.Remote) > 0))
		if c.fleet.inside {
			cl.BusiestThread = busiest(w.threads, probe.Threads()) / wall
		}
	}
}

// sendsPerDelivery is 0 if it is not known.
func sendsPerDelivery(before, now *probe.Sample) float64 {
	d := now.Delivers - before.Delivers
	if now.Delivers < 0 || d <= 0 {
		return 0
	}
	return (now.Sends - before.Sends) / d
}

// busiest is the CPU time of the thread that has used most since before.
func busiest(before, now map[int]float64) (most float64) {
	for id, used := range now {
		most = max(most, used-before[id])
	}
	return most
}

func count(failed []swarm.Failure) (n uint64) {
	for _, f := range failed {
		for _, s := range f.Spans {
			n += uint64(s.Last-s.First) + 1
		}
	}
	return n
}

func latency(h *tally.Histogram) report.Latency {
	sum := tally.NewHistogram()
	sum.Merge(h)
	return report.Latency{
		P50: ms(h.Quantile(0.5)), P90: ms(h.Quantile(0.9)), P99: ms(h.Quantile(0.99)), P999: ms(h.Quantile(0.999)),
		Max: ms(h.Max()), Mean: ms(h.Mean()), Histogram: sum,
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// known is a figure that may be negative for not known.
func known(v int64) uint64 { return uint64(max(v, 0)) }
