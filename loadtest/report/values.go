// Names the figures of a report for assertions and searches.

package report

import (
	"math"
	"slices"
)

// figure is a named figure.
type figure struct {
	Name    string
	Unit    string // ms, B, s, cores, 1/s, or empty for plain numbers
	Meaning string
	of      func(r *Report) float64 // NaN if it is not known
}

// Values are the figures of r by their names. Those that are not known are absent,
// so that a condition on them cannot hold by accident.
func (r *Report) Values() map[string]float64 {
	values := make(map[string]float64)
	for _, f := range figures {
		if v := f.of(r); !math.IsNaN(v) && !math.IsInf(v, 0) {
			values[f.Name] = v
		}
	}
	return values
}

// Names are the names of all figures.
func Names() []string {
	var names []string
	for _, f := range figures {
		names = append(names, f.Name)
	}
	return names
}

// when is a figure if it is known.
func when[T int | uint64 | float64](known bool, v T) float64 {
	if !known {
		return math.NaN()
	}
	return float64(v)
}

// atLeast is a figure that says itself whether it is known.
func (r *Report) atLeast(least, v float64) float64 { return when(r.seen() && v >= least, v) }

// figures are in the order in which they are explained best.
var figures = slices.Concat(connectionFigures, messageFigures, latencyFigures, serverFigures, clientFigures)

var connectionFigures = []figure{
	{"wanted", "", "connections the plan asked for", func(r *Report) float64 { return float64(r.Connections.Wanted) }},
	{"open", "", "connections open before the first message", func(r *Report) float64 { return float64(r.Connections.Open) }},
	{"open_at_end", "", "connections open at the end", func(r *Report) float64 { return float64(r.Connections.OpenAtEnd) }},
	{"deflated", "", "connections opened that negotiated permessage-deflate", func(r *Report) float64 { return float64(r.Connections.Deflated) }},
	{"failed", "", "connects and upgrades that came to nothing", func(r *Report) float64 { return float64(r.Connections.Failed) }},
	{"closed", "", "connections closed by the server or the network", func(r *Report) float64 { return float64(r.Connections.Closed) }},
	{"connect_rate", "1/s", "connections opened per second",
		func(r *Report) float64 {
			return when(r.Connections.Opened > 0 && r.Connections.ConnectSeconds > 0, r.Connections.PerSecond)
		}},
	{"storm_recovery", "ms", "longest time until all were back after they dropped at once",
		func(r *Report) float64 { return when(len(r.Storms) > 0, 1000*r.worstStorm().Seconds) }},
	{"storm_lost", "", "connections that were not back after a storm", func(r *Report) float64 { return when(len(r.Storms) > 0, r.lostInStorms()) }},
}

// expecting reports whether viewers had anything to get: with nothing expected,
// nothing missing says nothing.
func (r *Report) expecting() bool { return r.Messages.Expected > 0 }

// flowing reports whether there was a time in which messages came.
func (r *Report) flowing() bool { return r.Messages.Seconds > 0 }

var messageFigures = []figure{
	{"offered", "", "messages that were due", func(r *Report) float64 { return float64(r.Messages.Offered) }},
	{"published", "", "messages that the target took", func(r *Report) float64 { return float64(r.Messages.Published) }},
	{"publish_failed", "", "messages that the target did not take", func(r *Report) float64 { return when(r.Plan.Publishes(), r.Messages.PublishFailed) }},
	{"publish_lag_max", "ms", "how far publishing was behind its schedule at worst", func(r *Report) float64 { return when(r.Plan.Publishes(), r.Messages.PublishLagMax) }},
	{"expected", "", "copies that viewers should have got", func(r *Report) float64 { return float64(r.Messages.Expected) }},
	{"delivered", "", "copies that viewers got", func(r *Report) float64 { return float64(r.Messages.Delivered) }},
	{"missing", "", "expected copies that did not arrive", func(r *Report) float64 { return when(r.expecting(), r.Messages.Missing) }},
	{"duplicated", "", "second and further copies", func(r *Report) float64 { return when(r.expecting(), r.Messages.Duplicated) }},
	{"out_of_order", "", "copies that came after a later one of their sender", func(r *Report) float64 { return when(r.expecting(), r.Messages.OutOfOrder) }},
	{"late", "", "copies that came later than the plan's bound", func(r *Report) float64 { return when(r.expecting(), r.Messages.Late) }},
	{"misrouted", "", "copies of another room's messages", func(r *Report) float64 { return when(r.expecting(), r.Messages.Misrouted) }},
	{"throughput", "1/s", "copies that arrived per second", func(r *Report) float64 { return when(r.flowing(), r.Messages.PerSecond) }},
	{"bytes_per_second", "B", "bytes that arrived per second", func(r *Report) float64 { return when(r.flowing(), r.Messages.BytesPerSecond) }},
	{"bytes_per_copy", "B", "bytes that arrived for each copy, compressed ones as they came",
		func(r *Report) float64 { return when(r.Messages.Arrived() > 0, r.Messages.BytesPerCopy) }},
	{"copies_per_frame", "", "copies in one WebSocket message", func(r *Report) float64 { return when(r.Messages.Arrived() > 0, r.Messages.CopiesPerFrame) }},
}

// measured reports whether there are latencies.
func (r *Report) measured() bool {
	return r.Latency.Histogram != nil && r.Latency.Histogram.Count() > 0
}

