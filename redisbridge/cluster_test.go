package redisbridge

// A real cluster of six processes.

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"barrage/internal/broker/brokertest"
	"barrage/internal/redistest"
)

const clusterMasters = 3

// For how many milliseconds a node may be silent until the others take it for dead. They
// cut the connection to it, with what they pass on, after half of that.
const (
	clusterCalm  = 10_000
	clusterHasty = 1000
)

type redisCluster struct {
	t     *testing.T
	nodes []*server // masters first, then a replica of each
	buses []int
	ids   []string
}

// startRedisCluster runs three masters with a replica each, with certificates
// for TLS or without.
func startRedisCluster(t *testing.T, certs *certificates) *redisCluster {
	t.Helper()
	if testing.Short() {
		t.Skip("takes seconds to form a cluster")
	}
	c := &redisCluster{t: t}
	for range 2 * clusterMasters {
		bus := redistest.FreePort(t)
		c.buses = append(c.buses, bus)
		s := startSecure(t, certs, "--cluster-enabled", "yes", "--cluster-port", fmt.Sprint(bus), "--cluster-node-timeout", fmt.Sprint(clusterCalm),
			"--cluster-require-full-coverage", "no", "--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0")
		c.nodes = append(c.nodes, s)
		c.ids = append(c.ids, c.do(len(c.nodes)-1, "CLUSTER", "MYID"))
	}
	for i := range c.nodes {
		if i < clusterMasters {
			from, to := i*clusterSlots/clusterMasters, (i+1)*clusterSlots/clusterMasters-1
			c.do(i, "CLUSTER", "ADDSLOTSRANGE", from, to)
			c.do(i, "CLUSTER", "SET-CONFIG-EPOCH", i+1)
		}
		for other := range i { // calm nodes would need long to hear of each other
			c.do(i, "CLUSTER", "MEET", "127.0.0.1", c.nodes[other].peerPort(), c.buses[other])
		}
	}
	c.all("knows the others", func(i int) bool {
		return strings.Contains(c.do(i, "CLUSTER", "INFO"), fmt.Sprintf("cluster_known_nodes:%d", len(c.nodes)))
	})
	for i := clusterMasters; i < len(c.nodes); i++ {
		eventually(t, "the replica accepts its master", func() bool {
			return c.nodes[i].Do(context.Background(), "CLUSTER", "REPLICATE", c.ids[i-clusterMasters]).Err() == nil
		})
	}
	c.all("sees the cluster complete", func(i int) bool {
		info := c.do(i, "CLUSTER", "INFO")
		nodes := c.do(i, "CLUSTER", "NODES")
		link := i < clusterMasters || strings.Contains(c.do(i, "INFO", "replication"), "master_link_status:up")
		return link && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_slots_ok:16384") &&
			strings.Count(nodes, "slave") == clusterMasters
	})
	return c
}

// alarm sets the time of clusterCalm and clusterHasty in all nodes but one that does not
// answer.
func (c *redisCluster) alarm(milliseconds, without int) {
	c.t.Helper()
	for i := range c.nodes {
		if i != without {
			c.do(i, "CONFIG", "SET", "cluster-node-timeout", milliseconds)
		}
	}
}

// handOver has a replica take room a over from its master, with the master's consent. A
// busy Redis may not manage within the 5 s that it has, and is then asked again.
func (c *redisCluster) handOver(to int) {
	c.t.Helper()
	var again time.Time
	eventually(c.t, fmt.Sprintf("node %d is given room a", to), func() bool {
		if c.owner("a") == to {
			return true
		}
		if time.Now().After(again) {
			again = time.Now().Add(6 * time.Second)
			_ = c.nodes[to].Do(context.Background(), "CLUSTER", "FAILOVER").Err() // it may just have become the master
		}
		return false
	})
}

// takeOver waits until a node has taken room a over from one that does not answer. On a
// busy machine any may seem dead to hasty nodes, so that they are hasty no longer.
func (c *redisCluster) takeOver(by, from int) {
	c.t.Helper()
	c.alarm(clusterHasty, from)
	eventually(c.t, fmt.Sprintf("node %d has taken over from %d", by, from), func() bool { return c.owner("a") == by })
	c.alarm(clusterCalm, from)
}

// do sends a command to one node and wants it to work.
func (c *redisCluster) do(i int, args ...any) string {
	c.t.Helper()
	v, err := c.nodes[i].Do(context.Background(), args...).Result()
	if err != nil {
		c.t.Fatalf("%v on node %d: %v", args, i, err)
	}
	return fmt.Sprint(v)
}

func (c *redisCluster) all(what string, ok func(i int) bool) {
	c.t.Helper()
	for i := range c.nodes {
		eventually(c.t, fmt.Sprintf("node %d %s", i, what), func() bool { return ok(i) })
	}
}

