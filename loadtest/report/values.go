package report

// This file names the figures of a report for assertions and searches.

import (
	"math"

	"barrage/loadtest/plan"
)

// NameDoc describes a name that Values may have.
type NameDoc struct {
	Name    string
	Unit    string // ms, B, s, cores, 1/s, or empty for plain numbers
	Meaning string
}

// figure is a named figure. Its func returns false when the figure is not known.
type figure struct {
	NameDoc
	of func(r *Report) (v float64, known bool)
}

// Values are the figures of r by the names that ValueNames lists. Those that are
// not known are absent, so that a condition on them cannot hold by accident.
func (r *Report) Values() map[string]float64 {
	values := make(map[string]float64)
	for _, f := range figures() {
		if v, known := f.of(r); known && !math.IsNaN(v) && !math.IsInf(v, 0) {
			values[f.Name] = v
		}
	}
	return values
}

// ValueNames lists all names in the order in which they are explained best.
func ValueNames() []NameDoc {
	var docs []NameDoc
	for _, f := range figures() {
		docs = append(docs, f.NameDoc)
	}
	return docs
}

// Names are the names of all figures.
func Names() []string {
	var names []string
	for _, f := range figures() {
		names = append(names, f.Name)
	}
	return names
}

func figures() []figure {
	var all []figure
	all = append(all, connectionFigures()...)
	all = append(all, messageFigures()...)
	all = append(all, latencyFigures()...)
	all = append(all, serverFigures()...)
	return append(all, clientFigures()...)
}

// always is a figure that is known in any case.
func always[T int | uint64 | float64](name, unit, meaning string, of func(*Report) T) figure {
	return figure{NameDoc{name, unit, meaning}, func(r *Report) (float64, bool) { return float64(of(r)), true }}
}

// when is a figure that is known on a condition.
func when[T int | uint64 | float64](cond func(*Report) bool, name, unit, meaning string, of func(*Report) T) figure {
	return figure{NameDoc{name, unit, meaning}, func(r *Report) (float64, bool) {
		if !cond(r) {
			return 0, false
		}
		return float64(of(r)), true
	}}
}

func connectionFigures() []figure {
	connected := func(r *Report) bool { return r.Connections.Opened > 0 && r.Connections.ConnectSeconds > 0 }
	stormy := func(r *Report) bool { return len(r.Storms) > 0 }
	return []figure{
		always("wanted", "", "connections the plan asked for", func(r *Report) int { return r.Connections.Wanted }),
		always("open", "", "connections open before the first message", func(r *Report) int { return r.Connections.Open }),
		always("open_at_end", "", "connections open at the end", func(r *Report) int { return r.Connections.OpenAtEnd }),
		always("deflated", "", "connections opened that negotiated permessage-deflate", func(r *Report) uint64 { return r.Connections.Deflated }),
		always("failed", "", "connects and upgrades that came to nothing", func(r *Report) uint64 { return r.Connections.Failed }),
		always("closed", "", "connections closed by the server or the network", func(r *Report) uint64 { return r.Connections.Closed }),
		when(connected, "connect_rate", "1/s", "connections opened per second", func(r *Report) float64 { return r.Connections.PerSecond }),
		when(stormy, "storm_recovery", "ms", "longest time until all were back after they dropped at once",
			func(r *Report) float64 { return 1000 * r.worstStorm().Seconds }),
		when(stormy, "storm_lost", "", "connections that were not back after a storm",
			func(r *Report) int { return r.lostInStorms() }),
	}
}

// expecting reports whether viewers had anything to get: with nothing expected,
// nothing missing says nothing.
func (r *Report) expecting() bool { return r.Messages.Expected > 0 }

