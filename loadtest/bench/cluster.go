package main

// The scenario cluster: viewers of one room over several nodes that share a Redis.
// Each node keeps below the limit on open files of one process; the load test
// starts as many agents as it needs.

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"barrage/loadtest/probe"
	"barrage/loadtest/report"
)

type cluster struct {
	*bench
	nodes, connections    int
	rate                  float64
	duration, hold, drain time.Duration
	serve                 string
}

func clusterFlags(b *bench, flags *flag.FlagSet) measurement {
	c := &cluster{bench: b}
	flags.IntVar(&c.nodes, "nodes", 5, "nodes")
	flags.IntVar(&c.connections, "connections", 95000, "viewers over all nodes")
	flags.Float64Var(&c.rate, "rate", 2, "messages a second: each is as many deliveries as there are connections")
	flags.DurationVar(&c.duration, "duration", 10*time.Second, "how long messages are published")
	flags.DurationVar(&c.hold, "hold", 5*time.Second, "rest before the first message")
	flags.DurationVar(&c.drain, "drain", 2*time.Minute, "longest wait for messages still on their way")
	flags.StringVar(&c.serve, "serve", "", "further `flags` of barrage serve")
	return c.run
}

// reserve is how many open files a node keeps for other things than connections.
const reserve = 512

func (c *cluster) run(ctx context.Context) (title, body string, err error) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return "", "", err
	}
	if each := (c.connections + c.nodes - 1) / max(c.nodes, 1); c.nodes < 1 || uint64(each) > files.Max-reserve {
		return "", "", fmt.Errorf("%d connections for each of %d nodes, but a process may open %d files: -nodes must be %d or more",
			each, c.nodes, files.Max, uint64(c.connections)/(files.Max-reserve)+1)
	}
	redis, err := c.startRedis(ctx)
	if err != nil {
		return "", "", err
	}
	args := []string{"room", "--preset", raw, "--connections", strconv.Itoa(c.connections),
		"--rate", fmt.Sprint(c.rate), "--duration", c.duration.String(), "--hold", c.hold.String(), "--drain", c.drain.String(),
		"--assert", "missing==0"}
	var nodes []node
	var metrics []string
	for i := range c.nodes {
		n, err := c.startNode(ctx, fmt.Sprint("node", i+1), c.barrage, nil, append(strings.Fields(c.serve), "--redis", redis)...)
		if err != nil {
			return "", "", err
		}
		nodes, metrics = append(nodes, n), append(metrics, n.metrics())
		args = append(args, "--url", "ws://"+n.public)
	}
	fmt.Printf("%d nodes, %s connections in one room\n", c.nodes, count(c.connections))
	r, err := c.load(ctx, "result", nodes[0], append(args, "--metrics", strings.Join(metrics, ","))...)
	if err != nil {
		return "", "", err
	}
	t, err := nodesTable(ctx, nodes)
	if err != nil {
		return "", "", err
	}
	return fmt.Sprintf("Several nodes: %s viewers in one room", count(c.connections)), delivered(r) + "\n" + t.String(), broken(r)
}

// nodesTable says what each node counted, from its metrics.
func nodesTable(ctx context.Context, nodes []node) (table, error) {
	t := table{{"node", "connections", "from Redis", "delivered", "skipped", "CPU s", "RSS MB"}}
	var sum [6]float64
	row := func(name string, v [6]float64) {
		t.row(name, thousands(v[0]), thousands(v[1]), thousands(v[2]), thousands(v[3]), fmt.Sprintf("%.1f", v[4]), fmt.Sprintf("%.1f", v[5]))
	}
	for i, n := range nodes {
		m, err := probe.Scrape(ctx, n.metrics())
		if err != nil {
			return nil, err
		}
		values := [6]float64{
			m.Sum("barrage_handshakes_total", "101"), m.Sum("barrage_redis_messages_received_total"),
			m.Sum("barrage_messages_delivered_total"), m.Sum("barrage_messages_skipped_total"),
			m.Sum("process_cpu_seconds_total"), m.Sum("process_resident_memory_bytes") / (1 << 20),
		}
		for j := range sum {
			sum[j] += values[j]
		}
		row(strconv.Itoa(i+1), values)
	}
	row("all", sum)
	return t, nil
}

// delivered says what became of the messages of a run.
func delivered(r *report.Report) string {
	c, m := &r.Connections, &r.Messages
	return fmt.Sprintf("%d of %d connections, %s a second, %s closed; %s messages, %s copies expected, %s delivered, %s missing, %s duplicated, %s out of order; p50 %s ms, p99 %s ms.\n",
		c.Open, c.Wanted, thousands(c.PerSecond), count(c.Closed), count(m.Published), count(m.Expected), count(m.Delivered), count(m.Missing), count(m.Duplicated), count(m.OutOfOrder),
		short(r.Latency.P50), short(r.Latency.P99))
}

// broken is the condition that the run was to hold, and did not.
func broken(r *report.Report) error {
	for _, a := range r.Asserts {
		if !a.OK {
			return fmt.Errorf("%s does not hold: %s", a.Expr, a.Found)
		}
	}
	return nil
}
