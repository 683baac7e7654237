package client

// This file is a client, two nodes and the Redis that they share.

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"

	"barrage/edge/edgetest"
	"barrage/internal/broker"
	"barrage/internal/redistest"
	"barrage/redisbridge"
)

type redisNode struct {
	*edgetest.Server
	bridge *redisbridge.Bridge
}

func init() { redisbridge.RouteClientLog(slog.New(slog.DiscardHandler)) }

func startNode(t *testing.T, r *redistest.Server) *redisNode {
	n := &redisNode{}
	n.Server = edgetest.Start(t, nil, func(s *edgetest.Server) {
		var err error
		n.bridge, err = redisbridge.New(redisbridge.Config{
			URL: r.URL(), Retention: broker.DefaultRules().For, Node: s.Config.Node, ProbeInterval: 50 * time.Millisecond,
		}, s.Delivery)
		edgetest.Must(t, err)
		t.Cleanup(func() { _ = n.bridge.Close() })
		s.SetBroker(n.bridge)
	})
	n.bridge.Start()
	n.healthy(t)
	return n
}

// healthy waits until what is published has a place in Redis again.
func (n *redisNode) healthy(t *testing.T) {
	t.Helper()
	edgetest.WaitFor(t, "the node to reach Redis", func() bool {
		r, err := n.Publish(context.Background(), &broker.Publication{Room: "probe", Format: broker.Text, Payload: []byte("x")})
		return err == nil && !r.LocalOnly && n.bridge.Err() == nil
	})
}

// Over many cuts, each time to the other node: nothing is lost, nothing comes twice, nothing
// in another order.
func TestFromNodeToNode(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	nodes := []*redisNode{startNode(t, r), startNode(t, r)}
	p := newProxy(t, nodes[0].Addr().String())
	room := join(t, begin(t, p.address(), Options{}), "nodes", JoinOptions{})
	next[Joined](t, room)
	e := listen(t, room)
	var want []string
	last := 60
	if os.Getenv("CLIENT_FULL") != "" {
		last = 5000
	}
	for n := range last {
		text := fmt.Sprint(n)
		want = append(want, text)
		if n%3 == 0 {
			_, err := room.Publish(patient(t), text, PublishOptions{})
			edgetest.Must(t, err)
		} else {
			publishNow(t, nodes[n%2].Server, "nodes", text)
		}
		if n%5 == 4 {
			p.redirect(nodes[n/5%2].Addr().String())
			p.cut()
		}
	}
	e.await(t, want[last-1])
	if fault := e.verdict(nil); fault != "" || len(e.gaps) > 0 || !slices.Equal(e.texts, want) {
		t.Errorf("%s; gaps %v; heard %v", fault, e.gaps, e.texts)
	}
}

// Redis forgets everything: the client is told that the history is another one, whether it
// was there at the time or not.
func TestRedisForgets(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	nodes := []*redisNode{startNode(t, r), startNode(t, r)}
	flush := func() { edgetest.Must(t, r.FlushAll(t.Context()).Err()) }
	restart := func() { r.Kill(); r.Restart() }
	for name, forget := range map[string]func(p *proxy, of *redisNode){
		"flushed":        func(*proxy, *redisNode) { flush() },
		"flushed-away":   func(p *proxy, of *redisNode) { p.redirect(of.Addr().String()); flush(); p.cut() },
		"restarted":      func(*proxy, *redisNode) { restart() },
		"restarted-away": func(p *proxy, of *redisNode) { p.redirect(of.Addr().String()); restart(); p.cut() },
	} {
		p := newProxy(t, nodes[0].Addr().String())
		c := begin(t, p.address(), Options{})
		room := join(t, c, name, JoinOptions{})
		next[Joined](t, room)
		e := listen(t, room)
		var all []Published
		speak := func(text string) {
			all = append(all, publishNow(t, nodes[len(all)%2].Server, room.Name(), text))
			done, err := room.Publish(patient(t), "own "+text, PublishOptions{})
			edgetest.Must(t, err)
			all = append(all, done)
		}
		speak("before")
		e.await(t, "own before")
		old := all[0].Epoch
		forget(p, nodes[1])
		for _, n := range nodes {
			n.healthy(t)
		}
		speak("after")
		speak("last")
		e.await(t, "own last")
		if fault := e.verdict(all); fault != "" || len(e.gaps) != 1 || e.gaps[0].Reason != "epoch" || e.gaps[0].Epoch != old || e.gaps[0].To != 0 {
			t.Errorf("%s: %s; gaps %+v; heard %v", name, fault, e.gaps, e.texts)
		}
		c.Close()
	}
}
