// The agents of a test, as one.

package loadtest

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"sync"

	"barrage/loadtest/agent"
	"barrage/loadtest/plan"
	"barrage/loadtest/report"
	"barrage/loadtest/swarm"
)

// fleet is the agents of a test. Owner: the controller's goroutine.
type fleet struct {
	clients []*agent.Client
	parts   []agent.Range
	inside  bool // the one agent is this process
	last    []swarm.Snapshot
}

// Agents says which processes hold the connections.
type Agents struct {
	Remote    []string // host:port of agents that listen; with none they are started here
	Secret    string   // shared with the remote ones
	Processes int      // started here; 0 is as many as the descriptor limit demands
	Threads   int      // event loops of each; 0 is the agent's own default

	// Command starts an agent as a subprocess that talks on its standard input
	// and output.
	Command []string
	Stderr  io.Writer // of subprocesses
}

// assemble starts or reaches the agents and gives each its connections.
func assemble(ctx context.Context, a *Agents, p *plan.Plan, secret []byte) (f *fleet, err error) {
	f = &fleet{}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	processes := cmp.Or(len(a.Remote), a.Processes)
	if processes == 0 {
		processes = (p.Connections + agent.Capacity() - 1) / agent.Capacity()
	}
	f.inside = len(a.Remote) == 0 && processes == 1
	for i := range processes {
		var c *agent.Client
		switch {
		case len(a.Remote) > 0:
			c, err = agent.Dial(ctx, a.Remote[i], a.Secret)
		case f.inside:
			c = agent.InProcess(NewDriver)
		default:
			c, err = agent.Spawn(ctx, a.Command[0], a.Command[1:], a.Stderr)
		}
		if err != nil {
			return f, err
		}
		f.clients = append(f.clients, c)
	}
	return f, f.prepare(ctx, a, p, secret)
}

func (f *fleet) prepare(ctx context.Context, a *Agents, p *plan.Plan, secret []byte) (err error) {
	sent := *p
	sent.PublishHeaders = nil // agents do not publish by HTTP, and need no credentials for it
	capacities := make([]int, len(f.clients))
	for i, c := range f.clients {
		capacities[i] = c.Capacity()
	}
	if f.parts, err = agent.Split(p.Connections, capacities); err != nil {
		return err
	}
	f.last = make([]swarm.Snapshot, len(f.clients))
	return f.each(func(i int, c *agent.Client) error {
		return c.Prepare(ctx, agent.Job{
			Plan: sent, From: f.parts[i].From, To: f.parts[i].To, Threads: a.Threads, Secret: secret,
		})
	})
}

// NewDriver makes the connections of an agent.
func NewDriver(job agent.Job, now func() int64) (_ agent.Driver, err error) {
	cfg := swarm.Config{Plan: job.Plan, From: job.From, To: job.To, Threads: job.Threads, Now: now}
	if len(job.Secret) > 0 {
		if cfg.Sign, err = Signer(job.Secret); err != nil {
			return nil, err
		}
	}
	return swarm.New(cfg)
}

// each calls all agents at once; the first error is returned.
func (f *fleet) each(call func(i int, c *agent.Client) error) error {
	errs := make([]error, len(f.clients))
	var wg sync.WaitGroup
	for i, c := range f.clients {
		wg.Go(func() { errs[i] = call(i, c) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("loadtest: %w", err)
		}
	}
	return nil
}

// connect spreads the first n connections over the agents, each in proportion.
func (f *fleet) connect(ctx context.Context, n, all int) error {
	return f.each(func(i int, c *agent.Client) error {
		size := f.parts[i].To - f.parts[i].From
		// Rounding the ends, not the parts, makes them add up.
		from, to := f.parts[i].From, f.parts[i].To
		return c.Connect(ctx, min(size, to*n/all-from*n/all))
	})
}

func (f *fleet) begin(ctx context.Context, w swarm.Window) error {
	return f.each(func(_ int, c *agent.Client) error {
		if err := c.Sync(ctx); err != nil {
			return err
		}
		return c.Begin(ctx, w)
	})
}

func (f *fleet) storm(ctx context.Context) error {
	return f.each(func(_ int, c *agent.Client) error { return c.Storm(ctx) })
}

// snapshot adds up the agents' states.
func (f *fleet) snapshot(ctx context.Context) (swarm.Snapshot, error) {
	return f.collect(func(c *agent.Client) (swarm.Snapshot, error) { return c.Snapshot(ctx) })
}

func (f *fleet) finish(ctx context.Context, failed []swarm.Failure) (swarm.Snapshot, error) {
	return f.collect(func(c *agent.Client) (swarm.Snapshot, error) { return c.Finish(ctx, failed) })
}

func (f *fleet) collect(call func(*agent.Client) (swarm.Snapshot, error)) (sum swarm.Snapshot, err error) {
	err = f.each(func(i int, c *agent.Client) (err error) {
		f.last[i], err = call(c)
		return err
	})
	for i := range f.last {
		sum.Add(&f.last[i])
	}
	return sum, err
}

// describe is the agents for the report. cpu is what each had used before.
func (f *fleet) describe(cpu []float64) []report.Agent {
	agents := make([]report.Agent, len(f.clients))
	for i, c := range f.clients {
		offset, rtt := c.Offset()
		agents[i] = report.Agent{
			Name: c.Name(), Connections: f.parts[i].To - f.parts[i].From,
			OffsetUS: float64(offset.Nanoseconds()) / 1e3, RTTUS: float64(rtt.Nanoseconds()) / 1e3,
			CPUSeconds: f.last[i].CPU - cpu[i],
		}
	}
	return agents
}

// cpu is what each agent had used by its last snapshot.
func (f *fleet) cpu() []float64 {
	used := make([]float64, len(f.last))
	for i := range f.last {
		used[i] = f.last[i].CPU
	}
	return used
}

// cores is how many cores the agents have together, each machine's as often as
// it has agents but no more than its own for those started here.
func (f *fleet) cores(own int, remote bool) float64 {
	if !remote {
		return float64(own)
	}
	sum := 0
	for _, c := range f.clients {
		sum += c.Cores()
	}
	return float64(max(1, sum))
}

func (f *fleet) close() {
	for _, c := range f.clients {
		_ = c.Close(context.Background()) // bounded; the test is over, and what it found is known
	}
}
