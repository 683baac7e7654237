package report

// This file says what makes a report's figures doubtful, and what to do about it.

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
	r.Client.Bottleneck, r.Client.BottleneckReason = false, ""
	for _, check := range []func(*Report) string{clientBusy, threadBusy, machineBusy} {
		if reason := check(r); reason != "" {
			r.Client.Bottleneck, r.Client.BottleneckReason = true, reason
			break
		}
	}
	for _, check := range []func(*Report) []string{
		judgeConnections, judgePublishing, judgeMachine, judgeServer, judgeClocks, judgeAmounts,
	} {
		for _, w := range check(r) {
			if !slices.Contains(r.Warnings, w) {
				r.Warnings = append(r.Warnings, w)
			}
		}
	}
}

func clientBusy(r *Report) string {
	if r.Client.CPUShare < clientFull {
		return ""
	}
	return fmt.Sprintf("The load test used %s of the CPU it may use, so the figures are its own, not the server's. "+
		"Run it on a machine of its own, or spread it over several with --agents.", percent(r.Client.CPUShare))
}

func threadBusy(r *Report) string {
	if r.Client.BusiestThread < clientFull {
		return ""
	}
	return fmt.Sprintf("One thread of the load test used %s of a core, so what it reads waits for it. "+
		"Spread the connections over more processes with --agents.", percent(r.Client.BusiestThread))
}

// machineBusy is for a client that shares its machine with the server, or takes
// most of it.
func machineBusy(r *Report) string {
	client, server := r.clientCores(), r.serverCores()
	// Without the server's part nobody can tell whose fault a full machine is, and
	// one that others keep busy is not the load test's.
	if r.Client.MachineCPU < machineFull || !r.Server.Known || r.remoteServer() ||
		client <= server || client < halfTheMachine*float64(r.Environment.Cores) {
		return ""
	}
	return fmt.Sprintf("The machine's CPUs were %s busy, and the load test took %s cores of them, more than the server's %s. "+
		"Run it on another machine than the server.", percent(r.Client.MachineCPU), number(client), number(server))
}

// remoteServer reports whether the server is known to be on another machine:
// only its metrics are seen.
func (r *Report) remoteServer() bool { return r.Server.Known && len(r.Server.PIDs) == 0 }

func judgeMachine(r *Report) []string {
	if r.Client.Bottleneck || r.Client.MachineCPU < machineFull {
		return nil
	}
	if r.remoteServer() {
		return []string{fmt.Sprintf("The load test's machine was %s busy: something else on it took the CPU (%s cores were the load test's). "+
			"Stop it, or use another machine.", percent(r.Client.MachineCPU), number(r.clientCores()))}
	}
	return []string{fmt.Sprintf("The machine's CPUs were %s busy, and the load test took %s cores that the server would have had. "+
		"Run it on another machine to see the server's limit.", percent(r.Client.MachineCPU), number(r.clientCores()))}
}

func judgeConnections(r *Report) (warnings []string) {
	c := &r.Connections
	if c.Open < c.Wanted {
		warnings = append(warnings, fmt.Sprintf("Only %s of %s connections were open%s: all figures are of fewer viewers than asked for. "+
			"See which limit refused them with barrage check on both machines.",
			thousands(c.Open), thousands(c.Wanted), most(c.Failures)))
	}
	if c.Closed > 0 {
		warnings = append(warnings, fmt.Sprintf("%s closed by the server or the network%s. The server's log and counters tell why.",
			was(c.Closed, "connection"), most(c.ClosedBy)))
	}
	if r.Plan.Deflate && c.Deflated < c.Opened {
		warnings = append(warnings, fmt.Sprintf("Only %s of %s connections negotiated permessage-deflate: the others' messages came uncompressed. "+
			"See whether the server has it on (Barrage: --compression).", thousands(c.Deflated), thousands(c.Opened)))
	}
	if lost := r.lostInStorms(); lost > 0 {
		warnings = append(warnings, fmt.Sprintf("%s not back after a storm. The failures tell what kept them away.",
			was(uint64(lost), "connection")))
	}
	return warnings
}

// was is "1 thing was" or "2 things were".
func was(n uint64, thing string) string {
	if n == 1 {
		return "1 " + thing + " was"
	}
	return plural(n, thing) + " were"
}

