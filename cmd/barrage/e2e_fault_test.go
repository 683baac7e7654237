package main

// Redis fails in every way; the nodes do not.

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"barrage/frame"
)

// noneTwice asserts that no text comes twice, and returns how often each does.
func noneTwice(t *testing.T, who string, texts []string) map[string]int {
	t.Helper()
	times := make(map[string]int)
	for _, text := range texts {
		if times[text]++; times[text] == 2 {
			t.Errorf("%s got %q twice", who, text)
		}
	}
	return times
}

// stream publishes numbers through a node's API, one after the other, until stop
// is closed; then it returns how many.
func stream(n *child, room string, stop <-chan struct{}) <-chan int {
	count := make(chan int, 1)
	go func() { // ends by stop
		i := 0
		defer func() { count <- i }()
		for ; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := n.post(room, "text/plain", strconv.Itoa(i)); err != nil {
				n.t.Error(err)
				return
			}
		}
	}()
	return count
}

// redisKilled cuts the subscriptions and then kills Redis, under traffic.
func redisKilled(t *testing.T, bin binary) {
	c := startCluster(t, bin, 2)
	vs := c.join("salon", 1)
	phase := func(end string, fault func()) (sent int, seen [][]string) {
		t.Helper()
		stop := make(chan struct{})
		count := stream(c.nodes[0], "salon", stop)
		fault()
		c.redis.waitSubscribers("salon", 2)
		for _, n := range c.nodes {
			n.waitReady()
		}
		close(stop)
		sent = <-count
		if n := c.redis.say("salon", end); n != 2 {
			t.Errorf("after the fault, PUBLISH reaches %d nodes", n)
		}
		for i, v := range vs {
			texts := v.mustUntil(end)
			noneTwice(t, fmt.Sprintf("%s: viewer %d", end, i), texts)
			seen = append(seen, texts)
		}
		return sent, seen
	}

	sent, seen := phase("subscriptions are back", func() {
		if n, err := c.redis.ClientKillByFilter(context.Background(), "TYPE", "pubsub").Result(); err != nil || n != 2 {
			t.Errorf("killed %d, %v", n, err)
		}
		for _, n := range c.nodes {
			await(t, "a new subscription connection", func() bool { return n.metrics()["barrage_redis_reconnects_total"] > 0 })
		}
	})
	for i, texts := range seen {
		if !slices.IsSortedFunc(texts, byNumber) {
			t.Errorf("viewer %d: out of order: %v", i, texts)
		}
		t.Logf("CLIENT KILL: viewer %d got %d of %d", i, len(texts), sent)
	}
	sent, seen = phase("Redis is back", func() {
		c.redis.Kill()
		c.redis.Start()
	})
	t.Logf("kill -9: the viewers got %d and %d of %d", len(seen[0]), len(seen[1]), sent)
}

func byNumber(a, b string) int {
	x, _ := strconv.Atoi(a)
	y, _ := strconv.Atoi(b)
	return x - y
}

// redisFrozen: local members are served meanwhile, and afterwards nothing comes
// twice although Redis then executes what had reached it.
func redisFrozen(t *testing.T, bin binary) {
	c := startCluster(t, bin, 2, "--redis-timeout=300ms")
	n := c.nodes[0]
	here := []*viewer{n.join("salon"), n.join("salon")}
	there := c.nodes[1].join("salon")
	n.publish("salon", "before")
	for _, v := range append(here, there) {
		v.want(frame.Text, "before")
	}
	c.redis.Freeze()
	frozen := time.Now()
	local := func(text string) {
		t.Helper()
		if p := n.publish("salon", text); !p.LocalOnly || p.DeliveredTo != 2 {
			t.Errorf("%s: %+v", text, p)
		}
		here[0].mustSend(frame.Text, text+" by socket")
	}
	local("not yet noticed")
	await(t, "the outage to be noticed", func() bool { ok, _ := n.ready(); return !ok })
	_, reasons := n.ready()
	noticed := time.Since(frozen).Round(10 * time.Millisecond)
	t.Logf("not ready %v after the freeze: %q", noticed, reasons)
	if noticed > 10*time.Second || !strings.Contains(strings.Join(reasons, " "), "redis") {
		t.Errorf("not ready after %v: %q", noticed, reasons)
	}
	local("noticed")
	if p, err := n.post("user:bob", "text/plain", "letter"); err == nil || !strings.Contains(err.Error(), "unavailable") {
		t.Errorf("a message that could not wait for bob: %+v, %v", p, err)
	}
	late := n.join("fresh-room") // nobody waits for a Redis that is gone
	n.publish("fresh-room", "served")
	late.want(frame.Text, "served")
	await(t, "all five to be counted", func() bool { return n.metrics()["barrage_redis_local_only_total"] >= 5 })
	n.wantMetrics(samples{"barrage_redis_probe_success": 0})

	c.redis.Thaw()
	thawed := time.Now()
	for _, n := range c.nodes {
		n.waitReady()
	}
	t.Logf("ready again %v after the thaw", time.Since(thawed).Round(10*time.Millisecond))
	c.redis.waitSubscribers("salon", 2)
	if p := n.publish("salon", "after"); p.LocalOnly {
		t.Errorf("after the thaw: %+v", p)
	}
	c.redis.say("salon", "end")
	seen := [][]string{here[0].mustUntil("end"), here[1].mustUntil("end"), there.mustUntil("end")}
	if !slices.Equal(seen[0], seen[1]) {
		t.Errorf("the local members disagree: %q, %q", seen[0], seen[1])
	}
	times := noneTwice(t, "a local member", seen[0])
	for _, text := range []string{"not yet noticed", "not yet noticed by socket", "noticed", "noticed by socket", "after"} {
		if times[text] != 1 {
			t.Errorf("local members got %q %d times", text, times[text])
		}
	}
	times = noneTwice(t, "the remote member", seen[2])
	if times["after"] != 1 || times["noticed"] != 0 {
		t.Errorf("the remote member got %q", seen[2])
	}
}

// redisComesLater: a node serves before Redis does, and joins it when it comes.
func redisComesLater(t *testing.T, bin binary) {
	r := newRedis(t)
	n := bin.serve(t, r.url(), "--redis-timeout=300ms")
	if ok, reasons := n.ready(); ok || !strings.Contains(strings.Join(reasons, " "), "redis") {
		t.Errorf("ready %v: %q", ok, reasons)
	}
	v := n.join("salon")
	if p := n.publish("salon", "alone"); !p.LocalOnly || p.DeliveredTo != 1 {
		t.Errorf("alone: %+v", p)
	}
	v.want(frame.Text, "alone")
	r.Start()
	n.waitReady()
	r.waitSubscribers("salon", 1)
	r.say("salon", "joined")
	v.want(frame.Text, "joined")
	if p := n.publish("salon", "together"); p.LocalOnly {
		t.Errorf("together: %+v", p)
	}
	v.want(frame.Text, "together")
}
