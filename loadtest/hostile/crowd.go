// Honest viewers who stay: what rooms say must reach them all, in time.

package hostile

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/spf13/pflag"

	"barrage/loadtest/agent"
	"barrage/loadtest/plan"
	"barrage/loadtest/stamp"
	"barrage/loadtest/swarm"
	"barrage/loadtest/tally"
)

const (
	crowdRooms = 5                      // of each half
	crowdRate  = 25                     // messages a second, of each half
	lead       = 200 * time.Millisecond // from telling a swarm of a window to its beginning
	drain      = 20 * time.Second       // longest wait for viewers, and for what is on its way
)

// crowd is two swarms: one raw, one of barrage.v1.
type crowd struct {
	swarms []*swarm.Swarm
	clock  agent.Clock
}

// crowdRoom is a room of the viewers of barrage.v1.
func crowdRoom(i int) string { return fmt.Sprintf("barrage.v1-%d", i%crowdRooms+1) }

// rawRoom is one of the raw ones.
func rawRoom(i int) string { return fmt.Sprintf("barrage-%d", i%crowdRooms+1) }

// newCrowd connects n viewers.
func newCrowd(ctx context.Context, public string, n int) (*crowd, error) {
	c := &crowd{clock: agent.ProcessClock()}
	for _, preset := range []string{"barrage", "barrage.v1"} {
		p, err := crowdPlan(preset, public, n/2)
		if err != nil {
			return c, err
		}
		s, err := swarm.New(swarm.Config{Plan: p, To: p.Connections, Threads: 1, Now: c.clock.Now})
		if err != nil {
			return c, err
		}
		c.swarms = append(c.swarms, s)
		s.Connect(p.Connections)
	}
	end := time.Now().Add(drain)
	for ; ; pause(ctx, 20*time.Millisecond) {
		s := c.snapshot()
		switch {
		case s.Open == n/2*2:
			return c, c.settle(ctx)
		case ctx.Err() != nil || time.Now().After(end) || s.Failed > 0:
			return c, fmt.Errorf("hostile: %d of %d honest viewers are connected: %v", s.Open, n, s.Failures)
		}
	}
}

// settle has the viewers talk until all hear all of it. A join waits for what Redis has of
// its room, but not for ever (package wait): on a machine that has no time for it, the
// first messages may pass a viewer by, which is no attacker's doing.
func (c *crowd) settle(ctx context.Context) error {
	for end := time.Now().Add(drain); ; {
		s := c.window(ctx, time.Second/crowdRate*crowdRooms, time.Second)
		switch {
		case s.counts.Missing == 0:
			return nil
		case ctx.Err() != nil || time.Now().After(end):
			return fmt.Errorf("hostile: before the attack, honest viewers missed %d messages of %d", s.counts.Missing, s.counts.Expected)
		}
	}
}

func crowdPlan(preset, public string, n int) (plan.Plan, error) {
	fs := pflag.NewFlagSet(preset, pflag.ContinueOnError)
	plan.AddFlags(fs)
	if err := fs.Parse([]string{
		"--preset", preset, "--url", "ws://" + public, "--publish", plan.PublishSocket, "--talkers", "20", "--room", preset + "-{n}",
		"--connections", fmt.Sprint(n), "--rooms", fmt.Sprint(crowdRooms), "--rate", fmt.Sprint(crowdRate), "--size", "80",
	}); err != nil {
		return plan.Plan{}, err
	}
	return plan.FromFlags(fs, "")
}

// seen is what a crowd saw in a window.
type seen struct {
	latency  *tally.Histogram
	counts   tally.Counts
	closed   uint64
	closedBy map[string]uint64
}

// window has the viewers talk for a while, and waits for what is on its way then.
func (c *crowd) window(ctx context.Context, d, drain time.Duration) seen {
	before := c.snapshot()
	w := swarm.Window{Run: stamp.Run(rand.Uint32()), Start: c.clock.Now() + int64(lead), Rate: crowdRate, Duration: d}
	for _, s := range c.swarms {
		s.Begin(w)
	}
	hist := tally.NewHistogram()
	pause(ctx, lead+d)
	for end := time.Now().Add(drain); ctx.Err() == nil && time.Now().Before(end); pause(ctx, 50*time.Millisecond) {
		s := c.snapshot()
		hist.Merge(s.Latency)
		if s.Owed == 0 {
			break
		}
	}
	var sum swarm.Snapshot
	for _, s := range c.swarms {
		last := s.Snapshot()
		hist.Merge(last.Latency)
		one := s.Finish(last.Unsent) // what no socket could say is not expected; why it was shut is
		sum.Add(&one)
	}
	return seen{latency: hist, counts: sum.Counts, closed: sum.Closed - before.Closed, closedBy: sum.ClosedBy}
}

func (c *crowd) snapshot() (sum swarm.Snapshot) {
	for _, s := range c.swarms {
		one := s.Snapshot()
		sum.Add(&one)
	}
	return sum
}

func (c *crowd) close() {
	for _, s := range c.swarms {
		s.Close()
	}
}
