package main

// The figures that scenarios take of the load test's reports.

import "barrage/loadtest/report"

// figure is what is taken of a report; 0 or less is not known.
type figure struct {
	title  string
	number func(float64) string
	of     func(*report.Report) float64
	higher bool // is better
}

func perCPU() figure {
	return figure{"deliveries per server CPU-second", thousands, func(r *report.Report) float64 { return r.Server.DeliveriesPerCPUSecond }, true}
}

func p50() figure {
	return figure{"p50 in ms", short, func(r *report.Report) float64 { return r.Latency.P50 }, false}
}

func p99() figure {
	return figure{"p99 in ms", short, func(r *report.Report) float64 { return r.Latency.P99 }, false}
}

func resident() figure {
	return figure{"resident bytes per idle connection", thousands, func(r *report.Report) float64 { return r.Server.BytesPerConnection.Resident }, false}
}

func connects() figure {
	return figure{"connections a second", thousands, func(r *report.Report) float64 { return r.Connections.PerSecond }, true}
}

// losses is how many things did not go as they must: each is shown, never hidden.
func losses(r *report.Report) uint64 {
	m := &r.Messages
	return unpublished(r) + m.Missing + m.Duplicated + m.OutOfOrder + r.Connections.Failed + r.Connections.Closed
}

// unpublished is how many messages the server did not take, or not in time.
func unpublished(r *report.Report) uint64 {
	return r.Messages.Offered - min(r.Messages.Offered, r.Messages.Published)
}
