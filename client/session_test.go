package client

// This file is a client and the real server: joining, publishing and coming back.

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"barrage/edge"
	"barrage/edge/edgetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hasty waits are short: what is tested is what happens, not when.
func hasty() float64 { return rand.Float64() / 1000 }

func address(s *edgetest.Server) string { return "ws://" + s.Addr().String() }

func begin(t *testing.T, address string, o Options) *Client {
	t.Helper()
	c, err := start(address, o, hasty)
	edgetest.Must(t, err)
	t.Cleanup(c.Close)
	return c
}

func join(t *testing.T, c *Client, name string, o JoinOptions) *Room {
	t.Helper()
	r, err := c.Join(name, o)
	edgetest.Must(t, err)
	return r
}

func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), edgetest.Patience)
	t.Cleanup(cancel)
	return ctx
}

// next is the next event that is an E; others are passed over.
func next[E Event](t *testing.T, r *Room) E {
	t.Helper()
	for {
		event, err := r.Next(patient(t))
		if err != nil {
			t.Fatalf("waiting for a %T: %v", *new(E), err)
		}
		if e, ok := event.(E); ok {
			return e
		}
	}
}

func TestRoomJoinedBeforeThereIsAConnection(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, nil)
	r := join(t, begin(t, address(s), Options{}), "lobby", JoinOptions{})
	done, err := r.Publish(patient(t), "hello", PublishOptions{Kind: "greeting"})
	edgetest.Must(t, err)
	m := next[Message](t, r)
	if m.ID != done.MessageID || m.Room != "lobby" || m.Text() != "hello" || m.Kind != "greeting" || m.Offset != 1 || m.Past {
		t.Errorf("%+v, published %+v", m, done)
	}
	if at := r.Position(); at != (Position{done.Epoch, 1}) {
		t.Errorf("position %v", at)
	}
}

func TestWhatWasSaidWhileTheConnectionWasGone(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, nil)
	p := newProxy(t, s.Addr().String())
	r := join(t, begin(t, p.address(), Options{}), "resume", JoinOptions{})
	next[Joined](t, r)
	edgetest.PublishTo(t, s, "resume", "a")
	next[Message](t, r)
	p.cut()
	edgetest.PublishTo(t, s, "resume", "b")
	edgetest.PublishTo(t, s, "resume", "c")
	if j := next[Joined](t, r); !j.Resumed {
		t.Errorf("%+v", j)
	}
	edgetest.PublishTo(t, s, "resume", "d")
	for _, want := range []string{"b", "c", "d"} {
		if m := next[Message](t, r); m.Text() != want {
			t.Errorf("got %q, want %q", m.Text(), want)
		}
	}
}

// A session cut at every byte, in both directions: a room joined, two messages published by
// the client and two by another, all of them heard.
func TestSessionCutAtEveryByte(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, nil)
	wholeDown, wholeUp := session(t, s, "whole", fate{})
	if wholeDown < 800 || wholeUp < 300 {
		t.Fatalf("%d bytes down, %d up", wholeDown, wholeUp)
	}
	stride := 7
	switch {
	case os.Getenv("CLIENT_FULL") != "":
		stride = 1
	case testing.Short():
		stride = 70
	}
	for at := 1; at < max(wholeDown, wholeUp); at += stride {
		if at < wholeDown {
			session(t, s, fmt.Sprint("down-", at), fate{down: at})
		}
		if at < wholeUp {
			session(t, s, fmt.Sprint("up-", at), fate{up: at})
		}
	}
}

func session(t *testing.T, s *edgetest.Server, name string, f fate) (down, up int) {
	p := newProxy(t, s.Addr().String(), f)
	defer p.close()
	c, err := start(p.address(), Options{}, hasty)
	edgetest.Must(t, err)
	defer c.Close()
	r := join(t, c, name, JoinOptions{History: 10})
	edgetest.PublishTo(t, s, name, "a")
	for _, text := range []string{"1", "2"} {
		if _, err := r.Publish(patient(t), text, PublishOptions{}); err != nil {
			t.Fatalf("%+v: publishing %s: %v", f, text, err)
		}
	}
	edgetest.PublishTo(t, s, name, "b")
	var heard []string
	for len(heard) == 0 || heard[len(heard)-1] != "b" {
		event, err := r.Next(patient(t))
		if err != nil {
			t.Fatalf("%+v: heard %v, then %v", f, heard, err)
		}
		switch e := event.(type) {
		case Message:
			heard = append(heard, e.Text())
		case Gap:
			t.Fatalf("%+v: %+v", f, e)
		}
	}
	if got := strings.Join(heard, " "); got != "a 1 2 b" {
		t.Fatalf("%+v: heard %s", f, got)
	}
	return p.bytes()
}

