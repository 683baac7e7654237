package redisbridge

// What can go wrong with Redis and the network, done for real.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"barrage/internal/broker"
)

func TestClientKill(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	var rooms []string
	for i := range 600 { // more than one SUBSCRIBE
		rooms = append(rooms, fmt.Sprintf("r%d", i))
	}
	n := healthyNode(t, calmConfig(s.URL()), rooms...)
	for round := range 3 {
		if killed, err := s.ClientKillByFilter(context.Background(), "TYPE", "pubsub").Result(); err != nil || killed != 1 {
			t.Fatalf("CLIENT KILL: %d, %v", killed, err)
		}
		eventually(t, "reconnected", func() bool { return n.Stats().Reconnects == uint64(round+1) })
		eventually(t, "all rooms are back", func() bool { return n.Stats().Subscriptions == len(rooms) })
		for i, room := range rooms {
			s.say("room:"+room, fmt.Sprintf("round %d room %d", round, i))
		}
		eventually(t, "every room is heard", func() bool { return len(n.deliveries()) == (round+1)*len(rooms) })
	}
}

func TestKillAndRestart(t *testing.T) {
	s := startRedis(t)
	n := healthyNode(t, hastyConfig(s.URL()), "a")
	s.Kill()
	n.waitDown()
	if err := n.Err(); !errors.Is(err, broker.ErrUnavailable) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("Err does not tell why: %v", err)
	}
	// Err sees the probe's age at once, Want with the prober's next turn.
	eventually(t, "Want does not ask to wait", func() bool { return n.Want("b") })
	n.wantLocal("a", "local")
	if !n.try("a", "queued") {
		t.Error("TryPublish refused")
	}
	n.waitFor("local")
	n.waitFor("queued")

	s.Restart()
	n.waitUp()
	n.join("b")
	s.say("room:a", "from outside")
	s.say("room:b", "to the room wanted meanwhile")
	n.waitFor("from outside")
	n.waitFor("to the room wanted meanwhile")
	eventually(t, "publishing goes through Redis again", func() bool {
		r, err := n.publish("a", "through redis")
		return err == nil && !r.LocalOnly
	})
	n.waitFor("through redis")
	if n.times("local") != 1 || n.times("queued") != 1 {
		t.Error("a local message was delivered again")
	}
}

// A frozen Redis keeps its connections open and answers nothing. What was being
// published is executed when it thaws.
func TestFrozenRedis(t *testing.T) {
	s := startRedis(t)
	cfg := hastyConfig(s.URL())
	cfg.Timeout, cfg.ProbeTimeout = time.Second, 1500*time.Millisecond
	n := healthyNode(t, cfg, "a")
	other := healthyNode(t, cfg, "a")
	n.try("a", "warm") // opens the publisher's connection
	n.waitFor("warm")
	other.waitFor("warm")

	n.waitUp()
	s.Freeze()
	frozen := time.Now()
	if !n.try("a", "queued into the freeze") {
		t.Fatal("TryPublish refused")
	}
	waiter := fmt.Sprintf("wanted at %v", frozen)
	released := n.Want(waiter) // false: Ready must come although no subscription does
	r, err := n.publish("a", "published into the freeze")
	if took := time.Since(frozen); err != nil || !r.LocalOnly || took > cfg.Timeout+patience/12 {
		t.Errorf("Publish: %+v, %v after %v", r, err, took)
	}
	n.waitDown()
	t.Logf("down %v after the freeze", time.Since(frozen))
	if !released {
		eventually(t, "Ready is called for want of Redis", func() bool { return n.readyCalls(waiter) == 1 })
	}
	n.waitFor("queued into the freeze")
	n.waitFor("published into the freeze")
	for i := range 100 {
		n.wantLocal("a", fmt.Sprint("frozen ", i))
	}

	s.Thaw()
	n.waitUp()
	other.waitUp()
	n.join("a")
	other.join("a")
	// Redis executes what waited in its sockets: here it is suppressed, there it
	// comes late.
	other.waitFor("queued into the freeze")
	eventually(t, "the late message is recognised", func() bool { return n.Stats().Suppressed > 0 })
	s.say("room:a", "thawed")
	n.waitFor("thawed")
	seen := make(map[string]int)
	for _, d := range n.deliveries() {
		if seen[d.payload]++; seen[d.payload] > 1 {
			t.Errorf("%q delivered twice", d.payload)
		}
	}
	if len(seen) != 104 {
		t.Errorf("%d different messages delivered, want 104", len(seen))
	}
}

func TestRedisDownAtStart(t *testing.T) {
	s := startRedis(t)
	s.Kill()
	n := newNode(t, hastyConfig(s.URL()))
	if err := n.Err(); !errors.Is(err, broker.ErrUnavailable) {
		t.Errorf("Err = %v", err)
	}
	if !n.Want("a") {
		t.Error("Want asks to wait")
	}
	n.setMembers("a", 1)
	n.wantLocal("a", "early")
	if n.times("early") != 1 {
		t.Error("not delivered locally")
	}
	s.Restart()
	n.waitUp()
	eventually(t, "the room wanted early is subscribed", func() bool { return n.Stats().Subscriptions == 1 })
	s.say("room:a", "late")
	n.waitFor("late")
}