func (c *redisCluster) url() string {
	var hosts []string
	for _, s := range c.nodes {
		hosts = append(hosts, s.Addr)
	}
	return "redis+cluster://" + strings.Join(hosts, ",")
}

// owner is the master of a room, as all nodes that live see it.
func (c *redisCluster) owner(room string) int {
	slot := keySlot(newLayout("room:").tag(room))
	for i := range c.nodes {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond) // some are dead
		text, err := c.nodes[i].ClusterNodes(ctx).Result()
		cancel()
		if err != nil {
			continue
		}
		for line := range strings.Lines(text) {
			if !strings.Contains(line, "myself,master") {
				continue
			}
			for _, field := range strings.Fields(line)[8:] {
				var from, to int
				if n, _ := fmt.Sscanf(field, "%d-%d", &from, &to); n == 1 {
					to = from
				}
				if from <= slot && slot <= to {
					return i
				}
			}
		}
	}
	return -1
}

// migrate moves a room's slot to another master, with whatever is in it.
func (c *redisCluster) migrate(room string, from, to int) {
	c.t.Helper()
	slot := keySlot(newLayout("room:").tag(room))
	ctx := context.Background()
	c.do(to, "CLUSTER", "SETSLOT", slot, "IMPORTING", c.ids[from])
	c.do(from, "CLUSTER", "SETSLOT", slot, "MIGRATING", c.ids[to])
	for {
		keys, err := c.nodes[from].ClusterGetKeysInSlot(ctx, slot, 5).Result()
		if err != nil {
			c.t.Fatal(err)
		}
		if len(keys) == 0 {
			break
		}
		args := []any{"MIGRATE", "127.0.0.1", c.nodes[to].Port(), "", 0, 5000, "KEYS"}
		for _, key := range keys {
			args = append(args, key)
		}
		c.do(from, args...)
	}
	for _, i := range []int{to, from} {
		c.do(i, "CLUSTER", "SETSLOT", slot, "NODE", c.ids[to])
	}
}

// flush empties the cluster of keys, and of messages: a node passes on what the
// others publish whenever it comes to it, and a late one would be the next test's.
func (c *redisCluster) flush() {
	c.t.Helper()
	c.settle()
	for i := range clusterMasters {
		c.do(i, "FLUSHALL")
	}
}

// settle waits until every node has passed on what was published on any. Between
// two nodes messages keep their order, so a last one tells.
func (c *redisCluster) settle() {
	c.t.Helper()
	ctx, channel := context.Background(), "settle"
	for to, s := range c.nodes {
		sub := s.Subscribe(ctx, channel)
		if _, err := sub.Receive(ctx); err != nil {
			c.t.Fatalf("subscribe on node %d: %v", to, err)
		}
		heard := make(map[string]bool)
		eventually(c.t, fmt.Sprintf("node %d hears the others", to), func() bool {
			for from, s := range c.nodes {
				s.say(channel, fmt.Sprint(from))
			}
			for len(heard) < len(c.nodes) {
				event, err := sub.ReceiveTimeout(ctx, 100*time.Millisecond)
				if err != nil {
					return false // one was lost with a connection between nodes
				}
				heard[event.(*redis.Message).Payload] = true
			}
			return true
		})
		sub.Close()
	}
}

func TestCluster(t *testing.T) {
	for _, sharded := range []bool{false, true} {
		t.Run(fmt.Sprintf("sharded=%v", sharded), func(t *testing.T) {
			t.Parallel()
			c := startRedisCluster(t, nil)
			base := func(make func(string) Config) Config {
				cfg := kept(make(c.url()), plenty)
				cfg.Sharded = sharded
				return cfg
			}
			t.Run("orders", func(t *testing.T) { testOrders(t, newOrders(t, c.url()), c.flush) })
			t.Run("conformance", func(t *testing.T) {
				brokertest.Run(t, 2, func(t *testing.T, retention brokertest.Retention, n int) *brokertest.Cluster {
					c.flush()
					cfg := base(calmConfig)
					cfg.Retention, cfg.Target = retention, brokertest.Target
					return startNodes(t, cfg, n)
				})
			})
			t.Run("outside", func(t *testing.T) {
				n := healthyNode(t, base(calmConfig), "a", "b")
				for i, s := range c.nodes { // replicas pass it on as well
					s.say("room:a", fmt.Sprint("from node ", i))
					n.waitFor(fmt.Sprint("from node ", i))
				}
			})
			t.Run("odd names", func(t *testing.T) { testOddNames(t, base(calmConfig)) })
			t.Run("many rooms", func(t *testing.T) { testClusterRooms(t, c, base(calmConfig)) })
			t.Run("slot migration", func(t *testing.T) { testMigration(t, c, base(steadyConfig)) })
			t.Run("clients killed", func(t *testing.T) {
				c.flush()
				st := startStorm(t, base(steadyConfig), 2, true)
				for i := range c.nodes {
					st.flow()
					for _, kind := range []string{"pubsub", "normal"} {
						c.do(i, "CLIENT", "KILL", "TYPE", kind)
					}
				}
				st.flow()
				st.finish(noGaps)
			})
		})
	}
}

