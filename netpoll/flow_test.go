// What the kernel says of bytes on their way, and deadlines that are brought forward.

package netpoll

import (
	"io"
	"testing"
	"time"
)

// TestFlow: what is acknowledged is not what is read, and who reads is seen to.
func TestFlow(t *testing.T) {
	h := new(testHandler)
	l, addr := startLoop(t, Config{MaxQueue: 64 << 20}, h)
	c, id := dialOne(t, addr, h)
	flow := func() (f Flow) {
		onLoop(l, func() { f = l.Flow(id) })
		return f
	}
	onLoop(l, func() { l.Queue(id, pattern(100)) })
	waitFor(t, "the peer's kernel", func() bool { return flow().Acked >= 100 })
	if f := flow(); f.Behind {
		t.Errorf("with all acknowledged and none read: %+v", f)
	}
	const much = 16 << 20
	onLoop(l, func() { l.Queue(id, pattern(much)) })
	waitFor(t, "its buffer to be full", func() bool {
		before := flow()
		time.Sleep(20 * time.Millisecond) // longer than an acknowledgement takes
		return flow() == before
	})
	full := flow()
	if !full.Behind || full.Acked >= much {
		t.Errorf("with a peer that reads nothing: %+v", full)
	}
	if _, err := io.CopyN(io.Discard, c, 8<<20); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "more to be acknowledged", func() bool { return flow().Acked > full.Acked })
	if _, err := io.CopyN(io.Discard, c, 100+much-8<<20); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "all to be taken", func() bool { f := flow(); return !f.Behind && f.Acked >= 100+much })
}

func TestHasten(t *testing.T) {
	h := new(testHandler)
	expired := make(chan ID, 3)
	h.expired = func(id ID) { expired <- id }
	l, addr := startLoop(t, Config{}, h)
	_, later := dialOne(t, addr, h)
	_, sooner := dialOne(t, addr, h)
	_, unset := dialOne(t, addr, h)
	onLoop(l, func() {
		if d := l.Left(sooner); d != 0 {
			t.Errorf("%v left until no deadline", d)
		}
		l.SetDeadline(sooner, 50*time.Millisecond)
		l.Hasten(sooner, time.Hour)
		l.SetDeadline(later, time.Hour)
		if d := l.Left(later); d < time.Hour || d > time.Hour+time.Second {
			t.Errorf("%v left of an hour", d)
		}
		l.Hasten(later, 50*time.Millisecond)
		l.Hasten(unset, 50*time.Millisecond)
	})
	all := make(map[ID]bool)
	for range 3 {
		select {
		case id := <-expired:
			all[id] = true
		case <-time.After(10 * time.Second):
			t.Fatalf("only %v have expired", all)
		}
	}
	if len(all) != 3 {
		t.Errorf("expired: %v", all)
	}
}
