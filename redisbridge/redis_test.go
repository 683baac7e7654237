package redisbridge

// A real redis-server for the tests, a second client to look at it from
// outside, and a bridge whose deliveries are recorded.

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"barrage/internal/broker"
	"barrage/internal/redistest"
)

// patience bounds every wait of a test. It is never the thing measured.
const patience = time.Minute

func TestMain(m *testing.M) {
	RouteClientLog(slog.New(slog.NewTextHandler(io.Discard, nil)))
	// The parallel tests wait for Redis more than they compute. The command line overrules.
	if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil {
		panic(err)
	}
	code := m.Run()
	if code == 0 {
		code = checkLeaks()
	}
	os.Exit(code)
}

// checkLeaks wants no goroutine left of any test. go-redis's pool may take a second to
// end its redial loop.
func checkLeaks() (code int) {
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if err = goleak.Find(); err == nil {
			return 0
		}
	}
	fmt.Fprintln(os.Stderr, "goroutines left:", err)
	return 1
}

// eventually polls until ok or patience runs out.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

type server struct {
	*redistest.Server
	t      testing.TB
	secure int // port for TLS; 0: none
}

// startRedis runs a redis-server of the test's own and stops it at the end.
func startRedis(t testing.TB, args ...string) *server {
	t.Helper()
	return &server{Server: redistest.Start(t, args...), t: t}
}

// peerPort is where its like talk to it.
func (s *server) peerPort() string {
	if s.secure != 0 {
		return strconv.Itoa(s.secure)
	}
	return s.Port()
}

// subscribers is what PUBSUB NUMSUB says about one channel.
func (s *server) subscribers(channel string) int {
	s.t.Helper()
	n, err := s.PubSubNumSub(context.Background(), channel).Result()
	if err != nil {
		s.t.Fatal(err)
	}
	return int(n[channel])
}

// say publishes the way any program does.
func (s *server) say(channel, payload string) {
	s.t.Helper()
	if err := s.Publish(context.Background(), channel, payload).Err(); err != nil {
		s.t.Fatal(err)
	}
}

type delivery struct {
	room, payload string
	binary        bool
}

// A node is a bridge and its receiver: what was delivered, and who the members
// are.
type node struct {
	*Bridge
	t testing.TB

	mu      sync.Mutex
	got     []delivery
	lost    []broker.Gap
	members map[string]int
	ready   map[string]int
	hold    func(*broker.Message) // what Deliver does first; nil: nothing
}

// calmConfig is for tests in which Redis is well: however slow the machine, the
// bridge must not see an outage.
func calmConfig(url string) Config {
	return Config{URL: url, ProbeInterval: 50 * time.Millisecond, ProbeTimeout: 2 * patience, Timeout: patience}
}

// hastyConfig is for tests in which an outage must be seen soon. A slow machine
// may show it one more than there are, so these tests do not run in parallel.
func hastyConfig(url string) Config {
	return Config{URL: url, ProbeInterval: 50 * time.Millisecond, ProbeTimeout: 500 * time.Millisecond, Timeout: 300 * time.Millisecond}
}

// steadyConfig is for outages of which there may be more than one, beside other tests.
func steadyConfig(url string) Config {
	return Config{URL: url, ProbeInterval: 50 * time.Millisecond, ProbeTimeout: 3 * time.Second, Timeout: 2 * time.Second}
}

// kept has all rooms keep their last messages.
func kept(cfg Config, messages int) Config {
	cfg.Retention = broker.Rules{{Pattern: "*", Retention: broker.Retention{Messages: messages, Age: time.Hour}}}.For
	return cfg
}

func newNode(t testing.TB, cfg Config) *node {
	t.Helper()
	n := &node{t: t, members: make(map[string]int), ready: make(map[string]int)}
	n.begin(cfg)
	return n
}

func (n *node) begin(cfg Config) {
	n.t.Helper()
	b, err := New(cfg, (*receiver)(n))
	if err != nil {
		n.t.Fatal(err)
	}
	n.Bridge = b
	n.t.Cleanup(func() {
		if err := b.Close(); err != nil {
			n.t.Errorf("Close: %v", err)
		}
	})
	b.Start()
}

// healthyNode is a node that is up and has one member in each of rooms.
func healthyNode(t testing.TB, cfg Config, rooms ...string) *node {
	t.Helper()
	n := newNode(t, cfg)
	n.waitUp()
	for _, room := range rooms {
		n.join(room)
	}
	return n
}

// A receiver is the node as its bridge sees it.
type receiver node

func (n *receiver) Deliver(m *broker.Message) int {
	if n.hold != nil {
		n.hold(m)
	}
	d := delivery{m.Room, string(m.Payload), m.Format == broker.Binary}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.got = append(n.got, d)
	return n.members[m.Room]
}

func (n *receiver) Lost(room string, gap broker.Gap) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lost = append(n.lost, gap)
}

func (n *receiver) Ready(room string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ready[room]++
}

func (n *receiver) Members(room string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.members[room]
}

func (n *node) gaps() []broker.Gap {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]broker.Gap(nil), n.lost...)
}

// message makes a publication.
func message(room, payload string) *broker.Publication {
	return &broker.Publication{Room: room, Format: broker.Text, Payload: []byte(payload)}
}

// publish returns what Publish does with a plain comment.
func (n *node) publish(room, payload string) (broker.Receipt, error) {
	return n.Publish(context.Background(), message(room, payload))
}

// wantLocal publishes during an outage.
func (n *node) wantLocal(room, payload string) {
	n.t.Helper()
	if r, err := n.publish(room, payload); err != nil || !r.LocalOnly {
		n.t.Fatalf("Publish: %+v, %v, want LocalOnly", r, err)
	}
}

func (n *node) try(room, payload string) bool { return n.TryPublish(message(room, payload), nil) }

func (n *node) readyCalls(room string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ready[room]
}

func (n *node) setMembers(room string, count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.members[room] = count
}

// join adds a member and waits until the room is subscribed.
func (n *node) join(room string) {
	n.t.Helper()
	n.setMembers(room, 1)
	eventually(n.t, "room "+room+" is subscribed", func() bool { return n.Want(room) })
}

func (n *node) waitUp() {
	n.t.Helper()
	eventually(n.t, "bridge is up", func() bool { return n.Err() == nil && n.health.usable.Load() })
}

func (n *node) waitDown() {
	n.t.Helper()
	eventually(n.t, "bridge is down", func() bool { return n.Err() != nil })
}

func (n *node) deliveries() []delivery {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]delivery(nil), n.got...)
}

// times is how often payload was delivered.
func (n *node) times(payload string) int {
	c := 0
	for _, d := range n.deliveries() {
		if d.payload == payload {
			c++
		}
	}
	return c
}

func (n *node) waitFor(payload string) {
	n.t.Helper()
	eventually(n.t, fmt.Sprintf("%.40q is delivered", payload), func() bool { return n.times(payload) > 0 })
}