// Rooms on all masters come and go.
func testClusterRooms(t *testing.T, c *redisCluster, cfg Config) {
	cfg.Linger = 100 * time.Millisecond
	n := healthyNode(t, cfg)
	const rooms = 1000
	name := func(i int) string { return fmt.Sprintf("room-%d", i) }
	for i := range rooms {
		n.setMembers(name(i), 1)
		n.Want(name(i))
	}
	eventually(t, "all rooms are ready", func() bool { return n.Stats().Subscriptions == rooms })
	if links := n.Stats().ShardLinks; cfg.Sharded && links != clusterMasters {
		t.Errorf("%d connections for sharded pub/sub, want one for each master", links)
	}
	for i := range rooms {
		if !n.try(name(i), name(i)) {
			t.Fatal("refused")
		}
	}
	eventually(t, "every room got its message", func() bool { return len(n.deliveries()) == rooms })
	for i := range rooms {
		n.setMembers(name(i), 0)
	}
	left := func() (count int) {
		for _, s := range c.nodes {
			for _, command := range []string{"CHANNELS", "SHARDCHANNELS"} {
				list, err := s.Do(context.Background(), "PUBSUB", command).StringSlice()
				if err != nil {
					t.Fatal(err)
				}
				for _, channel := range list {
					if strings.Contains(channel, "room-") {
						count++
					}
				}
			}
		}
		return count
	}
	eventually(t, "all rooms are unsubscribed", func() bool { return left() == 0 })
}

// A slot moves there and back under three rooms' publishers.
func testMigration(t *testing.T, c *redisCluster, cfg Config) {
	c.flush() // it remembers the keys of other storms
	st := startStorm(t, cfg, 2, true)
	st.flow()
	from := c.owner("a")
	to := (from + 1) % clusterMasters
	c.migrate("a", from, to)
	st.flow()
	c.migrate("a", to, from)
	st.flow()
	st.finish(noGaps)
}

func TestClusterFailover(t *testing.T) {
	for _, sharded := range []bool{false, true} {
		t.Run(fmt.Sprintf("sharded=%v", sharded), func(t *testing.T) {
			t.Parallel()
			c := startRedisCluster(t, nil)
			cfg := kept(steadyConfig(c.url()), plenty)
			cfg.Sharded = sharded
			st := startStorm(t, cfg, 3, true)
			st.flow()
			owner := c.owner("a")
			replica := owner + clusterMasters
			// With the master's consent nothing is lost.
			c.handOver(replica)
			st.flow()
			// Without, what it had not passed on is.
			c.nodes[replica].Kill()
			c.takeOver(owner, replica)
			st.masterLost()
			st.flow()
			st.finish(maybeGaps)
		})
	}
}

// A master freezes: its connections stay open, the others elect its replica, and
// when it thaws it is a replica that still has what was sent to it before.
func TestClusterMasterFrozen(t *testing.T) {
	for _, sharded := range []bool{false, true} {
		t.Run(fmt.Sprintf("sharded=%v", sharded), func(t *testing.T) {
			t.Parallel()
			c := startRedisCluster(t, nil)
			cfg := kept(steadyConfig(c.url()), plenty)
			cfg.Sharded = sharded
			st := startStorm(t, cfg, 2, true)
			st.flow()
			owner := c.owner("a")
			c.nodes[owner].Freeze()
			c.takeOver(owner+clusterMasters, owner)
			elected := time.Now()
			for i, n := range st.nodes {
				p := message("a", fmt.Sprint("a/from node ", i))
				p.Key = string(p.Payload)
				eventually(t, "its rooms go on", func() bool {
					_, err := n.Publish(context.Background(), p)
					return err == nil
				})
			}
			t.Logf("all nodes publish again %v after the election", time.Since(elected).Round(time.Millisecond))
			st.flow()
			c.nodes[owner].Thaw()
			eventually(t, "the old master follows", func() bool {
				return strings.Contains(c.do(owner, "INFO", "replication"), "master_link_status:up")
			})
			st.flow()
			st.masterLost()
			st.flow()
			// What the master had acknowledged and not passed on is gone with it.
			st.finish(maybeGaps)
		})
	}
}
