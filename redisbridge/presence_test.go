package redisbridge

// Presence against a real Redis: registries of several nodes that share it.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"barrage/edge/presence"
	"barrage/internal/bounds"
)

// hereNode is a registry with its Run and its connection to Redis.
type hereNode struct {
	*presence.Registry
	t     testing.TB
	store *Presence
	stop  func() // waits for Run

	mu   sync.Mutex
	told []string // guarded by mu
}

// startHere starts a node that syncs often. Its lease is long: on a slow machine
// a node must not seem dead.
func startHere(t testing.TB, url string, cfg PresenceConfig) *hereNode {
	t.Helper()
	cfg.Lease = cmp.Or(cfg.Lease, 2*patience)
	store := newHere(t, url, cfg)
	g, err := presence.New(presence.Config{Store: store, SyncInterval: 10 * time.Millisecond,
		RenewInterval: 50 * time.Millisecond, Grace: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	n := &hereNode{Registry: g, t: t, store: store}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { // ends with ctx
		defer close(done)
		g.Run(ctx)
	}()
	n.stop = func() { cancel(); <-done }
	t.Cleanup(func() { n.stop() })
	return n
}

// newHere makes a store, with a client of its own unless it has one.
func newHere(t testing.TB, url string, cfg PresenceConfig) *Presence {
	t.Helper()
	cfg.Timeout = cmp.Or(cfg.Timeout, patience)
	if cfg.Client == nil {
		client, err := NewClient(Config{URL: url, Timeout: cfg.Timeout})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
				t.Errorf("Close: %v", err)
			}
		})
		cfg.Client = client
	}
	p, err := NewPresence(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// kill makes the node mute from one moment to the next.
func (n *hereNode) kill() {
	if err := n.store.redis.Close(); err != nil {
		n.t.Error(err)
	}
	n.stop()
}

func (n *hereNode) waitCount(room string, users, conns int) {
	n.t.Helper()
	eventually(n.t, fmt.Sprintf("%d users and %d connections in %s", users, conns, room), func() bool {
		u, c := n.Count(room)
		return u == users && c == conns
	})
}

// events polls Due and returns all it announced so far.
func (n *hereNode) events() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.Due(time.Now()) {
		if c.User != nil {
			n.told = append(n.told, fmt.Sprint(c.Kind, " ", c.User.ID))
		}
	}
	return slices.Clone(n.told)
}

func (n *hereNode) waitEvent(event string) {
	n.t.Helper()
	eventually(n.t, event, func() bool { return slices.Contains(n.events(), event) })
}

func hereUser(id string) *presence.User {
	return &presence.User{ID: id, Name: "Name of " + id, Avatar: "/" + id + ".png"}
}

func TestPresenceAcrossNodes(t *testing.T) {
	s := startRedis(t)
	testPresenceAcrossNodes(t, s.URL(), PresenceConfig{}, "r")
}

// TestPresenceOnACluster: one server, but in cluster mode it refuses keys of
// different slots all the same.
func TestPresenceOnACluster(t *testing.T) {
	s := startRedis(t, "--cluster-enabled", "yes")
	ctx := context.Background()
	if err := s.Do(ctx, "CLUSTER", "ADDSLOTSRANGE", 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the cluster is up", func() bool {
		return strings.Contains(s.ClusterInfo(ctx).Val(), "cluster_state:ok")
	})
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{s.Addr}})
	t.Cleanup(func() { client.Close() })
	// Braces of ids are no braces of keys.
	for _, room := range []string{"r", "user:{auth0|r}", "user:}a{b}", "}", "}x", "{}x", "直播间", "user:" + strings.Repeat("r", 256)} {
		t.Run(room[:min(len(room), 20)], func(t *testing.T) { testPresenceAcrossNodes(t, "", PresenceConfig{Client: client}, room) })
	}
}