func judgePublishing(r *Report) (warnings []string) {
	m := &r.Messages
	if m.PublishFailed > 0 {
		warnings = append(warnings, fmt.Sprintf("The target did not take %s of %s messages%s, and nothing is expected of those. "+
			"Lower --rate, or lift the limit that refused them.",
			thousands(m.PublishFailed), thousands(m.Offered), most(m.PublishErrors)))
	}
	if r.publishes() && m.Expected == 0 {
		warnings = append(warnings, "No viewer was to get any message, so nothing is proven. "+
			"Check that connections were open, and that the messages went to their rooms.")
	}
	lag, run := m.PublishLagMax, float64(r.Plan.Duration.Milliseconds())
	switch {
	case run > 0 && lag > lagOfRun*run:
		warnings = append(warnings, fmt.Sprintf("Publishing could not keep up with the rate: it was %s behind at worst. "+
			"Raise --publishers, or lower --rate to what the target takes.", millis(lag)))
	case lag > lagLeast && lag > lagOfMax*r.Latency.Max:
		warnings = append(warnings, fmt.Sprintf("Messages were published up to %s after they were due, and the latencies contain that. "+
			"If the server was not busy, raise --publishers or publish from a machine with CPU to spare.", millis(lag)))
	}
	if m.Forgotten > 0 {
		warnings = append(warnings, fmt.Sprintf("There were more gaps than can be remembered: up to %s copies that came late count as duplicated. "+
			"Lower --rate or --connections.", thousands(m.Forgotten)))
	}
	return warnings
}

func judgeServer(r *Report) (warnings []string) {
	s := &r.Server
	for _, pid := range s.Gone {
		warnings = append(warnings, fmt.Sprintf("Process %d of the server ended during the run, so the server's figures are not complete. "+
			"Look at its log and at the kernel's (dmesg).", pid))
	}
	if s.Unanswered > 0 {
		because := ""
		if s.UnansweredError != "" {
			because = " (" + clean(s.UnansweredError) + ")"
		}
		warnings = append(warnings, fmt.Sprintf("The server's metrics did not answer %s%s: figures from them have holes. "+
			"Give --pid if it is on this machine.", times(s.Unanswered), because))
	}
	if r.seen() && s.DeliveriesPerCPUSecond > 0 && s.CPUSeconds < fewTicks {
		warnings = append(warnings, fmt.Sprintf("The server used only %s of CPU, counted in ticks of 10 ms: deliveries per CPU-second are rough. "+
			"Raise --rate, --connections or --duration.", seconds(max(0, s.CPUSeconds))))
	}
	if n := r.Connections.Open; r.seen() && s.BytesPerConnection.Resident >= 0 && r.Plan.Hold > 0 && n > 0 && n < fewConns {
		warnings = append(warnings, fmt.Sprintf("With %s, memory per connection is mostly what the server allocates once. "+
			"Measure it with 10,000 or more.", plural(n, "connection")))
	}
	return warnings
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return thousands(n) + " times"
}

// judgeClocks looks at the agents' clocks, of which half the round trip of the
// best exchange is the error at most. One sentence is for all of them.
func judgeClocks(r *Report) []string {
	if !r.measured() || len(r.Client.Agents) == 0 {
		return nil
	}
	worst := slices.MaxFunc(r.Client.Agents, func(a, b Agent) int { return cmp.Compare(a.RTTUS, b.RTTUS) })
	errorMS := worst.RTTUS / 2 / 1000
	if errorMS <= offsetOfP50*r.Latency.P50 {
		return nil
	}
	return []string{fmt.Sprintf("The clock of agent %s is known to ±%s only, and the median latency is %s. "+
		"Read differences below that as noise, or use an agent nearer to the controller.",
		clean(worst.Name), millis(errorMS), millis(r.Latency.P50))}
}

func judgeAmounts(r *Report) []string {
	if !r.measured() || r.Latency.Histogram.Count() >= fewLatencies {
		return nil
	}
	recorded := "1 latency was"
	if n := r.Latency.Histogram.Count(); n != 1 {
		recorded = thousands(n) + " latencies were"
	}
	return []string{fmt.Sprintf("Only %s recorded, so p99.9 is the maximum. Raise --rate, --connections or --duration.", recorded)}
}
