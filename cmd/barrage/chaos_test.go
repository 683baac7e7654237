package main

// Faults without end: viewers that come and go, publishers that insist, three
// nodes and a Redis that are killed and frozen in turn. Nothing that was
// acknowledged may be missing, twice, or out of order for anybody. It runs only
// where BARRAGE_CHAOS says for how long (make chaos); BARRAGE_CHAOS_VIEWERS is
// how many.

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"barrage/internal/redistest"
)

const (
	chaosRoom       = "chaos"
	chaosPublishers = 4
	chaosRate       = 200 // messages a second of all publishers
)

func chaosDuration(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("BARRAGE_CHAOS")
	if text == "" {
		t.Skip("runs for as long as BARRAGE_CHAOS says, such as 60s")
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func chaosViewers(t *testing.T) int {
	t.Helper()
	text := os.Getenv("BARRAGE_CHAOS_VIEWERS")
	if text == "" {
		return 1000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestChaos(t *testing.T) {
	d, viewers := chaosDuration(t), chaosViewers(t)
	bin := buildBinary(t)
	t.Run("one Redis", func(t *testing.T) {
		r := newRedis(t)
		r.startKept()
		c := newChaos(t, bin, viewers, r.url())
		c.run(d, []fault{
			{"Redis is killed and restarted", func() { r.Kill(); c.pause(time.Second); r.startKept() }},
			{"Redis is frozen", func() { r.Freeze(); c.pause(min(10*time.Second, d/4)); r.Thaw() }},
			{"subscriptions are killed", func() { r.killClients("pubsub") }},
			{"clients are killed", func() { r.killClients("normal") }},
			{"a node is killed and restarted", func() { n := c.kill(); c.pause(time.Second); c.restart(n) }},
			{"a node is restarted while Redis is frozen", func() {
				r.Freeze()
				n := c.kill()
				c.restart(n)
				c.pause(3 * time.Second)
				r.Thaw()
			}},
			{"Redis is frozen as a node comes back", func() {
				n := c.kill()
				c.restart(n)
				r.Freeze()
				c.pause(2500 * time.Millisecond) // longer than joins wait, and too short for an outage
				r.Thaw()
			}},
		})
	})
	t.Run("sentinels", func(t *testing.T) {
		s := startSentinels(t)
		c := newChaos(t, bin, viewers, s.url())
		c.run(d, []fault{
			{"the master is killed", s.killMaster},
			{"a node is killed and restarted", func() { n := c.kill(); c.pause(time.Second); c.restart(n) }},
			{"subscriptions are killed", func() { s.redis[s.master].killClients("pubsub") }},
		})
	})
}

// chaos is one run.
type chaos struct {
	t     *testing.T
	bin   binary
	args  []string
	addrs []chaosAddr // of the nodes, fixed
	nodes []*child    // the test's goroutine only

	log      *chaosLog
	viewers  []*chaosViewer
	acked    atomic.Int64
	stop     atomic.Int64                 // when publishers end, in Unix nanoseconds
	target   atomic.Pointer[chaosMessage] // the last message: viewers that have it are done
	deadline atomic.Int64                 // when even that must be over, likewise
	wg       sync.WaitGroup               // viewers
	counts   chaosCounts
}

type chaosAddr struct{ ws, admin string }

type chaosCounts struct {
	deliveries, resumes, refills, retries, slow atomic.Int64
	spoken                                      atomic.Int64 // acknowledged over sockets
	replayed, spokenBefore                      atomic.Int64 // acknowledged, and had been there already; over sockets
}

type fault struct {
	name  string
	cause func()
}

func newChaos(t *testing.T, bin binary, viewers int, redisFlag string) *chaos {
	t.Helper()
	c := &chaos{t: t, bin: bin, log: newChaosLog()}
	c.args = []string{redisFlag, "--shards=2", "--redis-outage=refuse", "--history=*=100000/1h", "--publish-rate=1000000", "--publish-burst=1000000"}
	c.stop.Store(math.MaxInt64)
	c.deadline.Store(math.MaxInt64)
	for i := range 3 {
		c.addrs = append(c.addrs, chaosAddr{redistest.FreeAddr(t), redistest.FreeAddr(t)})
		c.nodes = append(c.nodes, nil)
		c.restart(i)
	}
	for _, n := range c.nodes {
		n.waitReady()
	}
	for i := range viewers {
		c.viewers = append(c.viewers, &chaosViewer{
			c: c, name: i, rng: rand.New(rand.NewPCG(uint64(i), 1)), chaosConn: chaosConn{log: c.log, who: fmt.Sprint("viewer ", i)},
		})
	}
	return c
}

// kill ends some node as kill -9 does.
func (c *chaos) kill() int {
	i := rand.IntN(len(c.nodes))
	c.nodes[i].signal(syscall.SIGKILL)
	await(c.t, "the node's end", c.nodes[i].gone)
	return i
}

// restart starts a node where it was.
func (c *chaos) restart(i int) {
	args := append([]string{"serve", "--listen=" + c.addrs[i].ws, "--admin=" + c.addrs[i].admin}, c.args...)
	c.nodes[i] = start(c.t, c.bin.command(context.Background(), nil, args...))
}

func (c *chaos) pause(d time.Duration) { time.Sleep(d) } // the length of a fault; no verdict depends on it

// run has everybody come, causes the faults in turn until the time is over, and
// then demands that all have got everything.
func (c *chaos) run(d time.Duration, faults []fault) {
	var here sync.WaitGroup // all are at the beginning of the history before there is one
	here.Add(len(c.viewers))
	for _, v := range c.viewers {
		c.wg.Go(func() { v.run(here.Done) })
	}
	here.Wait()
	var publishers sync.WaitGroup
	for i := range chaosPublishers {
		publishers.Go(func() { c.publish(i) })
	}
	begin := time.Now()
	for i := 0; ; i++ {
		c.calm(d / 20)
		if i >= len(faults) && time.Since(begin) > d {
			break
		}
		f := faults[i%len(faults)]
		c.t.Logf("%5.1fs: %s", time.Since(begin).Seconds(), f.name)
		f.cause()
	}
	c.stop.Store(time.Now().UnixNano())
	publishers.Wait()
	took := time.Since(begin)
	c.target.Store(c.log.last())
	c.deadline.Store(time.Now().Add(patience).UnixNano())
	c.wg.Wait()
	c.judge(took)
}

// calm waits until publishers get through again, and for a while.
func (c *chaos) calm(d time.Duration) {
	c.t.Helper()
	goal := c.acked.Load() + chaosRate/2
	await(c.t, "publishers to get through again", func() bool { return c.acked.Load() > goal })
	c.pause(d)
}

// startKept starts a Redis that loses nothing it has acknowledged.
func (s *redisServer) startKept(more ...string) {
	s.t.Helper()
	s.Start(append([]string{"--appendonly", "yes", "--appendfsync", "always"}, more...)...)
}

// killClients has Redis close all connections of a kind, but for its own.
func (s *redisServer) killClients(kind string) {
	s.t.Helper()
	if n, err := s.ClientKillByFilter(context.Background(), "TYPE", kind, "SKIPME", "yes").Result(); err != nil || n == 0 {
		s.t.Errorf("killed %d clients, %v", n, err)
	}
}
