// Figures by name, and what makes them doubtful.

package report

import (
	"math"
	"testing"
	"time"

	"barrage/loadtest/plan"
	"barrage/loadtest/tally"
)

func TestValues(t *testing.T) {
	r := sample()
	r.Storms = []Storm{{Dropped: 10, Recovered: 10, Seconds: 4}, {Dropped: 10, Recovered: 7, Seconds: 9}}
	r.Judge()
	v := r.Values()
	for name, want := range map[string]float64{
		"wanted": 100_000, "open": 100_000, "failed": 0, "closed": 0, "connect_rate": 9615,
		"storm_recovery": 9000, "storm_lost": 3,
		"offered": 600, "published": 600, "publish_failed": 0, "publish_lag_max": 0.8,
		"expected": 60_000_000, "delivered": 60_000_000, "missing": 0, "duplicated": 0, "out_of_order": 0, "late": 0, "misrouted": 0,
		"throughput": 60_000_000 / 60.01, "p50": r.Latency.P50, "p99": r.Latency.P99, "p999": r.Latency.P999, "max": r.Latency.Max,
		"server_cpu": 49.8 / 60.01, "idle_cpu": 0.01, "connect_cpu": 0.031, "deliveries_per_cpu_second": 60_000_000 / 49.8,
		"sends_per_delivery": 0.98, "rss_before": 12_300_000, "rss_per_conn": 181, "heap_per_conn": 152, "stack_per_conn": 0.7,
		"kernel_per_conn": 5431, "gc_pause_max": 0.21,
		"client_cpu": 42.3 / 60.01, "client_cpu_share": 0.35, "messages_per_read": 1.03, "bottleneck": 0,
	} {
		if got, ok := v[name]; !ok || math.Abs(got-want) > 1e-9*(1+want) {
			t.Errorf("%s is %v, %v, want %v", name, got, ok, want)
		}
	}
	if len(v) != len(figures) {
		t.Errorf("%d of %d names known", len(v), len(figures))
	}
}

// TestUnknownValues: a condition on what is not known must not hold.
func TestUnknownValues(t *testing.T) {
	serverNames := []string{
		"server_cpu", "idle_cpu", "connect_cpu", "deliveries_per_cpu_second", "sends_per_delivery", "rss_before", "rss_idle", "rss_after",
		"rss_per_conn", "heap_per_conn", "stack_per_conn", "kernel_per_conn", "gc_pause_max",
	}
	for _, c := range []struct {
		name   string
		change func(r *Report)
		absent []string
	}{
		{"no server", func(r *Report) { r.Server = Server{} }, serverNames},
		{"a process ended", func(r *Report) { r.Server.Gone = []int{1} }, serverNames},
		{"no metrics", func(r *Report) {
			r.Server.BytesPerConnection.Heap, r.Server.BytesPerConnection.Stack = -1, -1
			r.Server.SendsPerDelivery, r.Server.GCPauseMax = 0, 0
		}, []string{"heap_per_conn", "stack_per_conn", "sends_per_delivery", "gc_pause_max"}},
		{"no hold", func(r *Report) { r.Plan.Hold = 0 }, []string{"idle_cpu"}},
		{"nobody open", func(r *Report) { r.Connections.Open = 0 }, []string{"rss_per_conn", "kernel_per_conn"}},
		{"nothing expected", func(r *Report) { r.Messages.Counts = tally.Counts{} }, []string{"missing", "duplicated", "out_of_order", "late", "misrouted"}},
		{"nothing arrived", func(r *Report) { r.Latency.Histogram = tally.NewHistogram() }, []string{"p50", "p90", "p99", "p999", "max", "mean"}},
		{"no histogram", func(r *Report) { r.Latency.Histogram = nil }, []string{"p50", "max"}},
		{"nothing flowed", func(r *Report) { r.Messages.Seconds = 0 }, []string{"throughput", "server_cpu", "client_cpu"}},
		{"nothing published", func(r *Report) { r.Plan.Publish = plan.PublishNone }, []string{"publish_failed", "publish_lag_max"}},
		{"no storms", func(*Report) {}, []string{"storm_recovery", "storm_lost"}},
		{"no number", func(r *Report) { r.Latency.P99, r.Messages.PerSecond = math.NaN(), math.Inf(1) }, []string{"p99", "throughput"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := sample()
			c.change(r)
			v := r.Values()
			for _, name := range c.absent {
				if got, ok := v[name]; ok {
					t.Errorf("%s is known to be %v", name, got)
				}
			}
		})
	}
}

func TestNames(t *testing.T) {
	seen := make(map[string]bool)
	for _, d := range figures {
		if d.Name == "" || d.Meaning == "" || seen[d.Name] {
			t.Errorf("%+v", d)
		}
		seen[d.Name] = true
		switch d.Unit {
		case "", "ms", "B", "s", "cores", "1/s":
		default:
			t.Errorf("unit %q", d.Unit)
		}
	}
	for _, name := range []string{"missing", "p50", "p90", "p99", "p999", "max", "mean", "rss_per_conn", "throughput", "client_cpu"} {
		if !seen[name] {
			t.Errorf("%s is not a name", name)
		}
	}
}

