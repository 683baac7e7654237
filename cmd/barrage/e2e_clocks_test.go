package main

// Wall clocks that are wrong, differ and step: the nodes' and Redis's.

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// clocks is two nodes and Redis, each with a clock of its own.
type clocks struct {
	t     *testing.T
	bin   binary
	redis *redisServer
	at    *wallClock // Redis's
	nodes [2]*child
	wall  [3]*wallClock // of the nodes, and of one that starts later

	members [2]*member // ann and bob
	raw     [2]*viewer
	last    v1Fields // the newest message
	ids     map[string]bool
}

func clocksStep(t *testing.T, bin binary) {
	c := &clocks{t: t, bin: bin, redis: newRedis(t), ids: make(map[string]bool)}
	c.startRedis()
	for i := range c.nodes {
		c.nodes[i] = c.serve(i, 0)
	}
	for i, n := range c.nodes {
		n.waitReady()
		c.raw[i] = n.watch("salon", fmt.Sprint("raw", i))
		// By its node's clock after the step, the token is over.
		c.members[i] = n.memberBy([]string{"ann", "bob"}[i], 30*time.Minute)
		c.last = c.members[i].enter("salon")
	}
	steady := watchReady(t, c.nodes[:])
	c.talk("agreed", 0)
	c.wall[0].set(time.Hour)
	c.wall[1].set(-time.Hour)
	c.talk("apart", 0)
	c.tokens()
	c.wall[0].set(-time.Hour)
	c.wall[1].set(time.Hour)
	c.talk("the other way", 0)
	c.across()

	c.at.set(-time.Hour)
	c.talk("Redis is behind", -time.Hour)
	c.comeBack()
	before := c.last
	c.at.set(time.Hour)
	c.talk("Redis is ahead", time.Hour)
	c.expired(before)
	c.at.set(-time.Hour)
	c.talk("Redis is behind again", -time.Hour)
	c.forgotten()
	steady()
	for i, n := range c.nodes {
		s := n.metrics()
		for _, name := range []string{"barrage_redis_reconnects_total", "barrage_redis_local_only_total", "barrage_redis_publish_errors_total"} {
			if got := s.sum(name); got != 0 {
				t.Errorf("node %d: %s is %v", i, name, got)
			}
		}
	}
}

// serve starts a node whose clock is off.
func (c *clocks) serve(i int, off time.Duration) *child {
	cmd := c.bin.named(c.redis.url(), "--redis-timeout=20s") // however slow the machine, Redis is well here
	return startBy(c.t, cmd, func() (err error) {
		c.wall[i], err = startClocked(c.t, cmd, off)
		return err
	})
}

func (c *clocks) startRedis() {
	r := c.redis
	var err error
	if c.at, err = startClocked(c.t, r.Prepare(r.Args()...), 0); err != nil {
		c.t.Fatal(err)
	}
	r.Await()
}

// talk has all publish. Places go on, and the time of a message is Redis's.
func (c *clocks) talk(when string, redis time.Duration) {
	c.t.Helper()
	for i := range c.members {
		text := fmt.Sprintf("%s %d", when, i)
		c.took(text, c.members[i].say("salon", text), redis)
		text += " raw"
		c.nodes[i].publish("salon", text)
		c.took(text, v1Fields{}, redis)
	}
}

// took asserts that a message is the next one for everybody.
func (c *clocks) took(text string, reply v1Fields, redis time.Duration) {
	t := c.t
	t.Helper()
	want := fmt.Sprintf("%s/%d", c.last.Epoch, c.last.Offset+1)
	if reply.Epoch != "" && (reply.position() != want || reply.LocalOnly || c.ids[reply.MessageID]) {
		t.Errorf("%s: acknowledged at %s as %q, want the place %s", text, reply.position(), reply.MessageID, want)
	}
	for i, m := range c.members {
		c.last = m.wantTexts("salon", text)
		if c.last.position() != want {
			t.Errorf("%s: node %d: at %s, want %s", text, i, c.last.position(), want)
		}
		if off := time.Since(time.UnixMilli(c.last.Time)) + redis; off.Abs() > time.Minute {
			t.Errorf("%s: node %d: its time is off Redis's by %v", text, i, off)
		}
	}
	c.ids[reply.MessageID] = reply.MessageID != ""
	for _, v := range c.raw {
		v.want(1, text)
	}
}

// tokens: they are as good as the clock of the node that checks them, with half a
// minute of leeway, when they come; and then for as long as they had left. The
// first node's clock is an hour ahead, the second's an hour behind.
func (c *clocks) tokens() {
	for _, tt := range []struct {
		node int
		left time.Duration
		want int
	}{
		{0, 2 * time.Hour, http.StatusSwitchingProtocols},
		{0, time.Hour - 10*time.Second, http.StatusSwitchingProtocols},
		{0, time.Hour - time.Minute, http.StatusUnauthorized},
		{1, time.Minute, http.StatusSwitchingProtocols},
		{1, time.Minute - time.Hour, http.StatusSwitchingProtocols},
		{1, -time.Minute - time.Hour, http.StatusUnauthorized},
	} {
		_, resp, err := dialV1(c.t, c.nodes[tt.node].ws, "?token="+v1TokenFor(c.t, "eve", tt.left), false)
		if err != nil || resp.StatusCode != tt.want {
			c.t.Errorf("node %d, a token with %v left by the right clock: %+v, %v, want %d", tt.node, tt.left, resp, err, tt.want)
		}
	}
}

