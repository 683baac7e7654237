// Makes reports that look like real ones, always the same.

package report

import (
	"math"
	"math/rand/v2"
	"time"

	"barrage/loadtest/plan"
	"barrage/loadtest/probe"
	"barrage/loadtest/tally"
)

// sample is a run that went well: 100,000 viewers in one room, and everything
// known.
func sample() *Report {
	const conns, rate, publishing = 100_000, 10, 60
	rnd := rand.New(rand.NewPCG(1, 2))
	h := tally.NewHistogram()
	for range 200_000 {
		h.Record(int64(latency(rnd) * 1e6))
	}
	ms := func(q float64) float64 { return float64(h.Quantile(q)) / 1e6 }
	const copies = conns * rate * publishing
	r := &Report{
		Version: Version, Scenario: "room", Started: time.Date(2026, 3, 14, 20, 0, 0, 0, time.UTC), Seconds: 82.4,
		Plan: plan.Plan{
			Name: "room", URLs: []string{"ws://127.0.0.1:8080/ws?room={room}"}, Preset: "barrage", Publish: plan.PublishHTTP,
			PublishURL: "http://127.0.0.1:8081/v1/rooms/{room}/messages", Publishers: 4, Connections: conns, ConnectRate: 10_000,
			Inflight: 512, Rooms: 1, Room: "room-{n}", Rate: rate, Size: 64, Hold: 5 * time.Second,
			Duration: publishing * time.Second, Drain: 10 * time.Second,
		},
		Command:     "barrage loadtest room --url 'ws://127.0.0.1:8080/ws?room={room}' --connections 100000 --rate 10 --pid 4242 --html room.html",
		Connections: Connections{Wanted: conns, Open: conns, OpenAtEnd: conns, Opened: conns, ConnectSeconds: 10.4, PerSecond: 9615},
		Messages: Messages{
			Offered: rate * publishing, Published: rate * publishing, PublishLagMax: 0.8,
			Counts:  tally.Counts{Expected: copies, Delivered: copies},
			Seconds: 60.01, PerSecond: copies / 60.01, BytesPerSecond: copies * 66 / 60.01, BytesPerCopy: 66, CopiesPerFrame: 1,
		},
		Latency: Latency{ms(0.5), ms(0.9), ms(0.99), ms(0.999), ms(1), float64(h.Mean()) / 1e6, h},
		Server: Server{
			Known: true, PIDs: []int{4242}, CPUSeconds: 49.8, ConnectCPUSeconds: 3.1, DeliveriesPerCPUSecond: copies / 49.8,
			IdleCPU: 0.01, RSSBefore: 12_300_000, RSSIdle: 30_400_000, RSSAfter: 32_100_000,
			BytesPerConnection: BytesPerConnection{Resident: 181, Heap: 152, Stack: 0.7, Kernel: 5_431},
			SendsPerDelivery:   0.98, GCs: 3, GCPauseMax: 0.21,
		},
		Client: Client{
			CPUSeconds: 42.3, CPUShare: 0.35, MachineCPU: 0.78, BusiestThread: 0.36, Reads: 58_000_000, MessagesPerRead: 1.03,
			Agents: []Agent{
				{Name: "local", Connections: 50_000, CPUSeconds: 21.1},
				{Name: "10.0.0.7:9000", Connections: 50_000, OffsetUS: -1840, RTTUS: 96, CPUSeconds: 21.2},
			},
		},
		Environment: probe.Environment{
			Kernel: "Linux 6.12.9", CPU: "AMD EPYC 9654 96-Core Processor", Cores: 2, Memory: 24 << 30, NoFile: 20_000,
			Sysctls: map[string]string{
				"net.core.somaxconn": "4096", "net.ipv4.tcp_rmem": "4096 131072 6291456", "net.ipv4.tcp_wmem": "4096 16384 4194304",
				"net.ipv4.ip_local_port_range": "32768 60999", "fs.nr_open": "1048576",
			},
			Go: "go1.26.0", Version: "v0.4.0", Commit: "913499f", Server: "barrage v0.4.0 (commit 913499f, go1.26.0)",
		},
		Asserts: []Assert{
			{Expr: "missing==0", OK: true, Found: "missing = 0"},
			{Expr: "p99<500ms", OK: true, Found: "p99 = 24 ms"},
			{Expr: "rss_per_conn<200", OK: true, Found: "rss_per_conn = 181 B"},
		},
	}
	r.Timeline = timeline(rnd, conns, rate, publishing)
	return r
}

// latency is one in milliseconds, of a plausible shape with a long tail.
func latency(rnd *rand.Rand) float64 {
	ms := 7 * math.Exp(rnd.NormFloat64()*0.45)
	if rnd.Float64() < 0.004 {
		ms += rnd.ExpFloat64() * 18
	}
	return ms
}

