package mailbox

import (
	"container/heap"
	"context"
	"testing"
	"time"

	"barrage/edge/conn"
	"barrage/internal/broker"
	"barrage/internal/broker/memory"
)

// fakeHost is a protocol without connections.
type fakeHost struct {
	Host
	now time.Duration
}

func (h *fakeHost) Now() time.Duration { return h.now }

// TestBackoff: the wait doubles, to ten times, and the queue is in order.
func TestBackoff(t *testing.T) {
	h := &fakeHost{now: time.Hour}
	o := NewOffice(Config{AckTimeout: time.Minute})
	b := o.Attach(0, h)
	m := &broker.Message{Room: "user:bob", Epoch: "e", Offset: 1, Confirm: true}
	for i := range 50 {
		c := &conn.Client{}
		b.Given(c, m)
		p := b.pending.of[c]
		heap.Remove(&b.pending.queue, p.index)
		p.tries = i * 7 % (mostDoublings + 1)
		b.askLater(p)
		wait := []time.Duration{1, 2, 4, 8, 10}[p.tries] * time.Minute
		if p.due != h.now+wait {
			t.Errorf("after %d tries in %v, want %v", p.tries, p.due-h.now, wait)
		}
		if i%3 == 0 {
			b.forgetAcks(c)
			b.askLater(p) // of one that has ended
		}
	}
	if len(b.pending.queue) != len(b.pending.of) || len(b.pending.of) != 33 || o.Pending() != 33 {
		t.Errorf("%d in the queue, %d have something to acknowledge, %d counted", len(b.pending.queue), len(b.pending.of), o.Pending())
	}
	for i, p := range b.pending.queue {
		if p.index != i || i > 0 && b.pending.queue[(i-1)/2].due > p.due {
			t.Fatalf("at %d is %+v", i, p)
		}
	}
}

// nobody is a receiver without members.
type nobody struct{ broker.Receiver }

func (nobody) Deliver(*broker.Message) int { return 0 }
func (nobody) Members(string) int          { return 0 }

// TestUnackedBehindManyOthers: what needs no acknowledgement may be unread for long, and
// a page of it is not all there is.
func TestUnackedBehindManyOthers(t *testing.T) {
	ctx, now := context.Background(), time.Now().Add(-time.Minute)
	b, err := memory.New(memory.Config{Rules: broker.DefaultRules(), Now: func() time.Time { return now }}, nobody{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	o := NewOffice(Config{Broker: b, AckTimeout: time.Second})
	send := func(confirm bool) broker.Position {
		r, err := b.Publish(ctx, &broker.Publication{Room: "user:bob", Format: broker.Text, Confirm: confirm})
		if err != nil {
			t.Fatal(err)
		}
		return r.Position
	}
	first := send(true)
	for range maxRead + 5 {
		send(false)
	}
	last := send(true)
	if err := b.Acknowledge(ctx, "user:bob", first); err != nil {
		t.Fatal(err)
	}
	u, err := o.unacked(ctx, "user:bob", broker.Position{Epoch: first.Epoch})
	if err != nil || u.any || u.acked != first || u.next == nil || u.next.Offset != first.Offset+maxRead {
		t.Fatalf("got %+v, %v", u, err)
	}
	if u, err = o.unacked(ctx, "user:bob", *u.next); err != nil || !u.any || u.next != nil || len(u.again) != 1 || u.again[0].Offset != last.Offset {
		t.Errorf("behind them: %+v, %v", u, err)
	}
	if u, err := o.unacked(ctx, "user:bob", broker.Position{Epoch: "gone", Offset: 7}); err != nil || u.any {
		t.Errorf("from an epoch that is gone: %+v, %v", u, err)
	}
}
