package redisbridge

// Keys, and messages that must be kept, while Redis is out of reach.

import (
	"context"
	"errors"
	"testing"

	"barrage/internal/broker"
)

// A key makes a repetition harmless in an outage too, and after it.
func TestKeyInOutage(t *testing.T) {
	s := startRedis(t)
	n := healthyNode(t, kept(hastyConfig(s.URL()), plenty), "a")
	other := healthyNode(t, kept(hastyConfig(s.URL()), plenty), "a")
	keyed := func(payload string) *broker.Publication {
		p := message("a", payload)
		p.Key = "k"
		return p
	}
	s.Kill()
	first, err := n.Publish(context.Background(), keyed("one")) // known to be out or not
	if err != nil || !first.LocalOnly || first.Replayed {
		t.Fatalf("Publish: %+v, %v", first, err)
	}
	wantAgain := func(when string) {
		t.Helper()
		r, err := n.Publish(context.Background(), keyed("one"))
		if err != nil || !r.Replayed || !r.LocalOnly || r.ID != first.ID {
			t.Errorf("%s: Publish: %+v, %v, want %+v again", when, r, err, first)
		}
		receipts := make(chan broker.Receipt, 1)
		if !n.TryPublish(keyed("one"), func(r broker.Receipt, _ error) { receipts <- r }) {
			t.Fatal("TryPublish refused")
		}
		if r := <-receipts; !r.Replayed || r.ID != first.ID {
			t.Errorf("%s: TryPublish: %+v, want %+v again", when, r, first)
		}
	}
	wantAgain("at once")
	n.waitDown()
	wantAgain("in the outage")
	s.Restart()
	n.waitUp()
	other.waitUp()
	wantAgain("after it")
	eventually(t, "a message goes through Redis", func() bool {
		r, err := n.publish("a", "last")
		return err == nil && !r.LocalOnly
	})
	n.waitFor("last")
	other.waitFor("last")
	if n.times("one") != 1 || other.times("one") != 0 {
		t.Errorf("delivered %d times here, %d times there, want once and never", n.times("one"), other.times("one"))
	}
}

// What is to wait for its reader is refused rather than given to those only who
// happen to be here.
func TestKeepInOutage(t *testing.T) {
	s := startRedis(t)
	n := healthyNode(t, kept(hastyConfig(s.URL()), plenty), "a")
	p := message("a", "letter")
	p.Keep = true
	wantRefused := func(when string) {
		t.Helper()
		if r, err := n.Publish(context.Background(), p); !errors.Is(err, broker.ErrUnavailable) {
			t.Errorf("%s: Publish: %+v, %v", when, r, err)
		}
		failures := make(chan error, 1)
		if !n.TryPublish(p, func(_ broker.Receipt, err error) { failures <- err }) {
			t.Fatal("TryPublish refused")
		}
		if err := <-failures; !errors.Is(err, broker.ErrUnavailable) {
			t.Errorf("%s: TryPublish: %v", when, err)
		}
	}
	s.Kill()
	wantRefused("at once")
	n.waitDown()
	wantRefused("in the outage")
	if n.times("letter") != 0 {
		t.Error("delivered all the same")
	}
	n.wantLocal("a", "comment")
}