// The events that nobody takes are bounded, and hold up no other room.
func TestNobodyTakes(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, nil)
	c := begin(t, address(s), Options{Buffer: 16})
	slow, quick := join(t, c, "slow", JoinOptions{}), join(t, c, "quick", JoinOptions{})
	next[Joined](t, slow)
	next[Joined](t, quick)
	for n := range 100 {
		edgetest.PublishTo(t, s, "slow", fmt.Sprint(n))
	}
	edgetest.PublishTo(t, s, "quick", "here")
	next[Message](t, quick)
	edgetest.WaitMembers(t, s, "slow", 0) // the room is left meanwhile
	for n := range 100 {
		if m := next[Message](t, slow); m.Text() != fmt.Sprint(n) {
			t.Fatalf("got %q, want %d", m.Text(), n)
		}
	}
}

func TestLeaveAndJoinAgain(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, nil)
	c := begin(t, address(s), Options{})
	r := join(t, c, "again", JoinOptions{})
	if again := join(t, c, "again", JoinOptions{}); again != r {
		t.Error("joined twice are two rooms")
	}
	next[Joined](t, r)
	edgetest.PublishTo(t, s, "again", "before")
	edgetest.Must(t, r.Leave(patient(t)))
	if event, err := r.Next(patient(t)); Code(err) != "left" {
		t.Errorf("after leaving: %v, %v", event, err)
	}
	edgetest.WaitMembers(t, s, "again", 0)
	r = join(t, c, "again", JoinOptions{})
	next[Joined](t, r)
	edgetest.PublishTo(t, s, "again", "after")
	if m := next[Message](t, r); m.Text() != "after" {
		t.Errorf("%+v", m)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, nil)
	c := begin(t, address(s), Options{})
	if _, err := join(t, c, "no spaces", JoinOptions{}).Next(patient(t)); Code(err) != "bad_room" {
		t.Errorf("joining: %v", err)
	}
	if _, err := c.Publish(patient(t), "no spaces", 1, PublishOptions{}); Code(err) != "bad_room" {
		t.Errorf("publishing: %v", err)
	}
	c.Close()
	if _, err := c.Join("lobby", JoinOptions{}); err != ErrClosed {
		t.Errorf("joining after Close: %v", err)
	}
	if _, err := c.Publish(patient(t), "lobby", 1, PublishOptions{}); err != ErrClosed {
		t.Errorf("publishing after Close: %v", err)
	}
	wrong := begin(t, address(s)+"/nowhere", Options{})
	if _, err := join(t, wrong, "lobby", JoinOptions{}).Next(patient(t)); Code(err) != "stopped" || !strings.Contains(err.Error(), "404") {
		t.Errorf("of a path that is none: %v", err)
	}
}

// While nobody answers a publish waits, until its context ends; the oldest of too many is
// refused.
func TestPublishOffline(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	edgetest.Must(t, err)
	defer l.Close()
	c := begin(t, "ws://"+l.Addr().String(), Options{Queue: 1})
	ctx, cancel := context.WithCancel(t.Context())
	results := make(chan error)
	publish := func() {
		_, err := c.Publish(ctx, "lobby", 1, PublishOptions{})
		results <- err
	}
	go publish()
	go publish()
	if err := <-results; Code(err) != "queue_full" {
		t.Errorf("one too many: %v", err)
	}
	cancel()
	if err := <-results; err != context.Canceled {
		t.Errorf("after its context: %v", err)
	}
}

func TestAnotherEpochIsAGap(t *testing.T) {
	t.Parallel()
	first, second := edgetest.Start(t, nil), edgetest.Start(t, func(c *edge.Config) {})
	p := newProxy(t, first.Addr().String())
	r := join(t, begin(t, p.address(), Options{}), "epochs", JoinOptions{})
	next[Joined](t, r)
	edgetest.PublishTo(t, first, "epochs", "a")
	old := next[Message](t, r)
	edgetest.PublishTo(t, second, "epochs", "b")
	p.redirect(second.Addr().String())
	p.cut()
	g := next[Gap](t, r)
	if g.Reason != "epoch" || g.Epoch != old.Epoch || g.From != 2 || g.To != 0 {
		t.Errorf("%+v", g)
	}
	if m := next[Message](t, r); m.Text() != "b" || !m.Past || m.Epoch == old.Epoch {
		t.Errorf("%+v", m)
	}
}

// A connection that goes silent without an end is noticed.
func TestHalfOpen(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, nil)
	p := newProxy(t, s.Addr().String())
	r := join(t, begin(t, p.address(), Options{Heartbeat: edgetest.Patience / 40}), "half", JoinOptions{})
	next[Joined](t, r)
	p.silence()
	edgetest.PublishTo(t, s, "half", "while silent")
	if m := next[Message](t, r); m.Text() != "while silent" || !m.Past {
		t.Errorf("%+v", m)
	}
}