// across: what one node orders and remembers holds on the other, two hours apart.
func (c *clocks) across() {
	t := c.t
	const publish = `"cmd":"publish","room":"once","data":"x","key":"key"`
	first := c.members[0].ask(publish)
	elsewhere := c.nodes[1].memberBy("ann", 2*time.Hour)
	if second := elsewhere.ask(publish); !second.Replayed || second.MessageID != first.MessageID {
		t.Errorf("%+v, and repeated with its key %+v", first, second)
	}
	for i := range c.nodes {
		user, other := fmt.Sprint("guest", i), c.nodes[1-i]
		c.nodes[i].do("POST", "/v1/rooms/salon/kick", "", fmt.Sprintf(`{"user":%q,"reason":"spam","for":"30m"}`, user))
		m := other.memberBy(user, 2*time.Hour)
		m.await("the ban of "+user, `"cmd":"join","room":"salon"`, func(o v1Object) bool { return o.Error != nil && o.Error.Code == "banned" })
	}
	late := c.serve(2, time.Hour)
	late.waitReady()
	for _, user := range []string{"guest0", "guest1"} {
		late.memberBy(user, 2*time.Hour).wantError(`"cmd":"join","room":"salon"`, "banned")
	}
	_ = elsewhere.conn.Close()
	c.present("ann", "bob", "raw0", "raw1")
}

// comeBack: away for three messages, on the other node.
func (c *clocks) comeBack() {
	t := c.t
	carl := c.nodes[0].memberBy("carl", 2*time.Hour)
	carl.enter("salon")
	c.talk("with carl", -time.Hour)
	_ = carl.conn.Close()
	since := since(c.last)
	c.talk("without carl", -time.Hour)
	carl = c.nodes[1].memberBy("carl", 2*time.Hour)
	back := carl.ask(`"cmd":"join","room":"salon",` + since)
	if !back.Resumed || back.Gap != nil || len(back.Messages) != 4 || back.position() != c.last.position() {
		t.Errorf("back: %+v", back)
	}
	_ = carl.conn.Close()
}

// expired: by Redis's clock the history is an hour old, and so are the leases of
// presence. Who was there has lost nothing; who comes back is told what is gone.
func (c *clocks) expired(before v1Fields) {
	t := c.t
	carl := c.nodes[0].memberBy("carl", 2*time.Hour)
	before.Offset -= 2
	back := carl.ask(`"cmd":"join","room":"salon",` + since(before))
	if back.Resumed || back.Gap == nil || back.Gap.Reason != "trimmed" || back.Gap.From != before.Offset+1 || back.Gap.To != before.Offset+2 ||
		len(back.Messages) != 4 || back.position() != c.last.position() {
		t.Errorf("back: %+v, gap %+v", back, back.Gap)
	}
	_ = carl.conn.Close()
	c.present("ann", "bob", "raw0", "raw1")
}

// forgotten: Redis loses all while its clock is behind its messages'.
func (c *clocks) forgotten() {
	t := c.t
	if err := c.redis.FlushAll(context.Background()).Err(); err != nil {
		t.Fatal(err)
	}
	reply := c.members[0].say("salon", "anew")
	if reply.Epoch == c.last.Epoch || reply.Offset != 1 {
		t.Errorf("after a loss: %+v", reply)
	}
	for i, m := range c.members {
		if got := m.push("gap", "salon"); got.Reason != "epoch" || got.Epoch != c.last.Epoch {
			t.Errorf("node %d: gap %+v", i, got)
		}
		if got := m.wantTexts("salon", "anew"); got.position() != reply.position() {
			t.Errorf("node %d: %+v, want the place %s", i, got, reply.position())
		}
	}
	for _, v := range c.raw {
		v.want(1, "anew")
	}
	c.last = reply
	c.talk("in another epoch", -time.Hour)
	c.present("ann", "bob", "raw0", "raw1")
}

// present waits until both nodes know who is there.
func (c *clocks) present(names ...string) {
	c.t.Helper()
	for _, n := range c.nodes {
		n.waitPresent("salon", names...)
	}
}

// waitPresent waits until the node knows a room's users, one connection each.
func (c *child) waitPresent(room string, names ...string) {
	c.t.Helper()
	await(c.t, fmt.Sprintf("%q to be seen", names), func() bool {
		_, body := c.mustGet("/v1/rooms/" + room + "/members")
		ok := strings.Contains(body, fmt.Sprintf(`"total":%d,"connections":%d`, len(names), len(names)))
		for _, name := range names {
			ok = ok && strings.Contains(body, `"`+name+`"`)
		}
		return ok
	})
}