func testPresenceAcrossNodes(t *testing.T, url string, cfg PresenceConfig, room string) {
	a, b := startHere(t, url, cfg), startHere(t, url, cfg)
	a.Join(room, hereUser("x"))
	a.Join(room, nil)
	a.Join(room+"2", hereUser("z"))
	a.waitEvent("join x")
	b.Join(room, hereUser("y"))
	b.Join(room, hereUser("x"))
	for _, n := range []*hereNode{a, b} {
		n.waitCount(room, 2, 4) // x once
	}
	b.waitEvent("join y")
	l, err := b.Cluster(context.Background(), room, -1)
	if err != nil || len(l.Users) != 2 || !l.Complete || l.Total != 2 || l.Connections != 4 {
		t.Fatalf("list %+v, %v", l, err)
	}
	for _, e := range l.Users {
		if *e.User != *hereUser(e.User.ID) || e.Joined == 0 {
			t.Errorf("user %+v joined at %d", *e.User, e.Joined)
		}
	}
	a.Leave(room, "x")
	b.Leave(room, "y")
	b.waitEvent("leave y")
	a.waitCount(room, 1, 2)
	b.waitCount(room, 1, 2)
	b.Leave(room, "x")
	b.waitEvent("leave x")
	a.waitCount(room, 0, 1)
	if got := fmt.Sprint(a.events()); got != "[join x join z]" && got != "[join z join x]" {
		t.Errorf("the first node told %s", got)
	}
	if got := fmt.Sprint(b.events()); got != "[join y leave y leave x]" {
		t.Errorf("the second node told %s", got)
	}
	found := []string(nil)
	if err := b.store.Rooms(context.Background(), room[:1]+"*", func(name string) bool { found = append(found, name); return true }); err != nil || !slices.Contains(found, room+"2") {
		t.Errorf("rooms found: %q, %v", found, err)
	}
	if counts, err := b.Cluster(context.Background(), room+"2", 0); err != nil || counts.Total != 1 || counts.Connections != 1 {
		t.Errorf("a room of the other node only: %+v, %v", counts, err)
	}
}

func TestPresenceHealsWhenANodeDies(t *testing.T) {
	s := startRedis(t)
	cfg := PresenceConfig{Lease: 2 * time.Second}
	a, b := startHere(t, s.URL(), cfg), startHere(t, s.URL(), cfg)
	for _, id := range []string{"u1", "u2"} {
		a.Join("r", hereUser(id))
	}
	b.Join("r", hereUser("u3"))
	b.waitCount("r", 3, 3)
	b.events()
	a.kill()
	b.Join("r", hereUser("u2")) // its user comes back
	b.waitCount("r", 2, 2)
	b.waitEvent("leave u1")
	if slices.Contains(b.events(), "leave u2") {
		t.Error("told that u2 left")
	}
	if n := s.ZCard(context.Background(), "barrage:here:{r}:nodes").Val(); n != 1 {
		t.Errorf("%d nodes are kept, want 1", n)
	}
}

func TestPresenceNodeThatEndsGoesAtOnce(t *testing.T) {
	s := startRedis(t)
	a, b := startHere(t, s.URL(), PresenceConfig{}), startHere(t, s.URL(), PresenceConfig{})
	a.Join("r", hereUser("u1"))
	b.Join("r", hereUser("u2"))
	b.waitCount("r", 2, 2)
	a.stop()
	b.waitCount("r", 1, 1) // long before the lease
}

func TestPresenceRedisRestartedEmpty(t *testing.T) {
	s := startRedis(t)
	cfg := PresenceConfig{Timeout: time.Second}
	a, b := startHere(t, s.URL(), cfg), startHere(t, s.URL(), cfg)
	for i := range 50 {
		a.Join("r"+strconv.Itoa(i), hereUser("u1"))
		b.Join("r"+strconv.Itoa(i), hereUser("u2"))
	}
	b.waitCount("r49", 2, 2)
	s.Kill()
	eventually(t, "the outage is seen", func() bool { return a.Stats().StoreDown && b.Stats().StoreDown })
	a.Join("r0", hereUser("u3"))
	a.waitEvent("join u3") // the local view goes on
	if l := a.List("r0", -1); l.Total != 2 {
		t.Errorf("%d users here, want 2", l.Total)
	}
	a.Leave("r49", "u1")
	s.Restart()
	a.waitCount("r0", 3, 3)
	b.waitCount("r0", 3, 3)
	for i := 1; i < 49; i++ {
		b.waitCount("r"+strconv.Itoa(i), 2, 2)
	}
	b.waitCount("r49", 1, 1)
	eventually(t, "all rooms are in Redis again", func() bool {
		keys, err := s.Keys(context.Background(), "barrage:here:*:nodes").Result()
		return err == nil && len(keys) == 50
	})
}