var latencyFigures = []figure{
	{"p50", "ms", "latency that half of the copies did not exceed", func(r *Report) float64 { return when(r.measured(), r.Latency.P50) }},
	{"p90", "ms", "latency that 90 % did not exceed", func(r *Report) float64 { return when(r.measured(), r.Latency.P90) }},
	{"p99", "ms", "latency that 99 % did not exceed", func(r *Report) float64 { return when(r.measured(), r.Latency.P99) }},
	{"p999", "ms", "latency that 99.9 % did not exceed", func(r *Report) float64 { return when(r.measured(), r.Latency.P999) }},
	{"max", "ms", "longest latency", func(r *Report) float64 { return when(r.measured(), r.Latency.Max) }},
	{"mean", "ms", "mean latency", func(r *Report) float64 { return when(r.measured(), r.Latency.Mean) }},
}

// seen reports whether the server's figures are complete.
func (r *Report) seen() bool { return r.Server.Known && len(r.Server.Gone) == 0 }

// serverCores is the server's CPU while messages flowed; 0 if it is not known.
func (r *Report) serverCores() float64 {
	if !r.seen() || !r.flowing() {
		return 0
	}
	return max(0, r.Server.CPUSeconds/r.Messages.Seconds)
}

// clientCores is the load test's.
func (r *Report) clientCores() float64 {
	if !r.flowing() {
		return 0
	}
	return r.Client.CPUSeconds / r.Messages.Seconds
}

// perConn is memory per connection.
func (r *Report) perConn(bytes float64) float64 {
	return when(r.seen() && r.Connections.Open > 0 && bytes >= 0, bytes)
}

const tiny = 1e-300 // more than 0

var serverFigures = []figure{
	{"server_cpu", "cores", "cores the server used while messages flowed",
		func(r *Report) float64 {
			return when(r.seen() && r.flowing() && r.Server.CPUSeconds >= 0, r.serverCores())
		}},
	{"idle_cpu", "cores", "cores the server used while all connections were idle",
		func(r *Report) float64 { return when(r.Plan.Hold > 0, r.atLeast(0, r.Server.IdleCPU)) }},
	{"connect_cpu", "ms", "CPU time of the server for one connect and upgrade",
		func(r *Report) float64 {
			return when(r.Connections.Opened > 0, r.atLeast(0, r.Server.ConnectCPUSeconds)*1000/float64(r.Connections.Opened))
		}},
	{"deliveries_per_cpu_second", "1/s", "copies that arrived per CPU-second of the server", func(r *Report) float64 { return r.atLeast(tiny, r.Server.DeliveriesPerCPUSecond) }},
	{"sends_per_delivery", "", "system calls per copy, by Barrage's metrics", func(r *Report) float64 { return r.atLeast(tiny, r.Server.SendsPerDelivery) }},
	{"rss_before", "B", "resident memory of the server before the first connection", func(r *Report) float64 { return r.atLeast(1, float64(r.Server.RSSBefore)) }},
	{"rss_idle", "B", "resident memory with all connections open and idle", func(r *Report) float64 { return r.atLeast(1, float64(r.Server.RSSIdle)) }},
	{"rss_after", "B", "resident memory after the last message", func(r *Report) float64 { return r.atLeast(1, float64(r.Server.RSSAfter)) }},
	{"rss_per_conn", "B", "resident bytes per idle connection beyond the empty server", func(r *Report) float64 { return r.perConn(r.Server.BytesPerConnection.Resident) }},
	{"heap_per_conn", "B", "heap bytes per idle connection, by the server's metrics", func(r *Report) float64 { return r.perConn(r.Server.BytesPerConnection.Heap) }},
	{"stack_per_conn", "B", "stack bytes per idle connection, by the server's metrics", func(r *Report) float64 { return r.perConn(r.Server.BytesPerConnection.Stack) }},
	{"kernel_per_conn", "B", "kernel bytes per idle connection, of both its ends if the client is on the same machine",
		func(r *Report) float64 { return r.perConn(r.Server.BytesPerConnection.Kernel) }},
	{"gc_pause_max", "ms", "longest of the server's recent garbage collection pauses, by its metrics", func(r *Report) float64 { return r.atLeast(tiny, r.Server.GCPauseMax) }},
}

// busy reports whether the load test's CPU while messages flowed is known.
func (r *Report) busy() bool { return r.Client.CPUSeconds > 0 && r.flowing() }

var clientFigures = []figure{
	{"client_cpu", "cores", "cores the load test used while messages flowed", func(r *Report) float64 { return when(r.busy(), r.clientCores()) }},
	{"client_cpu_share", "", "share of the cores it may use, 1 being all", func(r *Report) float64 { return when(r.busy(), r.Client.CPUShare) }},
	{"messages_per_read", "", "copies that one read of the load test brought", func(r *Report) float64 { return when(r.Client.Reads > 0, r.Client.MessagesPerRead) }},
	{"bottleneck", "", "1 if the load test, not the server, was the bottleneck, else 0", func(r *Report) float64 {
		if r.Client.Bottleneck {
			return 1
		}
		return 0
	}},
}

// worstStorm is the one that took longest.
func (r *Report) worstStorm() Storm {
	var worst Storm
	for _, s := range r.Storms {
		if s.Seconds >= worst.Seconds {
			worst = s
		}
	}
	return worst
}

func (r *Report) lostInStorms() int {
	lost := 0
	for _, s := range r.Storms {
		lost += max(0, s.Dropped-s.Recovered)
	}
	return lost
}
