// The search for the capacity.

package loadtest

import (
	"context"
	"fmt"
	"strings"

	"barrage/loadtest/assert"
	"barrage/loadtest/report"
)

// What a search raises.
const (
	FindConnections = "connections"
	FindRate        = "rate"
)

// Search looks for the largest load that keeps an SLO.
type Search struct {
	What string         // FindConnections or FindRate
	SLO  []*assert.Expr // all must hold
	Text string         // of the SLO, as the user wrote it
	Max  float64        // largest value tried
}

const (
	findGrowth   = 1.25 // between numbers of connections
	findDoubling = 2    // between rates, until one is too high
	findPrecise  = 1.08 // the largest good and the smallest bad rate are this near in the end
	firstShare   = 16   // of the connections, for the first trial
)

// find raises the load until the SLO breaks.
func (c *controller) find(ctx context.Context) error {
	s := c.o.Find
	c.r.Find = &report.Find{What: s.What, SLO: s.Text}
	if s.What == FindRate {
		return c.findRate(ctx, s)
	}
	return c.findConnections(ctx, s)
}

// findConnections adds connections a quarter at a time: those that are open stay,
// so there is no going back to try a number between.
func (c *controller) findConnections(ctx context.Context, s *Search) error {
	for n := max(1, c.plan.Connections/firstShare); ; n = min(int(float64(n)*findGrowth)+1, c.plan.Connections) {
		if err := c.open(ctx, n); err != nil {
			return err
		}
		ok, err := c.trial(ctx, s, float64(n), c.plan.Rate)
		if err != nil || !ok || n == c.plan.Connections {
			return err
		}
	}
}

// findRate doubles the rate until it is too high, then halves the interval.
func (c *controller) findRate(ctx context.Context, s *Search) error {
	if err := c.open(ctx, c.plan.Connections); err != nil {
		return err
	}
	good, bad := 0.0, 0.0
	for rate := c.plan.Rate; ; {
		ok, err := c.trial(ctx, s, rate, rate)
		if err != nil {
			return err
		}
		if ok {
			good = rate
		} else {
			bad = rate
		}
		switch {
		case good >= s.Max, bad != 0 && good != 0 && bad/good <= findPrecise, bad != 0 && bad < 0.01:
			return nil
		case bad == 0:
			rate = min(rate*findDoubling, s.Max)
		case good == 0:
			rate = bad / findDoubling
		default:
			rate = (good + bad) / 2
		}
	}
}

// trial publishes at a rate for the plan's duration and holds the outcome
// against the SLO.
func (c *controller) trial(ctx context.Context, s *Search, value, rate float64) (ok bool, err error) {
	// A report of its own: the last good trial is what the whole report shows.
	r := *c.r
	r.Messages, r.Latency, r.Client, r.Warnings = report.Messages{}, report.Latency{}, report.Client{}, nil
	if err := c.publish(ctx, rate, c.plan.Duration, &r); err != nil {
		return false, err
	}
	c.connections(&r)
	r.Judge()
	values, broke := r.Values(), ""
	for _, e := range s.SLO {
		if res := e.Eval(values); !res.OK {
			broke = fmt.Sprintf("%s (%s)", e, res.Found)
			break
		}
	}
	step := report.FindStep{
		Value: value, OK: broke == "", Broke: broke, P50: r.Latency.P50, P99: r.Latency.P99,
		Missing: r.Messages.Missing, PerSecond: r.Messages.PerSecond, RSS: r.Server.RSSAfter,
		ServerCPU: values["server_cpu"], ClientCPU: values["client_cpu"], // 0 if they are not known
	}
	f := c.r.Find
	f.Steps = append(f.Steps, step)
	if step.OK && value > f.Capacity {
		f.Capacity = value
	}
	if step.OK || f.Capacity == 0 {
		timeline := c.r.Timeline
		*c.r = r
		c.r.Timeline = timeline
	}
	if !step.OK {
		f.Broke = broke
		f.Limit, f.Advice = diagnose(&r)
	}
	return step.OK, nil
}

// diagnose says what gave first in a trial that broke the SLO, and what helps.
func diagnose(r *report.Report) (limit string, advice []string) {
	s, seconds, cores := &r.Server, max(r.Messages.Seconds, 0.001), float64(r.Environment.Cores)
	for answer := range r.Connections.Failures {
		switch {
		case strings.Contains(answer, "too many open files"):
			return "the load test ran out of file descriptors",
				[]string{"raise its limit (ulimit -n), or give it more processes (--processes) or agents (--agents)"}
		case strings.Contains(answer, "cannot assign requested address"):
			return "the load test ran out of source ports",
				[]string{"widen net.ipv4.ip_local_port_range on the load box, or add agents on other machines"}
		}
	}
	switch {
	case r.Connections.Failed > 0:
		return "the server refused connections: " + most(r.Connections.Failures),
			[]string{"see its limit of connections and of open files (for Barrage: barrage check)"}
	case r.Connections.Closed > 0:
		return "the server closed connections: " + most(r.Connections.ClosedBy),
			[]string{"see its log, and its policy for slow consumers"}
	case r.Messages.PublishFailed > 0:
		return "messages could not be published: " + most(r.Messages.PublishErrors), []string{"see the server's limits of publishing"}
	case r.Client.Bottleneck:
		return "the load test itself: " + r.Client.BottleneckReason,
			[]string{"this says nothing of the server: run agents on other machines (--agents)"}
	case s.Known && s.CPUSeconds/seconds > 0.85*cores:
		return fmt.Sprintf("the server's CPU: %.1f of %.0f cores", s.CPUSeconds/seconds, cores),
			[]string{"more cores, or more nodes", "fewer or smaller messages a second"}
	case s.Known && r.Client.MachineCPU > 0.9:
		return fmt.Sprintf("the machine's CPU: the server had %.1f cores, the load test %.1f", s.CPUSeconds/seconds, r.Client.CPUSeconds/seconds),
			[]string{"run the load test on another machine to see the server's own limit"}
	case r.Messages.Missing > 0:
		return "messages were lost although nobody was out of CPU", []string{"see the server's buffers and its policy for slow consumers"}
	}
	return "latency rose although nobody was out of CPU", []string{"look for locks, a single busy thread, or the network"}
}
