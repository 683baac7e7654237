// Says what makes a report's figures doubtful, and what to do about it.

package report

import (
	"cmp"
	"fmt"
	"slices"
)

// From these on, figures are doubted.
const (
	clientFull  = 0.85 // share of the load test's cores, or of a thread's core
	machineFull = 0.95 // share of the machine's cores

	halfTheMachine = 0.4  // share of the machine's cores that make the load test the main cause of its being full
	lagOfMax       = 0.10 // share that publishing late may have in the longest latency
	lagLeast       = 10.0 // ms; below it a late publisher is just the scheduler
	lagOfRun       = 0.10 // share of the time of publishing
	offsetOfP50    = 0.10 // share that a clock's error may have in the median
	fewLatencies   = 1000 // with fewer, the 99.9th percentile is the maximum
	fewConns       = 1000 // with fewer, memory per connection is the server's fixed cost
	fewTicks       = 0.2  // CPU-seconds; with fewer, ticks of 10 ms are too rough
)

// Judge sets Client.Bottleneck with its reason, and adds to Warnings. It may be
// called again.
func (r *Report) Judge() {
	r.Client.BottleneckReason = r.bottleneck()
	r.Client.Bottleneck = r.Client.BottleneckReason != ""
	d := doubts{r}
	d.connections()
	d.publishing()
	d.machine()
	d.server()
	d.clocks()
	d.amounts()
}

// doubts adds to a Report's Warnings.
type doubts struct{ *Report }

// when adds a sentence, once, if there is cause for it.
func (d doubts) when(cause bool, format string, args ...any) {
	if !cause {
		return
	}
	if w := fmt.Sprintf(format, args...); !slices.Contains(d.Warnings, w) {
		d.Warnings = append(d.Warnings, w)
	}
}

// bottleneck says why the load test was it; empty if it was not.
func (r *Report) bottleneck() string {
	c, client, server := &r.Client, r.clientCores(), r.serverCores()
	switch {
	case c.CPUShare >= clientFull:
		return fmt.Sprintf("The load test used %s of the CPU it may use, so the figures are its own, not the server's. "+
			"Run it on a machine of its own, or spread it over several with --agents.", percent(c.CPUShare))
	case c.BusiestThread >= clientFull:
		return fmt.Sprintf("One thread of the load test used %s of a core, so what it reads waits for it. "+
			"Spread the connections over more processes with --agents.", percent(c.BusiestThread))
	// Without the server's part nobody can tell whose fault a full machine is, and
	// one that others keep busy is not the load test's.
	case c.MachineCPU >= machineFull && r.Server.Known && !r.remoteServer() &&
		client > server && client >= halfTheMachine*float64(r.Environment.Cores):
		return fmt.Sprintf("The machine's CPUs were %s busy, and the load test took %s cores of them, more than the server's %s. "+
			"Run it on another machine than the server.", percent(c.MachineCPU), number(client), number(server))
	}
	return ""
}

// remoteServer reports whether the server is known to be on another machine:
// only its metrics are seen.
func (r *Report) remoteServer() bool { return r.Server.Known && len(r.Server.PIDs) == 0 }

func (d doubts) machine() {
	full := !d.Client.Bottleneck && d.Client.MachineCPU >= machineFull
	busy, ours := percent(d.Client.MachineCPU), number(d.clientCores())
	d.when(full && d.remoteServer(), "The load test's machine was %s busy: something else on it took the CPU (%s cores were the load test's). "+
		"Stop it, or use another machine.", busy, ours)
	d.when(full && !d.remoteServer(), "The machine's CPUs were %s busy, and the load test took %s cores that the server would have had. "+
		"Run it on another machine to see the server's limit.", busy, ours)
}