// TestPresenceRedisFrozen: what was sent into the freeze is executed late, and
// must not undo what was sent after it.
func TestPresenceRedisFrozen(t *testing.T) {
	s := startRedis(t)
	cfg := PresenceConfig{Timeout: 200 * time.Millisecond}
	a, b := startHere(t, s.URL(), cfg), startHere(t, s.URL(), cfg)
	a.Join("r", hereUser("u1"))
	b.Join("r", hereUser("u2"))
	b.waitCount("r", 2, 2)
	s.Freeze()
	for i := range 20 {
		a.Join("r", hereUser("late"+strconv.Itoa(i)))
		time.Sleep(20 * time.Millisecond) // spreads them over a few attempts; nothing depends on it
	}
	for i := range 19 {
		a.Leave("r", "late"+strconv.Itoa(i))
	}
	eventually(t, "the outage is seen", func() bool { return a.Stats().StoreDown && b.Stats().StoreDown })
	s.Thaw()
	b.waitCount("r", 3, 3)
	eventually(t, "list", func() bool {
		l, err := b.Cluster(context.Background(), "r", -1)
		return err == nil && l.Complete && l.Total == 3
	})
}

func TestPresenceVersions(t *testing.T) {
	s := startRedis(t)
	p := newHere(t, s.URL(), PresenceConfig{})
	set := func(ids ...string) (list []presence.Entry) {
		for _, id := range ids {
			list = append(list, presence.Entry{User: hereUser(id), Joined: 1})
		}
		return list
	}
	steps := []struct {
		name   string
		update presence.Update
		resync bool
		want   string // users afterwards
	}{
		{"a change of nothing", presence.Update{Version: 2, Previous: 1, Set: set("a")}, true, "[]"},
		{"full", presence.Update{Version: 2, Full: true, Set: set("a", "b")}, false, "[a b]"},
		{"change", presence.Update{Version: 5, Previous: 2, Set: set("c"), Removed: []string{"a"}}, false, "[b c]"},
		{"the same again", presence.Update{Version: 5, Previous: 2, Set: set("c"), Removed: []string{"a"}}, true, "[b c]"},
		{"late change", presence.Update{Version: 4, Previous: 2, Set: set("d")}, true, "[b c]"},
		{"late full", presence.Update{Version: 3, Full: true, Set: set("d")}, true, "[b c]"},
		{"renewal", presence.Update{Version: 5, Previous: 5}, false, "[b c]"},
		{"late renewal", presence.Update{Version: 2, Previous: 2}, true, "[b c]"},
		{"late end", presence.Update{Version: 2, Previous: 2, Over: true}, true, "[b c]"},
		{"full without users", presence.Update{Version: 6, Full: true}, false, "[]"},
		{"change after it", presence.Update{Version: 7, Previous: 6, Set: set("e")}, false, "[e]"},
		{"late gone", presence.Update{Version: 8, Previous: 6, Gone: true}, true, "[e]"},
		{"gone", presence.Update{Version: 8, Previous: 7, Gone: true, Removed: []string{"e"}}, false, "[]"},
	}
	for _, tt := range steps {
		tt.update.Room, tt.update.Users, tt.update.Ask = "r", len(tt.update.Set), true
		f, err := p.Sync(context.Background(), []presence.Update{tt.update}, 500)
		if err != nil || f[0].Resync != tt.resync {
			t.Fatalf("%s: %+v, %v, want resync %v", tt.name, f, err, tt.resync)
		}
		l, err := p.List(context.Background(), "r", 500, true)
		got := []string{}
		for _, e := range l.Users {
			got = append(got, e.User.ID)
		}
		if err != nil || fmt.Sprint(got) != tt.want {
			t.Errorf("%s: list %v, %v, want %s", tt.name, got, err, tt.want)
		}
	}
	if keys := s.Keys(context.Background(), "*").Val(); len(keys) != 0 {
		t.Errorf("left in Redis: %v", keys)
	}
}