func timeline(rnd *rand.Rand, conns, rate, publishing int) []Point {
	var points []Point
	open := 0
	for t := 0; t < 11+5+publishing+3; t++ {
		p := Point{T: float64(t) + 1, Phase: "publish", ClientCPU: 0.69 + 0.05*rnd.NormFloat64(), ServerCPU: 0.82 + 0.06*rnd.NormFloat64()}
		switch {
		case t < 11:
			p.Phase, open = "ramp", min(conns, open+9300+rnd.IntN(700))
			p.ServerCPU, p.ClientCPU = 0.3+0.02*rnd.NormFloat64(), 0.35+0.02*rnd.NormFloat64()
		case t < 16:
			p.Phase, p.ServerCPU, p.ClientCPU = "hold", 0.01, 0.01
		case t >= 16+publishing:
			p.Phase, p.ServerCPU, p.ClientCPU = "drain", 0.01, 0.01
		}
		p.Open = open
		p.RSS = uint64(12_300_000 + 181*open)
		if p.Phase == "publish" {
			p.RSS += uint64(20_000 * (t - 16))
			p.Published = float64(rate)
			p.Delivered = float64(conns*rate) * (1 + 0.008*rnd.NormFloat64())
			p.P50 = 7 * (1 + 0.05*rnd.NormFloat64())
			p.P99 = 22 * (1 + 0.12*math.Abs(rnd.NormFloat64()))
			p.P999 = 40 * (1 + 0.2*math.Abs(rnd.NormFloat64()))
			p.Max = 70 * (1 + 0.5*rnd.ExpFloat64())
			p.SendsPerMsg = 0.98 + 0.01*rnd.NormFloat64()
			if t > 40 && t < 48 { // a hiccup, which plots must show
				p.P99, p.P999, p.Max, p.Gaps = p.P99*4, p.P999*5, p.Max*5, uint64(rnd.IntN(900))
			}
		}
		points = append(points, p)
	}
	return points
}

// troubled is a run in which much went wrong.
func troubled() *Report {
	r := sample()
	r.Scenario = "rooms"
	r.Plan.URLs = append(r.Plan.URLs, "ws://127.0.0.2:8080/ws?room={room}")
	r.Plan.Rooms = 250
	r.Connections.Open, r.Connections.OpenAtEnd = 92_113, 91_870
	r.Connections.Failed = 7_887
	r.Connections.Failures = map[string]uint64{
		"127.0.0.1:8080: 503 Service Unavailable": 7_800, "127.0.0.1:8080: connection refused": 60,
		"127.0.0.2:8080: connection reset by peer": 20, "127.0.0.2:8080: timed out after 10s": 7,
	}
	r.Connections.Closed = 243
	r.Connections.ClosedBy = map[string]uint64{"1006 connection reset by peer": 240, "1011 internal error": 3}
	r.Storms = []Storm{{At: 30, Dropped: 92_113, Recovered: 92_113, Seconds: 11.3}, {At: 50, Dropped: 92_113, Recovered: 91_900, Seconds: 30}}
	r.Connections.Dropped = 184_226
	m := &r.Messages
	m.Published, m.PublishFailed = 588, 12
	m.PublishErrors = map[string]uint64{"503 Service Unavailable": 12}
	m.PublishLagMax = 312
	m.Missing, m.Duplicated, m.OutOfOrder, m.Late, m.Misrouted = 1_204, 3, 17, 96, 1
	m.Delivered -= m.Missing
	r.Client.CPUShare = 0.97
	r.Server.Gone = []int{4242}
	r.Server.Unanswered, r.Server.UnansweredError = 3, "http://127.0.0.1:8081/metrics answered 503 Service Unavailable"
	r.Asserts[0] = Assert{Expr: "missing==0", OK: false, Found: "missing = 1204"}
	r.Asserts[2] = Assert{Expr: "rss_per_conn<200", OK: false, Found: "rss_per_conn is not known"}
	r.Judge()
	return r
}

// search is a run that looked for the capacity.
func search() *Report {
	r := sample()
	r.Asserts = nil
	r.Find = &Find{
		What: "connections", SLO: "p99=500ms, missing=0", Capacity: 160_000, Broke: "p99 was 812 ms at 180,000",
		Limit:  "the server's CPU: 1.9 of 2 cores were busy",
		Advice: []string{"add cores, or split the viewers over more nodes that share Redis", "raise --shards to the number of cores"},
	}
	for i, v := range []float64{20_000, 40_000, 80_000, 160_000, 320_000, 240_000, 200_000, 180_000} {
		s := FindStep{
			Value: v, OK: v <= 160_000, P50: v / 4_000, P99: v / 1_000, PerSecond: v * 10,
			ServerCPU: min(1.95, v/90_000), ClientCPU: min(1, v/200_000), RSS: uint64(12_000_000 + 181*v),
		}
		if !s.OK {
			s.P99, s.Missing = v/220, uint64(i*100)
			s.Broke = "p99 was " + millis(s.P99)
		}
		r.Find.Steps = append(r.Find.Steps, s)
	}
	return r
}

// batches is a run with compression, to which not all servers agreed.
func batches() *Report {
	r := sample()
	r.Plan.Preset, r.Plan.Deflate, r.Plan.Batch = "barrage.v1", true, true
	r.Connections.Deflated = 75_000
	r.Messages.BytesPerCopy, r.Messages.CopiesPerFrame = 88, 3.8
	r.Asserts = nil
	r.Judge()
	return r
}

// idle is a run without messages, of a server that cannot be seen.
func idle() *Report {
	return &Report{
		Version: Version, Scenario: "idle", Seconds: 31, Started: time.Date(2026, 3, 14, 20, 0, 0, 0, time.UTC),
		Plan:        plan.Plan{URLs: []string{"ws://10.1.2.3/ws"}, Connections: 1000, Publish: plan.PublishNone, Hold: 30 * time.Second},
		Connections: Connections{Wanted: 1000, Open: 1000, OpenAtEnd: 1000, Opened: 1000, ConnectSeconds: 0.9, PerSecond: 1111},
		Server:      Server{BytesPerConnection: BytesPerConnection{-1, -1, -1, -1}},
		Timeline:    []Point{{T: 1, Phase: "ramp", Open: 1000}, {T: 2, Phase: "hold", Open: 1000}, {T: 3, Phase: "hold", Open: 1000}},
	}
}
