package main

// Too many connections: for the process's limit on open files, and for its own.

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"barrage/frame"
)

// descriptorsExhausted: connections inside are served, nobody spins, and those that wait get in
// once others have gone.
func descriptorsExhausted(t *testing.T, bin binary) {
	const files = 128
	serve := bin.command(context.Background(), nil, "serve", "--listen=127.0.0.1:0", "--admin=127.0.0.1:0",
		"--shards=2", "--handshake-timeout=5m")
	limited := bin.command(context.Background(), nil)
	limited.Path = "/bin/sh"
	limited.Args = append([]string{"sh", "-c", "ulimit -n " + strconv.Itoa(files) + ` && exec "$0" "$@"`}, serve.Args...)
	n := start(t, limited)
	n.mustGet("/healthz") // its connection is kept
	vs := make([]*viewer, 10)
	for i := range vs {
		vs[i] = n.join("salon")
	}
	// Connections that ask for nothing count against no limit but this one.
	var idle []net.Conn
	for range 2 * files {
		conn, err := net.DialTimeout("tcp", n.ws, patience)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		idle = append(idle, conn)
	}
	const crowded = `barrage_sockets_closed_total{reason="crowded"}`
	await(t, "sockets to be turned away", func() bool { return n.metrics()[crowded] > files/2 })
	if open := n.openFiles(); open >= files {
		t.Errorf("%d files are open: none is left for Redis and the admin listener", open)
	}

	before, since := n.cpu(), time.Now()
	if p := n.publish("salon", "still here"); p.DeliveredTo != len(vs) {
		t.Errorf("delivered to %d", p.DeliveredTo)
	}
	vs[0].mustSend(frame.Text, "me too")
	for _, v := range vs {
		v.want(frame.Text, "still here")
		v.want(frame.Text, "me too")
	}
	time.Sleep(time.Until(since.Add(time.Second))) // the length of the measurement
	used, took := n.cpu()-before, time.Since(since)
	t.Logf("%v of CPU in %v", used, took.Round(time.Millisecond))
	if used > took/3 {
		t.Errorf("%v of CPU in %v without descriptors", used, took)
	}

	for _, conn := range idle {
		_ = conn.Close()
	}
	await(t, "the idle connections to go", func() bool { return n.openFiles() < files/2 })
	late := n.join("salon")
	if p := n.publish("salon", "all again"); p.DeliveredTo != len(vs)+1 {
		t.Errorf("delivered to %d", p.DeliveredTo)
	}
	late.want(frame.Text, "all again")
}

// cpu is the time that the child has computed for.
func (c *child) cpu() time.Duration {
	c.t.Helper()
	stat := c.proc("stat")
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')'):]) // from field 2 of proc_pid_stat(5) on
	user, err1 := strconv.Atoi(fields[12])
	system, err2 := strconv.Atoi(fields[13])
	if err1 != nil || err2 != nil {
		c.t.Fatalf("stat %q", stat)
	}
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100 everywhere
}

// storm: exactly as many as allowed get in, however fast they come, and the
// others learn when to come again.
func storm(t *testing.T, bin binary) {
	const clients, allowed = 3000, 2000
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < clients+1000 {
		t.Skipf("a limit of %d open files (%v) is too low for %d connections", limit.Cur, err, clients)
	}
	n := bin.serve(t, "--max-connections="+strconv.Itoa(allowed))
	type result struct {
		v    *viewer
		resp *http.Response
		err  error
	}
	results := make(chan result, clients)
	start := time.Now()
	for range clients {
		go func() { // ends with its answer
			v, err := dial(t, n.ws, "storm")
			if err != nil {
				results <- result{err: err}
				return
			}
			resp, err := v.answered()
			results <- result{v, resp, err}
		}()
	}
	var in []*viewer
	full := 0
	for range clients {
		r := <-results
		if r.err != nil {
			t.Error(r.err)
			continue
		}
		switch after, _ := strconv.Atoi(r.resp.Header.Get("Retry-After")); {
		case r.resp.StatusCode == http.StatusSwitchingProtocols:
			in = append(in, r.v)
		case r.resp.StatusCode == http.StatusServiceUnavailable && after > 0:
			full++
		default:
			t.Errorf("answer %+v", r.resp)
		}
	}
	t.Logf("%d answers in %v", clients, time.Since(start).Round(time.Millisecond))
	if len(in) != allowed || full != clients-allowed {
		t.Errorf("%d got in, %d were told to come again", len(in), full)
	}
	if p := n.publish("storm", "calm"); p.DeliveredTo != allowed {
		t.Errorf("delivered to %d", p.DeliveredTo)
	}
	for _, v := range in {
		v.want(frame.Text, "calm")
	}
	n.wantMetrics(samples{
		"barrage_connections": allowed, "barrage_connections_max": allowed,
		`barrage_handshakes_total{result="101"}`: allowed, `barrage_handshakes_total{result="503"}`: clients - allowed,
	})
	// A place that is given up can be taken.
	in[0].mustSend(frame.Close, "\x03\xe8")
	await(t, "a free place", func() bool { return n.metrics()["barrage_connections"] == allowed-1 })
	n.join("storm")
}