func TestPresenceUniqueViewers(t *testing.T) {
	s := startRedis(t)
	a, b := startHere(t, s.URL(), PresenceConfig{}), startHere(t, s.URL(), PresenceConfig{})
	const each = 6000 // 2000 of them on both nodes
	for i := range each {
		a.Join("r", hereUser("u"+strconv.Itoa(i)))
		b.Join("r", hereUser("u"+strconv.Itoa(i+4000)))
	}
	var got int
	eventually(t, "10000 unique viewers, within 3 standard errors", func() bool {
		n, err := a.Viewers(context.Background(), "r", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		got = n
		return math.Abs(float64(n)-10000) < 3*0.0081*10000
	})
	t.Logf("estimate for 10000 viewers: %d", got)
	for _, n := range []*hereNode{a, b} {
		n.waitCount("r", 2*each, 2*each) // in a big room once per node
	}
	if _, err := a.store.Viewers(context.Background(), "r", 0, maxBuckets); err == nil {
		t.Error("no error for too many buckets")
	}
}

// TestPresenceKeepsFewViewers: a user who comes into ever more empty rooms, over any node, has
// Redis keep viewers of a few of them; where others are, each is counted. Of rooms of single
// users there are none.
func TestPresenceKeepsFewViewers(t *testing.T) {
	s := startRedis(t)
	a, b := startHere(t, s.URL(), PresenceConfig{}), startHere(t, s.URL(), PresenceConfig{})
	const rooms = 3 * bounds.ViewerRooms
	for i := range rooms {
		a.Join("r"+strconv.Itoa(i), hereUser("greedy"))
		b.Join("user:u"+strconv.Itoa(i), hereUser("u"+strconv.Itoa(i)))
	}
	keys := func(pattern string) int { return len(s.Keys(context.Background(), pattern).Val()) }
	seen := func(room string) int { return keys("*{" + room + "}:seen:*") }
	eventually(t, "Redis to know of all rooms", func() bool { return keys("*:nodes") == 2*rooms })
	// A pass may fall on either side of a bucket's end.
	if n := seen("r*"); n < bounds.ViewerRooms || n > 2*bounds.ViewerRooms {
		t.Errorf("viewers of %d rooms are kept, want %d", n, bounds.ViewerRooms)
	}
	for i := range rooms {
		b.Join("r"+strconv.Itoa(i), hereUser("other"+strconv.Itoa(i)))
	}
	for i := range rooms {
		room := "r" + strconv.Itoa(i)
		eventually(t, "the other one to be a viewer of "+room, func() bool {
			n, err := a.Viewers(context.Background(), room, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			return n >= 1
		})
	}
	if n := seen("user:*"); n != 0 {
		t.Errorf("viewers of %d users' rooms are kept", n)
	}
}

// TestPresenceRooms: a node finds the rooms of all nodes by a pattern, in which
// only * is special, as nothing is in the prefix.
func TestPresenceRooms(t *testing.T) {
	s := startRedis(t)
	cfg := PresenceConfig{Prefix: `a*b?[c]\d:`}
	a, b := startHere(t, s.URL(), cfg), startHere(t, s.URL(), cfg)
	a.Join("live:1", hereUser("u"))
	b.Join("live:1", nil)
	b.Join("live:2", nil)
	b.Join("alive:2", nil)
	b.Join("lobby", hereUser("u"))
	for pattern, want := range map[string][]string{
		"live:*": {"live:1", "live:2"}, "*live:2": {"alive:2", "live:2"}, "lobby": {"lobby"}, "lob": nil, "lobb?": nil, `lob[b]\y`: nil, "*": {"alive:2", "live:1", "live:2", "lobby"},
	} {
		eventually(t, "the rooms like "+pattern, func() bool {
			var names []string
			if err := a.Rooms(context.Background(), pattern, func(name string) bool {
				names = append(names, name)
				return true
			}); err != nil {
				t.Fatal(err)
			}
			slices.Sort(names)
			return slices.Equal(slices.Compact(names), want)
		})
	}
	calls := 0
	if err := a.Rooms(context.Background(), "*", func(string) bool { calls++; return calls < 3 }); calls != 3 || err != nil {
		t.Errorf("called %d times, %v", calls, err)
	}
}

// TestPresenceKeysExpire: nothing of a node that is gone for good stays.
func TestPresenceKeysExpire(t *testing.T) {
	s := startRedis(t)
	a := startHere(t, s.URL(), PresenceConfig{Prefix: "mine:", Node: "n1"})
	a.Join("r", hereUser("u1"))
	ctx := context.Background()
	var keys []string
	eventually(t, "four keys", func() bool { keys = s.Keys(ctx, "*").Val(); return len(keys) == 4 })
	for _, key := range keys {
		if !strings.HasPrefix(key, "mine:{r}:") {
			t.Errorf("key %s without the prefix and the hash tag", key)
		}
		if ttl := s.PTTL(ctx, key).Val(); ttl <= 0 {
			t.Errorf("key %s: time to live %v", key, ttl)
		}
	}
	if !slices.ContainsFunc(keys, func(k string) bool { return strings.Contains(k, ":at:n1.") }) {
		t.Errorf("no key names the node: %v", keys)
	}
}

// TestPresenceForeignKey: one room's key is something else; the others work.
func TestPresenceForeignKey(t *testing.T) {
	s := startRedis(t)
	s.Set(context.Background(), "barrage:here:{bad}:nodes", "x", 0)
	a, b := startHere(t, s.URL(), PresenceConfig{}), startHere(t, s.URL(), PresenceConfig{})
	for _, room := range []string{"bad", "good"} {
		a.Join(room, hereUser("u1"))
		b.Join(room, hereUser("u2"))
	}
	a.waitCount("good", 2, 2)
	b.waitCount("good", 2, 2)
	if _, err := a.Cluster(context.Background(), "bad", -1); err == nil {
		t.Error("no error for the list of the other room")
	}
	s.Del(context.Background(), "barrage:here:{bad}:nodes")
	a.waitCount("bad", 2, 2)
}

func TestPresenceWrongPassword(t *testing.T) {
	s := startRedis(t)
	s.ConfigSet(context.Background(), "requirepass", "secret")
	p := newHere(t, "redis://:wrong@"+s.Addr, PresenceConfig{})
	f, err := p.Sync(context.Background(), []presence.Update{{Room: "r", Version: 1, Full: true}}, 500)
	if err == nil {
		t.Errorf("no error, %+v", f)
	}
}

func TestPresenceConfig(t *testing.T) {
	client := redis.NewClient(&redis.Options{})
	defer client.Close()
	tests := []struct {
		name, want string
		cfg        PresenceConfig
	}{
		{"no way to Redis", "no Client", PresenceConfig{}},
		{"braces", "Prefix", PresenceConfig{Client: client, Prefix: "a{b"}},
		{"node", "Node", PresenceConfig{Client: client, Node: "a b"}},
		{"lease", "Lease", PresenceConfig{Client: client, Lease: -1}},
		{"viewers", "ViewersFor", PresenceConfig{Client: client, ViewersFor: 1}},
		{"timeout", "Timeout", PresenceConfig{Client: client, Timeout: -1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewPresence(tt.cfg)
			if err == nil || !strings.HasPrefix(err.Error(), "redisbridge: presence: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error about %s", err, tt.want)
			}
		})
	}
}
