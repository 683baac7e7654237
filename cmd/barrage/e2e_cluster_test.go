package main

// Three nodes that share one Redis.

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"barrage/frame"
)

type cluster struct {
	t     *testing.T
	redis *redisServer
	nodes []*child
}

// startCluster starts Redis and n nodes on it, and waits until they are ready.
func startCluster(t *testing.T, bin binary, n int, args ...string) *cluster {
	t.Helper()
	c := &cluster{t: t, redis: startedRedis(t)}
	args = append([]string{c.redis.url(), "--publish-rate=1000000", "--publish-burst=1000000"}, args...)
	for range n {
		c.nodes = append(c.nodes, bin.serve(t, args...))
	}
	for _, node := range c.nodes {
		node.waitReady()
	}
	return c
}

// join puts each viewers into a room on every node.
func (c *cluster) join(room string, each int) (vs []*viewer) {
	c.t.Helper()
	for _, node := range c.nodes {
		for range each {
			vs = append(vs, node.join(room))
		}
	}
	return vs
}

func threeNodes(t *testing.T, bin binary) {
	// However slow the machine is, Redis is well here.
	c := startCluster(t, bin, 3, "--redis-timeout=20s", "--redis-linger=1s", "--redis-channels=news=plain")
	c.reach()
	c.order()
	c.freshRooms()
}

// reach: whoever publishes, and however, all nodes' members get it.
func (c *cluster) reach() {
	t := c.t
	vs := c.join("plain", 1)
	all := func(op frame.Opcode, payload string) {
		t.Helper()
		for _, v := range vs {
			v.want(op, payload)
		}
	}
	if n := c.redis.say("plain", "from a program"); n != 3 {
		t.Errorf("PUBLISH reached %d nodes", n)
	}
	all(frame.Text, "from a program")
	c.redis.cli("plain", "from redis-cli, \"quoted\" héé")
	all(frame.Text, "from redis-cli, \"quoted\" héé")
	c.redis.cli("plain", "\x00\xff")
	all(frame.Binary, "\x00\xff")
	if err := c.redis.Publish(context.Background(), "news", "from another channel").Err(); err != nil {
		t.Fatal(err)
	}
	all(frame.Text, "from another channel")
	if p := c.nodes[0].publish("plain", "from the API"); p.DeliveredTo != 1 || p.ID == "" || p.LocalOnly {
		t.Errorf("answer %+v", p)
	}
	all(frame.Text, "from the API")
	if _, err := c.nodes[1].post("plain", "application/octet-stream", "text as binary"); err != nil {
		t.Fatal(err)
	}
	all(frame.Binary, "text as binary")
	vs[2].mustSend(frame.Text, "from a socket")
	all(frame.Text, "from a socket")
	vs[1].mustSend(frame.Binary, "\xfe")
	all(frame.Binary, "\xfe")
}

// order: three publish at once, by three ways; all members everywhere see one
// sequence, in which nothing is missing and nothing comes twice.
func (c *cluster) order() {
	t := c.t
	const each = 500
	vs := c.join("order", 2)
	got := make([]chan []string, len(vs))
	for i, v := range vs {
		got[i] = make(chan []string, 1)
		go func() { // ends with the last message or the connection
			texts, err := v.until("end")
			if err != nil {
				t.Error(err)
			}
			got[i] <- texts
		}()
	}
	errs := make(chan error, 2)
	publish := func(name string, one func(text string) error) {
		for i := range each {
			if err := one(fmt.Sprint(name, " ", i)); err != nil {
				errs <- err
				return
			}
		}
		errs <- nil
	}
	go publish("api", func(text string) error { // ends by itself
		p, err := c.nodes[0].post("order", "text/plain", text)
		if err == nil && p.LocalOnly {
			err = fmt.Errorf("%s was local only", text)
		}
		return err
	})
	go publish("plain", func(text string) error { // ends by itself
		return c.redis.Publish(context.Background(), "room:order", text).Err()
	})
	socket := vs[2] // of the second node
	for i := range each {
		socket.mustSend(frame.Text, fmt.Sprint("socket ", i))
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	// What came through the API and as PUBLISH is acknowledged; behind what this
	// socket sent comes only what it sends.
	socket.mustSend(frame.Text, "end")
	first := <-got[0]
	for i := 1; i < len(vs); i++ {
		if texts := <-got[i]; !slices.Equal(texts, first) {
			t.Errorf("viewer %d saw another sequence: %d messages, the first viewer %d", i, len(texts), len(first))
		}
	}
	next := map[string]int{"api": 0, "plain": 0, "socket": 0}
	for _, text := range first {
		name, number, _ := strings.Cut(text, " ")
		if number != fmt.Sprint(next[name]) {
			t.Fatalf("%q where number %d was next", text, next[name])
		}
		next[name]++
	}
	if len(first) != 3*each {
		t.Errorf("%d messages, want %d: %v", len(first), 3*each, next)
	}
}

// freshRooms: a client that has read its 101 misses nothing, even as the room's first
// member; and rooms without members are not subscribed.
func (c *cluster) freshRooms() {
	t := c.t
	const rooms = 50
	var vs []*viewer
	for i := range rooms {
		room := fmt.Sprintf("fresh-%d", i)
		v := c.nodes[i%3].join(room)
		if n := c.redis.say(room, room); n != 1 {
			t.Errorf("%s: PUBLISH reached %d nodes, want the one with a member", room, n)
		}
		vs = append(vs, v)
	}
	for i, v := range vs {
		v.want(frame.Text, fmt.Sprintf("fresh-%d", i))
		_ = v.conn.Close()
	}
	await(t, "empty rooms to be given up", func() bool {
		channels, err := c.redis.PubSubChannels(context.Background(), "*fresh-*").Result()
		return err == nil && len(channels) == 0
	})
	if n := c.redis.say("never-joined", "x"); n != 0 {
		t.Errorf("%d nodes listen to a room that never had a member", n)
	}
	if got := c.redis.subscribers("plain"); got != 3 {
		t.Errorf("%d nodes listen to a room with members on three", got)
	}
}