func messageFigures() []figure {
	expecting := (*Report).expecting
	flowing := func(r *Report) bool { return r.Messages.Seconds > 0 }
	arriving := func(r *Report) bool { return r.Messages.Arrived() > 0 }
	publishing := func(r *Report) bool { return r.publishes() }
	return []figure{
		always("offered", "", "messages that were due", func(r *Report) uint64 { return r.Messages.Offered }),
		always("published", "", "messages that the target took", func(r *Report) uint64 { return r.Messages.Published }),
		when(publishing, "publish_failed", "", "messages that the target did not take", func(r *Report) uint64 { return r.Messages.PublishFailed }),
		when(publishing, "publish_lag_max", "ms", "how far publishing was behind its schedule at worst", func(r *Report) float64 { return r.Messages.PublishLagMax }),
		always("expected", "", "copies that viewers should have got", func(r *Report) uint64 { return r.Messages.Expected }),
		always("delivered", "", "copies that viewers got", func(r *Report) uint64 { return r.Messages.Delivered }),
		when(expecting, "missing", "", "expected copies that did not arrive", func(r *Report) uint64 { return r.Messages.Missing }),
		when(expecting, "duplicated", "", "second and further copies", func(r *Report) uint64 { return r.Messages.Duplicated }),
		when(expecting, "out_of_order", "", "copies that came after a later one of their sender", func(r *Report) uint64 { return r.Messages.OutOfOrder }),
		when(expecting, "late", "", "copies that came later than the plan's bound", func(r *Report) uint64 { return r.Messages.Late }),
		when(expecting, "misrouted", "", "copies of another room's messages", func(r *Report) uint64 { return r.Messages.Misrouted }),
		when(flowing, "throughput", "1/s", "copies that arrived per second", func(r *Report) float64 { return r.Messages.PerSecond }),
		when(flowing, "bytes_per_second", "B", "bytes that arrived per second", func(r *Report) float64 { return r.Messages.BytesPerSecond }),
		when(arriving, "bytes_per_copy", "B", "bytes that arrived for each copy, compressed ones as they came", func(r *Report) float64 { return r.Messages.BytesPerCopy }),
		when(arriving, "copies_per_frame", "", "copies in one WebSocket message", func(r *Report) float64 { return r.Messages.CopiesPerFrame }),
	}
}

// publishes reports whether the plan has messages at all.
func (r *Report) publishes() bool {
	p := &r.Plan
	return p.Publish != "" && p.Publish != plan.PublishNone && p.Rate > 0 && p.Duration > 0
}

// measured reports whether there are latencies.
func (r *Report) measured() bool {
	return r.Latency.Histogram != nil && r.Latency.Histogram.Count() > 0
}

func latencyFigures() []figure {
	measured := (*Report).measured
	return []figure{
		when(measured, "p50", "ms", "latency that half of the copies did not exceed", func(r *Report) float64 { return r.Latency.P50 }),
		when(measured, "p90", "ms", "latency that 90 % did not exceed", func(r *Report) float64 { return r.Latency.P90 }),
		when(measured, "p99", "ms", "latency that 99 % did not exceed", func(r *Report) float64 { return r.Latency.P99 }),
		when(measured, "p999", "ms", "latency that 99.9 % did not exceed", func(r *Report) float64 { return r.Latency.P999 }),
		when(measured, "max", "ms", "longest latency", func(r *Report) float64 { return r.Latency.Max }),
		when(measured, "mean", "ms", "mean latency", func(r *Report) float64 { return r.Latency.Mean }),
	}
}

// seen reports whether the server's figures are complete.
func (r *Report) seen() bool { return r.Server.Known && len(r.Server.Gone) == 0 }

// serverCores is the server's CPU while messages flowed; 0 if it is not known.
func (r *Report) serverCores() float64 {
	if !r.seen() || r.Messages.Seconds <= 0 {
		return 0
	}
	return max(0, r.Server.CPUSeconds/r.Messages.Seconds)
}

// clientCores is the load test's.
func (r *Report) clientCores() float64 {
	if r.Messages.Seconds <= 0 {
		return 0
	}
	return r.Client.CPUSeconds / r.Messages.Seconds
}