func TestJudge(t *testing.T) {
	few := tally.NewHistogram()
	few.Record(int64(time.Millisecond))
	for _, c := range []struct {
		name       string
		change     func(r *Report)
		bottleneck string // part of its reason
		warning    string // part of one
	}{
		{"all is well", func(*Report) {}, "", ""},
		{"client busy", func(r *Report) { r.Client.CPUShare = 0.9 }, "used 90 % of the CPU it may use", ""},
		{"just not busy", func(r *Report) { r.Client.CPUShare = 0.849 }, "", ""},
		{"one thread busy", func(r *Report) { r.Client.BusiestThread = 0.98 }, "One thread of the load test used 98 %", ""},
		{"machine full, client takes most", func(r *Report) { r.Client.MachineCPU, r.Client.CPUSeconds = 0.99, 70 },
			"CPUs were 99 % busy, and the load test took 1.17 cores of them, more than the server's 0.83", ""},
		{"machine full, server takes most", func(r *Report) { r.Client.MachineCPU = 0.99 }, "", "took 0.7 cores that the server would have had"},
		{"machine full, server unknown", func(r *Report) { r.Client.MachineCPU, r.Server = 0.99, Server{} }, "", "took 0.7 cores that the server would have had"},
		{"machine full, server elsewhere", func(r *Report) { r.Client.MachineCPU, r.Client.CPUSeconds, r.Server.PIDs = 0.99, 70, nil },
			"", "something else on it took the CPU"},
		{"fewer connections", func(r *Report) {
			r.Connections.Open, r.Connections.Failures = 99_999, map[string]uint64{"a: refused": 1}
		}, "", "Only 99,999 of 100,000 connections were open (a: refused)"},
		{"closed", func(r *Report) {
			r.Connections.Closed, r.Connections.ClosedBy = 2, map[string]uint64{"x": 1, "1006": 5}
		},
			"", "2 connections were closed by the server or the network (mostly 1006)"},
		{"one closed", func(r *Report) { r.Connections.Closed = 1 }, "", "1 connection was closed"},
		{"storm", func(r *Report) { r.Storms = []Storm{{Dropped: 5, Recovered: 2}} }, "", "3 connections were not back"},
		{"refused messages", func(r *Report) {
			r.Messages.PublishFailed, r.Messages.PublishErrors = 3, map[string]uint64{"429": 3}
		}, "", "did not take 3 of 600 messages (429)"},
		{"nothing expected", func(r *Report) { r.Messages.Expected = 0 }, "", "nothing is proven"},
		{"a little late", func(r *Report) { r.Messages.PublishLagMax = 9 }, "", ""},
		{"late", func(r *Report) { r.Messages.PublishLagMax = 40 }, "", "up to 40 ms after they were due"},
		{"late, but the longest latency is something else", func(r *Report) { r.Messages.PublishLagMax, r.Latency.Max = 40, 500 }, "", ""},
		{"cannot keep up", func(r *Report) { r.Messages.PublishLagMax = 7000 }, "", "could not keep up with the rate: it was 7,000 ms behind"},
		{"forgotten", func(r *Report) { r.Messages.Forgotten = 5 }, "", "up to 5 copies that came late"},
		{"process ended", func(r *Report) { r.Server.Gone = []int{17} }, "", "Process 17 of the server ended"},
		{"metrics failed", func(r *Report) { r.Server.Unanswered, r.Server.UnansweredError = 1, "timeout" }, "", "did not answer once (timeout)"},
		{"few ticks", func(r *Report) { r.Server.CPUSeconds = 0.05 }, "", "only 0.05 s of CPU"},
		{"few connections", func(r *Report) { r.Connections.Open, r.Connections.Wanted = 500, 500 }, "", "With 500 connections, memory per connection"},
		{"clock", func(r *Report) { r.Client.Agents[1].RTTUS = 4000 }, "", "agent 10.0.0.7:9000 is known to ±2 ms only"},
		{"few latencies", func(r *Report) { r.Latency.Histogram = few }, "", "Only 1 latency was recorded"},
		{"idle, unseen", func(r *Report) { *r = *idle() }, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := sample()
			c.change(r)
			r.Judge()
			r.Judge() // again: nothing is said twice
			if r.Client.Bottleneck != (c.bottleneck != "") || !contains(c.bottleneck, r.Client.BottleneckReason) {
				t.Errorf("bottleneck %q, want %q", r.Client.BottleneckReason, c.bottleneck)
			}
			want := 0
			if c.warning != "" {
				want = 1
			}
			if len(r.Warnings) != want || want == 1 && !contains(c.warning, r.Warnings[0]) {
				t.Errorf("warnings %q, want %q", r.Warnings, c.warning)
			}
		})
	}
}