func (d doubts) connections() {
	c := &d.Connections
	d.when(c.Open < c.Wanted, "Only %s of %s connections were open%s: all figures are of fewer viewers than asked for. "+
		"See which limit refused them with barrage check on both machines.", thousands(c.Open), thousands(c.Wanted), most(c.Failures))
	d.when(c.Closed > 0, "%s closed by the server or the network%s. The server's log and counters tell why.",
		was(c.Closed, "connection"), most(c.ClosedBy))
	d.when(d.Plan.Deflate && c.Deflated < c.Opened, "Only %s of %s connections negotiated permessage-deflate: the others' messages came uncompressed. "+
		"See whether the server has it on (Barrage: --compression).", thousands(c.Deflated), thousands(c.Opened))
	lost := d.lostInStorms()
	d.when(lost > 0, "%s not back after a storm. The failures tell what kept them away.", was(uint64(lost), "connection"))
}

// was is "1 thing was" or "2 things were".
func was(n uint64, thing string) string {
	if n == 1 {
		return plural(n, thing) + " was"
	}
	return plural(n, thing) + " were"
}

func (d doubts) publishing() {
	m := &d.Messages
	d.when(m.PublishFailed > 0, "The target did not take %s of %s messages%s, and nothing is expected of those. "+
		"Lower --rate, or lift the limit that refused them.", thousands(m.PublishFailed), thousands(m.Offered), most(m.PublishErrors))
	d.when(d.Plan.Publishes() && m.Expected == 0, "No viewer was to get any message, so nothing is proven. "+
		"Check that connections were open, and that the messages went to their rooms.")
	lag, run := m.PublishLagMax, float64(d.Plan.Duration.Milliseconds())
	behind := run > 0 && lag > lagOfRun*run
	d.when(behind, "Publishing could not keep up with the rate: it was %s behind at worst. "+
		"Raise --publishers, or lower --rate to what the target takes.", millis(lag))
	d.when(!behind && lag > lagLeast && lag > lagOfMax*d.Latency.Max, "Messages were published up to %s after they were due, and the latencies contain that. "+
		"If the server was not busy, raise --publishers or publish from a machine with CPU to spare.", millis(lag))
	d.when(m.Forgotten > 0, "There were more gaps than can be remembered: up to %s copies that came late count as duplicated. "+
		"Lower --rate or --connections.", thousands(m.Forgotten))
}

func (d doubts) server() {
	s := &d.Server
	for _, pid := range s.Gone {
		d.when(true, "Process %d of the server ended during the run, so the server's figures are not complete. "+
			"Look at its log and at the kernel's (dmesg).", pid)
	}
	because := ""
	if s.UnansweredError != "" {
		because = " (" + clean(s.UnansweredError) + ")"
	}
	d.when(s.Unanswered > 0, "The server's metrics did not answer %s%s: figures from them have holes. "+
		"Give --pid if it is on this machine.", times(s.Unanswered), because)
	d.when(d.seen() && s.DeliveriesPerCPUSecond > 0 && s.CPUSeconds < fewTicks, "The server used only %s of CPU, counted in ticks of 10 ms: deliveries per CPU-second are rough. "+
		"Raise --rate, --connections or --duration.", seconds(max(0, s.CPUSeconds)))
	n := d.Connections.Open
	d.when(d.seen() && s.BytesPerConnection.Resident >= 0 && d.Plan.Hold > 0 && n > 0 && n < fewConns,
		"With %s, memory per connection is mostly what the server allocates once. Measure it with 10,000 or more.", plural(n, "connection"))
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return thousands(n) + " times"
}

// clocks looks at the agents' clocks, of which half the round trip of the best
// exchange is the error at most. One sentence is for all of them.
func (d doubts) clocks() {
	if len(d.Client.Agents) == 0 {
		return
	}
	worst := slices.MaxFunc(d.Client.Agents, func(a, b Agent) int { return cmp.Compare(a.RTTUS, b.RTTUS) })
	errorMS := worst.RTTUS / 2 / 1000
	d.when(d.measured() && errorMS > offsetOfP50*d.Latency.P50, "The clock of agent %s is known to ±%s only, and the median latency is %s. "+
		"Read differences below that as noise, or use an agent nearer to the controller.", clean(worst.Name), millis(errorMS), millis(d.Latency.P50))
}

func (d doubts) amounts() {
	if !d.measured() {
		return
	}
	n := d.Latency.Histogram.Count()
	d.when(n < fewLatencies, "Only %s recorded, so p99.9 is the maximum. Raise --rate, --connections or --duration.", was(uint64(n), "latency"))
}