func TestOutageRefuse(t *testing.T) {
	s := startRedis(t)
	cfg := hastyConfig(s.URL())
	cfg.Outage = OutageRefuse
	n := healthyNode(t, cfg, "a")
	s.Kill()
	// Refused at once, known to be out or not.
	if r, err := n.publish("a", "x"); !errors.Is(err, broker.ErrUnavailable) || r.LocalOnly {
		t.Errorf("Publish: %+v, %v", r, err)
	}
	n.waitDown()
	if r, err := n.publish("a", "x"); !errors.Is(err, broker.ErrUnavailable) || r.LocalOnly {
		t.Errorf("Publish: %+v, %v", r, err)
	}
	before := n.Stats()
	n.try("a", "x")
	eventually(t, "the queued message is refused", func() bool {
		st := n.Stats()
		return st.Refused+st.PublishErrors > before.Refused+before.PublishErrors && st.Queued == 0
	})
	if n.times("x") != 0 || n.Stats().LocalOnly != 0 {
		t.Error("delivered locally although refusing")
	}
	s.Restart()
	n.waitUp()
	n.join("a")
	eventually(t, "publishing works again", func() bool {
		_, err := n.publish("a", "y")
		return err == nil
	})
	n.waitFor("y")
}

// Deliver stands still until Redis cuts the connection for being too slow.
func TestOutputBufferLimit(t *testing.T) {
	s := startRedis(t, "--client-output-buffer-limit", "pubsub 256kb 0 0")
	held := make(chan struct{})
	n := &node{t: t, members: map[string]int{"a": 1}, ready: make(map[string]int)}
	n.hold = func(m *broker.Message) {
		if string(m.Payload) == "hold" {
			<-held
		}
	}
	n.begin(calmConfig(s.URL()))
	n.waitUp()
	n.join("a")

	s.say("room:a", "hold")
	big := strings.Repeat("x", 256<<10)
	eventually(t, "Redis cuts the slow subscriber", func() bool {
		s.say("room:a", big)
		return s.subscribers("room:a") == 0
	})
	close(held)
	eventually(t, "reconnected", func() bool { return n.Stats().Reconnects > 0 })
	n.waitUp()
	n.join("a")
	s.say("room:a", "after")
	n.waitFor("after")
}

// The network swallows the subscription connection alone: it stays open, idle
// rooms notice nothing, publishing works. Only the probe can tell.
func TestDeafConnectionIsReplaced(t *testing.T) {
	s := startRedis(t)
	p := startProxy(t, s.Addr)
	n := healthyNode(t, hastyConfig("redis://"+p.addr()), "a")
	p.deafen()
	n.waitDown()
	eventually(t, "reconnected", func() bool { return n.Stats().Reconnects > 0 })
	n.waitUp()
	n.join("a")
	s.say("room:a", "heard again")
	n.waitFor("heard again")
}

// A Redis that refuses a channel keeps the bridge down, and Err says why.
func TestForbiddenChannel(t *testing.T) {
	s := startRedis(t)
	ctx := context.Background()
	if err := s.Do(ctx, "ACL", "SETUSER", "edge", "on", ">secret", "+@all", "resetchannels", "&room:*", "~barrage:*").Err(); err != nil {
		t.Fatal(err)
	}
	n := newNode(t, hastyConfig("redis://edge:secret@"+s.Addr))
	eventually(t, "Err tells about the permission", func() bool {
		err := n.Err()
		return err != nil && strings.Contains(err.Error(), "NOPERM")
	})
	if err := s.Do(ctx, "ACL", "SETUSER", "edge", "&barrage:*").Err(); err != nil {
		t.Fatal(err)
	}
	n.waitUp()
}

// A proxy passes bytes on until deafen makes it swallow what Redis sends on
// connections that have carried a SUBSCRIBE so far.
type proxy struct {
	listener net.Listener
	target   string
	wg       sync.WaitGroup

	mu    sync.Mutex
	conns []*proxied
}

type proxied struct {
	client, server net.Conn
	mu             sync.Mutex
	subscriber     bool
	deaf           bool
}

func startProxy(t testing.TB, target string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target}
	p.wg.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		c := &proxied{client: client, server: server}
		p.mu.Lock()
		p.conns = append(p.conns, c)
		p.mu.Unlock()
		p.wg.Go(func() { c.copy(server, client, true) })
		p.wg.Go(func() { c.copy(client, server, false) })
	}
}

func (c *proxied) copy(dst, src net.Conn, toServer bool) {
	defer dst.Close()
	defer src.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := src.Read(buf)
		if err != nil {
			return
		}
		c.mu.Lock()
		if toServer && strings.Contains(string(buf[:n]), "subscribe") {
			c.subscriber = true
		}
		swallow := c.deaf && !toServer
		c.mu.Unlock()
		if swallow {
			continue
		}
		if _, err := io.Copy(dst, strings.NewReader(string(buf[:n]))); err != nil {
			return
		}
	}
}

func (p *proxy) deafen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.mu.Lock()
		c.deaf = c.subscriber
		c.mu.Unlock()
	}
}

func (p *proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	for _, c := range p.conns {
		c.client.Close()
		c.server.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}
