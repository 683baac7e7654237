// A load test from its beginning to the first message.

package loadtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"barrage/loadtest/agent"
	"barrage/loadtest/assert"
	"barrage/loadtest/plan"
	"barrage/loadtest/probe"
	"barrage/loadtest/publish"
	"barrage/loadtest/report"
	"barrage/loadtest/tally"
)

// Options is one load test.
type Options struct {
	Plan    plan.Plan // valid
	Agents  Agents
	PIDs    []int    // of the server's processes, on this machine
	Metrics string   // URLs of its metrics, separated by commas
	Headers []string // "Name: value", of the requests for metrics
	Secret  []byte   // signs a token for each connection's user; nil leaves the plan's
	Asserts []*assert.Expr

	Find *Search // nil runs the plan as it is

	Command         string // for the report: how this test is run again
	Version, Commit string
	View            func(report.Progress) // called once a second and in each new phase; may be nil
}

const (
	poll       = 250 * time.Millisecond
	leadTime   = 500 * time.Millisecond // from telling the agents of a window to its beginning
	quietTime  = 5 * time.Second        // without an arrival, after which nothing more is expected to come; or
	quietShare = 6                      // this part of the plan's drain: who gives a slow machine long means it
	lastWait   = 500 * time.Millisecond // for second copies, once the first ones are complete
)

// Run runs a load test. The report is worth showing even when there is an error,
// unless it is nil: then the test could not begin. When ctx ends, the test is
// wound up and what it found is reported.
func Run(ctx context.Context, o Options) (*report.Report, error) {
	c := &controller{o: &o, plan: &o.Plan, clock: agent.ProcessClock(), layout: plan.NewLayout(&o.Plan)}
	c.start = c.clock.Now()
	c.before, c.idle = probe.Unknown(), probe.Unknown()
	c.watch.latency, c.watch.second = tally.NewHistogram(), tally.NewHistogram()
	c.r = &report.Report{
		Version: report.Version, Scenario: o.Plan.Name, Started: time.Now(), Plan: o.Plan, Command: o.Command,
		Environment: probe.ReadEnvironment(o.Version, o.Commit),
	}
	defer c.close()
	if err := c.prepare(ctx); err != nil {
		return nil, err
	}
	err := c.run(ctx)
	c.conclude(context.WithoutCancel(ctx))
	return c.r, err
}

// controller runs one test. Its methods run on one goroutine.
type controller struct {
	o      *Options
	plan   *plan.Plan
	layout *plan.Layout
	clock  agent.Clock
	start  int64 // of the run, on the clock
	r      *report.Report

	fleet     *fleet
	publisher *publish.Publisher // nil unless the plan publishes by HTTP or Redis
	server    *probe.Server      // nil if nothing is known of it
	before    probe.Sample       // of the empty server
	idle      probe.Sample       // after hold
	watch     watch
}

func (c *controller) prepare(ctx context.Context) (err error) {
	if len(c.o.PIDs) > 0 || c.o.Metrics != "" {
		if c.server, err = probe.NewServer(c.o.PIDs, c.o.Metrics, c.o.Headers...); err != nil {
			return fmt.Errorf("loadtest: %w", err)
		}
		c.r.Environment.Server = c.server.Name(ctx)
		c.r.Server.Known, c.r.Server.PIDs = true, c.o.PIDs
	}
	if c.plan.Publish == plan.PublishHTTP || c.plan.Publish == plan.PublishRedis {
		if c.publisher, err = publish.New(c.plan, c.layout); err != nil {
			return fmt.Errorf("loadtest: %w", err)
		}
	}
	if c.fleet, err = assemble(ctx, &c.o.Agents, c.plan, c.o.Secret); err != nil {
		return err
	}
	if c.publisher != nil && c.plan.Publishes() {
		if err := c.publisher.Check(ctx); err != nil {
			return fmt.Errorf("loadtest: %w", err)
		}
	}
	c.before = c.sample(ctx)
	return nil
}

func (c *controller) sample(ctx context.Context) probe.Sample {
	if c.server == nil {
		return probe.Unknown()
	}
	return c.server.Sample(ctx)
}

func (c *controller) run(ctx context.Context) error {
	if c.o.Find != nil {
		return c.find(ctx)
	}
	if err := c.open(ctx, c.plan.Connections); err != nil || !c.plan.Publishes() {
		return err
	}
	return c.publish(ctx, c.plan.Rate, c.plan.Duration, c.r)
}

// errStopped is the end of a test whose context has ended.
var errStopped = errors.New("loadtest: interrupted")

// until polls the fleet until done says so or the time is over.
func (c *controller) until(ctx context.Context, limit time.Duration, done func() bool) error {
	end := c.clock.Now() + int64(limit)
	for {
		if err := c.look(ctx, end); err != nil {
			return err
		}
		left := time.Duration(end - c.clock.Now())
		if done() || left <= 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return errStopped
		case <-time.After(min(poll, left)):
		}
	}
}

// A ramp that makes no progress is given up.
const (
	rampPatience = time.Minute
	longestRamp  = 24 * time.Hour
)

// open opens connections until there are n, and leaves them alone for a while.
func (c *controller) open(ctx context.Context, n int) error {
	if err := c.ramp(ctx, n); err != nil {
		return err
	}
	return c.hold(ctx)
}

// ramp opens connections until there are n, or all others have failed.
func (c *controller) ramp(ctx context.Context, n int) error {
	c.watch.phase = "ramp"
	began, cpu := c.clock.Now(), c.sample(ctx).CPU
	if err := c.fleet.connect(ctx, n, c.plan.Connections); err != nil {
		return err
	}
	moved, at := uint64(0), c.clock.Now()
	settled := func() bool {
		s := &c.watch.now
		if tried := s.Opened + s.Failed; tried != moved {
			moved, at = tried, c.clock.Now()
		}
		return s.Opened+s.Failed >= uint64(n) && s.Connecting == 0 || c.clock.Now()-at > int64(rampPatience)
	}
	if err := c.until(ctx, longestRamp, settled); err != nil {
		return err
	}
	s := &c.watch.now
	seconds := time.Duration(max(s.Handshake-began, 1)).Seconds()
	c.r.Connections.Wanted = n
	c.r.Connections.ConnectSeconds += seconds
	c.r.Connections.PerSecond = float64(s.Opened) / c.r.Connections.ConnectSeconds
	c.r.Server.ConnectCPUSeconds += max(0, c.sample(ctx).CPU-cpu)
	if s.Opened == 0 {
		return fmt.Errorf("loadtest: none of %d connections could be opened", n)
	}
	return nil
}

// hold leaves the connections alone and looks at what they cost.
func (c *controller) hold(ctx context.Context) error {
	c.watch.phase = "hold"
	// Agents that have just connected have timers and buffers to put away, and so
	// has the server; the last of it is not the cost of being idle.
	if err := c.until(ctx, c.plan.Hold/3, never); err != nil {
		return err
	}
	first, at := c.sample(ctx), c.clock.Now()
	err := c.until(ctx, c.plan.Hold-c.plan.Hold/3, never)
	c.idle = c.sample(ctx)
	if seconds := time.Duration(c.clock.Now() - at).Seconds(); seconds > 0.1 && first.CPU >= 0 {
		c.r.Server.IdleCPU = (c.idle.CPU - first.CPU) / seconds
	}
	c.r.Connections.Open = c.watch.now.Open
	return err
}

func never() bool { return false }

func (c *controller) close() {
	if c.publisher != nil {
		c.publisher.Close()
	}
	if c.fleet != nil {
		c.fleet.close()
	}
}
