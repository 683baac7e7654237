package main

// A network between a node and Redis that takes half a second there and back and
// loses one segment in twenty.

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"barrage/frame"
)

// slowRedis: nobody is disconnected, no outage is seen that is none, and what is
// published on either side arrives once and in order.
func slowRedis(t *testing.T, bin binary) {
	const timeout = 5 * time.Second
	r := startedRedis(t)
	wire := newNetwork(t, r.Addr)
	far := bin.serveNamed(t, wire.url(), "--redis-timeout="+timeout.String())
	near := bin.serveNamed(t, r.url(), "--redis-timeout=20s")
	nodes := []*child{far, near}
	for _, n := range nodes {
		n.waitReady()
	}
	wire.become(quality{latency: 250 * time.Millisecond, loss: 0.05, again: 400 * time.Millisecond})
	steady := watchReady(t, nodes)
	raw := []*viewer{far.watch("salon", "rae"), near.watch("salon", "roy")}
	named := []*member{far.member("ann"), near.member("bob")}
	for _, m := range named {
		m.enter("salon")
	}

	var publishers sync.WaitGroup
	var mu sync.Mutex
	longest := make([]time.Duration, len(nodes))
	for i, n := range nodes {
		// Several at a time, on connections of their own: the far node opens new
		// ones to Redis for them.
		for p := range 4 {
			name := fmt.Sprintf("api %d %d", i, p)
			desk := n.desk()
			publishers.Go(func() {
				for k := range []int{4, 50}[i] {
					begin := time.Now()
					if p, err := desk.post("salon", "text/plain", fmt.Sprintf("%s:%d", name, k)); err != nil || p.Offset == 0 {
						t.Errorf("%s: %+v, %v", name, p, err)
					}
					mu.Lock()
					longest[i] = max(longest[i], time.Since(begin))
					mu.Unlock()
				}
			})
		}
	}
	for k := range 100 {
		for i, v := range raw {
			v.mustSend(frame.Text, fmt.Sprintf("socket %d:%d", i, k))
		}
	}
	publishers.Wait()
	for i, took := range longest {
		if t.Logf("node %d: the slowest publish took %v", i, took.Round(time.Millisecond)); took > timeout {
			t.Errorf("node %d: a publish took %v", i, took)
		}
	}
	const want = 2*100 + 4*4 + 4*50
	var seen []string
	for i, m := range named {
		var texts []string
		for k := range want {
			got := m.push("message", "salon")
			if got.Offset != uint64(k)+1 {
				t.Fatalf("node %d: offset %d after %d", i, got.Offset, k)
			}
			texts = append(texts, got.text())
		}
		m.wantNoMore("salon")
		if i == 0 {
			seen = texts
		} else if !slices.Equal(texts, seen) {
			t.Error("the nodes' viewers saw different sequences")
		}
	}
	wantRows(t, seen, map[string]int{"socket 0": 100, "socket 1": 100})
	near.publish("salon", "end")
	for i, v := range raw {
		if texts := v.mustUntil("end"); !slices.Equal(texts, seen) {
			t.Errorf("node %d: raw viewers saw another sequence: %d messages", i, len(texts))
		}
	}
	steady()
	for i, n := range nodes {
		s := n.metrics()
		for _, name := range []string{"barrage_redis_reconnects_total", "barrage_redis_local_only_total", "barrage_redis_gaps_total",
			"barrage_redis_publish_errors_total", "barrage_connections_closed_total"} {
			if got := s.sum(name); got != 0 {
				t.Errorf("node %d: %s is %v", i, name, got)
			}
		}
	}
}

// wantRows asserts that each source's messages, SOURCE:NUMBER, are there from 0 on,
// in order, and of the given sources how many.
func wantRows(t *testing.T, texts []string, counts map[string]int) {
	t.Helper()
	next := make(map[string]int)
	for _, text := range texts {
		source, number, _ := strings.Cut(text, ":")
		if number != fmt.Sprint(next[source]) {
			t.Fatalf("%q where number %d was next", text, next[source])
		}
		next[source]++
	}
	for source, n := range counts {
		if next[source] != n {
			t.Errorf("%d messages of %q, want %d", next[source], source, n)
		}
	}
}

// watchReady asks the nodes whether they are ready until the function that it
// returns is called, which wants them to have been so all the time.
func watchReady(t *testing.T, nodes []*child) (end func()) {
	stop, done := make(chan struct{}), make(chan string)
	var desks []*child
	for _, n := range nodes {
		desks = append(desks, n.desk())
	}
	go func() { // ends by stop
		wrong := ""
		for {
			select {
			case <-stop:
				done <- wrong
				return
			case <-time.After(20 * time.Millisecond):
			}
			for i, n := range desks {
				if status, body, err := n.get("/readyz"); err != nil || status != 200 {
					wrong = fmt.Sprintf("node %d: %d %s, %v", i, status, body, err)
				}
			}
		}
	}()
	return func() {
		t.Helper()
		close(stop)
		if wrong := <-done; wrong != "" {
			t.Errorf("not ready all the time: %s", wrong)
		}
	}
}
