// Idempotency keys.

package brokertest

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"barrage/internal/broker"
)

// wantReplay compares the receipt of a repetition with the first one.
func wantReplay(t *testing.T, first, again broker.Receipt) {
	t.Helper()
	if first.Replayed || !again.Replayed || again.ID != first.ID || again.Position != first.Position {
		t.Errorf("first receipt %+v, of the repetition %+v", first, again)
	}
}

// wantOnce tells whether every node got these payloads in a room, and so in its
// history, if it has one, and nothing else.
func wantOnce(t *testing.T, c *Cluster, room string, want ...string) {
	t.Helper()
	want = append(want, "the last")
	for i, got := range c.flush(t, room) {
		equal(t, fmt.Sprint(payloads(got)), fmt.Sprint(want), "node %d got", i)
		if page := c.node(i).history(t, room, broker.Query{}); page.Head.Epoch != "" {
			equal(t, fmt.Sprint(payloads(page.Messages)), fmt.Sprint(want), "node %d reads the history", i)
		}
	}
}

// testKeyRepeated repeats a publish on its node and on all others, also as event loops
// publish.
func testKeyRepeated(t *testing.T, c *Cluster) {
	c.join(t, "keys")
	first := c.Nodes[0].publish(t, keyed("keys", "one", "k"))
	other := c.Nodes[0].publish(t, keyed("keys", "two", "k2"))
	for _, n := range c.Nodes {
		for range 2 {
			wantReplay(t, first, n.publish(t, keyed("keys", "one", "k")))
			wantReplay(t, first, n.publish(t, keyed("keys", "not even the same", "k")))
		}
		wantReplay(t, other, n.publish(t, keyed("keys", "two", "k2")))
		told := make(chan broker.Receipt, 1)
		eventually(t, "TryPublish accepts", func() bool {
			return n.TryPublish(keyed("keys", "one", "k"), func(r broker.Receipt, _ error) { told <- r })
		})
		wantReplay(t, first, receive(t, told))
	}
	wantOnce(t, c, "keys", "one", "two")
}

// testKeyAtOnce has all nodes publish with the same key at the same time.
func testKeyAtOnce(t *testing.T, c *Cluster) {
	const rounds, publishers = 20, 4
	c.join(t, "keys")
	ctx := limited(t)
	var want []string
	for round := range rounds {
		receipts := make([]broker.Receipt, publishers*len(c.Nodes))
		start := make(chan struct{})
		var wg sync.WaitGroup
		for i := range receipts {
			wg.Go(func() {
				<-start
				receipts[i], _ = c.node(i).try(t, ctx, keyed("keys", fmt.Sprint("round ", round), fmt.Sprint(round)))
			})
		}
		close(start)
		wg.Wait()
		firsts := 0
		for _, r := range receipts {
			if r.ID != receipts[0].ID || r.Position != receipts[0].Position {
				t.Fatalf("two messages for one key: receipts %+v and %+v", r, receipts[0])
			}
			if !r.Replayed {
				firsts++
			}
		}
		equal(t, firsts, 1, "receipts that say that they are the first")
		want = append(want, fmt.Sprint("round ", round))
	}
	wantOnce(t, c, "keys", want...)
}

// testKeyScope has one key mean different things for other rooms and users.
func testKeyScope(t *testing.T, c *Cluster) {
	c.join(t, "keys", "keys:k", "k")
	by := func(user string, p *broker.Publication) *broker.Publication {
		p.Sender = broker.Sender{User: user, Name: "N", Conn: "c"}
		return p
	}
	want := map[string][]string{}
	scopes := []*broker.Publication{
		by("", keyed("keys", "", "k")),
		by("ada", keyed("keys", "", "k")),
		by("bob", keyed("keys", "", "k")),
		by("ada", keyed("keys:k", "", "k")),
		by("keys", keyed("k", "", "k")),
		by("k", keyed("keys", "", "")), // without a key every publish is a first one
		by("k", keyed("keys", "", "")),
		by("ad", keyed("keys", "", "ak")),
		by("ada:k", keyed("keys", "", "k")),
		by("ada", keyed("keys", "", "k:k")),
		by("", keyed("keys", "", "k")), // somebody else, saying something else
		keyed("keys", "", "k"),         // a backend
		{Room: "keys", Format: broker.Text, Key: "k", Sender: broker.Sender{User: "ada"}},                                              // one for a user
		{Room: "keys", Format: broker.Text, Key: "k", Sender: broker.Sender{User: "eve"}, From: netip.AddrFrom4([4]byte{10, 0, 0, 1})}, // a user by HTTP
		{Room: "keys", Format: broker.Text, Key: "k", Sender: broker.Sender{User: "eve"}},                                              // not for her
	}
	firsts := make([]broker.Receipt, len(scopes))
	for i, p := range scopes {
		p.Payload = fmt.Append(nil, i)
		firsts[i] = c.node(i).publish(t, p)
		if firsts[i].Replayed {
			t.Errorf("room %q, user %q, key %q was taken for another", p.Room, p.Sender.User, p.Key)
		}
		want[p.Room] = append(want[p.Room], string(p.Payload))
	}
	for i, p := range scopes {
		if p.Key == "" {
			continue
		}
		again := *p
		if again.Sender.Conn != "" {
			again.Sender.Conn = "another connection of the user"
		}
		wantReplay(t, firsts[i], c.node(i+1).publish(t, &again))
	}
	for room, payloads := range want {
		wantOnce(t, c, room, payloads...)
	}
}

// testKeyWithoutHistory: a key works where there is no position to remember.
func testKeyWithoutHistory(t *testing.T, c *Cluster) {
	c.join(t, "off:keys", "keys")
	first := c.Nodes[0].publish(t, keyed("off:keys", "one", "k"))
	forget := keyed("keys", "typing", "k")
	forget.Forget = true
	forgotten := c.Nodes[0].publish(t, forget)
	for _, n := range c.Nodes {
		wantReplay(t, first, n.publish(t, keyed("off:keys", "one", "k")))
		wantReplay(t, forgotten, n.publish(t, forget))
	}
	wantOnce(t, c, "off:keys", "one")
	for i, got := range c.flush(t, "keys") {
		equal(t, said(got), "[typing@0 the last@1]", "node %d", i)
	}
}
