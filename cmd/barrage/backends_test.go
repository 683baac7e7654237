package main

// This file tests what a node has of other programs.

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"barrage/internal/broker"
	"barrage/internal/machine"
	"barrage/internal/redistest"
)

// startNode starts a node in this process, which the caller closes.
func startNode(t *testing.T, settings string, flags ...string) *node {
	t.Helper()
	cfg, err := load(t, settings, "", append([]string{"--listen=127.0.0.1:0", "--admin=127.0.0.1:0", "--shards=1"}, flags...)...)
	if err != nil {
		t.Fatal(err)
	}
	n, err := newNode(nodeDeps{cfg: &cfg, log: slog.New(slog.DiscardHandler), registry: prometheus.NewRegistry(), capacity: machine.CapacityFor(1024), fatal: make(chan error, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	return n.(*node)
}

// TestEventStreamAtStop: what is still to be told when a node stops reaches the
// stream, in order, though the node ends its client of Redis too.
func TestEventStreamAtStop(t *testing.T) {
	server := redistest.Start(t)
	n := startNode(t, "", "--redis="+server.URL(), "--event-stream=told", "--event-types=publish")
	const messages = 100
	want := make([]string, messages)
	for i := range want {
		r, err := n.Publish(t.Context(), &broker.Publication{Room: "salon", Format: broker.Text, Payload: fmt.Append(nil, i)})
		if err != nil {
			n.Close()
			t.Fatal(err)
		}
		want[i] = r.ID
	}
	n.Close()

	entries, err := server.XRange(t.Context(), "told", "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != messages {
		t.Fatalf("%d events, want %d", len(entries), messages)
	}
	for i, e := range entries {
		if text := fmt.Sprint(e.Values["event"]); e.Values["type"] != "publish" || e.Values["room"] != "salon" || !strings.Contains(text, want[i]) {
			t.Errorf("event %d is %v, want message %s", i, e.Values, want[i])
		}
	}
}