func serverFigures() []figure {
	seen := (*Report).seen
	// known is a figure that its field may tell not to be.
	known := func(name, unit, meaning string, least float64, of func(*Report) float64) figure {
		return when(func(r *Report) bool { return r.seen() && of(r) >= least }, name, unit, meaning, of)
	}
	perConn := func(name, meaning string, of func(*BytesPerConnection) float64) figure {
		return when(func(r *Report) bool {
			return r.seen() && r.Connections.Open > 0 && of(&r.Server.BytesPerConnection) >= 0
		}, name, "B", meaning, func(r *Report) float64 { return of(&r.Server.BytesPerConnection) })
	}
	const tiny = 1e-300 // more than 0
	return []figure{
		when(func(r *Report) bool { return r.seen() && r.Messages.Seconds > 0 && r.Server.CPUSeconds >= 0 },
			"server_cpu", "cores", "cores the server used while messages flowed", (*Report).serverCores),
		when(func(r *Report) bool { return r.seen() && r.Plan.Hold > 0 && r.Server.IdleCPU >= 0 },
			"idle_cpu", "cores", "cores the server used while all connections were idle", func(r *Report) float64 { return r.Server.IdleCPU }),
		when(func(r *Report) bool { return r.seen() && r.Connections.Opened > 0 && r.Server.ConnectCPUSeconds >= 0 },
			"connect_cpu", "ms", "CPU time of the server for one connect and upgrade",
			func(r *Report) float64 { return r.Server.ConnectCPUSeconds * 1000 / float64(r.Connections.Opened) }),
		known("deliveries_per_cpu_second", "1/s", "copies that arrived per CPU-second of the server", tiny, func(r *Report) float64 { return r.Server.DeliveriesPerCPUSecond }),
		known("sends_per_delivery", "", "system calls per copy, by Barrage's metrics", tiny, func(r *Report) float64 { return r.Server.SendsPerDelivery }),
		known("rss_before", "B", "resident memory of the server before the first connection", 1, func(r *Report) float64 { return float64(r.Server.RSSBefore) }),
		known("rss_idle", "B", "resident memory with all connections open and idle", 1, func(r *Report) float64 { return float64(r.Server.RSSIdle) }),
		known("rss_after", "B", "resident memory after the last message", 1, func(r *Report) float64 { return float64(r.Server.RSSAfter) }),
		perConn("rss_per_conn", "resident bytes per idle connection beyond the empty server", func(b *BytesPerConnection) float64 { return b.Resident }),
		perConn("heap_per_conn", "heap bytes per idle connection, by the server's metrics", func(b *BytesPerConnection) float64 { return b.Heap }),
		perConn("stack_per_conn", "stack bytes per idle connection, by the server's metrics", func(b *BytesPerConnection) float64 { return b.Stack }),
		perConn("kernel_per_conn", "kernel bytes per idle connection, of both its ends if the client is on the same machine", func(b *BytesPerConnection) float64 { return b.Kernel }),
		when(func(r *Report) bool { return seen(r) && r.Server.GCPauseMax > 0 },
			"gc_pause_max", "ms", "longest of the server's recent garbage collection pauses, by its metrics", func(r *Report) float64 { return r.Server.GCPauseMax }),
	}
}

func clientFigures() []figure {
	busy := func(r *Report) bool { return r.Client.CPUSeconds > 0 && r.Messages.Seconds > 0 }
	return []figure{
		when(busy, "client_cpu", "cores", "cores the load test used while messages flowed", (*Report).clientCores),
		when(busy, "client_cpu_share", "", "share of the cores it may use, 1 being all", func(r *Report) float64 { return r.Client.CPUShare }),
		when(func(r *Report) bool { return r.Client.Reads > 0 }, "messages_per_read", "", "copies that one read of the load test brought",
			func(r *Report) float64 { return r.Client.MessagesPerRead }),
		always("bottleneck", "", "1 if the load test, not the server, was the bottleneck, else 0", func(r *Report) int {
			if r.Client.Bottleneck {
				return 1
			}
			return 0
		}),
	}
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
