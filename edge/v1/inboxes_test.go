// What waits for users, when they come and while they are there.

package v1_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/edgetest"
	"barrage/internal/broker"
	"barrage/internal/broker/memory"
)

// absentBroker is a broker in memory whose store is away when it is asked first
// whether something waits for a user.
type absentBroker struct {
	broker.Broker
	asked atomic.Int32
}

func (b *absentBroker) Unread(ctx context.Context, room string) (bool, error) {
	if b.asked.Add(1) == 1 {
		return false, broker.ErrUnavailable
	}
	return b.Broker.Unread(ctx, room)
}

// TestInboxIsLookedIntoAgain: who comes while the store is away gets what waits for
// them once it is back.
func TestInboxIsLookedIntoAgain(t *testing.T) {
	t.Parallel()
	b := new(absentBroker)
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c) }, func(s *edgetest.Server) {
		b.Broker = edgetest.NewMemory(t, s, memory.Config{Rules: broker.DefaultRules()})
		s.SetBroker(b)
	})
	edgetest.PublishTo(t, s, "user:bob", "are you there?")
	bob := joinJSON(t, s, "/ws?token="+testToken(t, "bob", nil))
	v := bob.push("joined")
	messages, _ := v["messages"].([]any)
	if v["room"] != "user:bob" || len(messages) != 1 || b.asked.Load() != 2 {
		t.Errorf("after %d questions: %v", b.asked.Load(), v)
	}
}

// lookingBroker is a broker in memory that answers the first question whether something
// waits for a user only when the test says so.
type lookingBroker struct {
	broker.Broker
	asked   atomic.Int32
	release chan struct{}
	stale   bool // that answer is of the time of the question
}

func (b *lookingBroker) Unread(ctx context.Context, room string) (unread bool, err error) {
	if b.asked.Add(1) > 1 {
		return b.Broker.Unread(ctx, room)
	}
	if b.stale {
		unread, err = b.Broker.Unread(ctx, room)
	}
	select {
	case <-b.release:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if b.stale {
		return unread, err
	}
	return b.Broker.Unread(ctx, room)
}

// TestWrittenToWhileLookedInto: who is written to while it is found out what waits for
// them gets that, too, and whoever nothing waited for gets the message.
func TestWrittenToWhileLookedInto(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		waiting int
		stale   bool
	}{"some wait": {2, false}, "none waits": {0, true}} {
		t.Run(name, func(t *testing.T) {
			b := &lookingBroker{release: make(chan struct{}), stale: x.stale}
			s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c) }, func(s *edgetest.Server) {
				b.Broker = edgetest.NewMemory(t, s, memory.Config{Rules: broker.DefaultRules()})
				s.SetBroker(b)
			})
			for range x.waiting {
				edgetest.PublishTo(t, s, "user:bob", "waits")
			}
			bob := joinAs(t, s, "bob")
			edgetest.WaitFor(t, "the question", func() bool { return b.asked.Load() == 1 })
			edgetest.PublishTo(t, s, "user:bob", "comes")
			okOf(t, bob.ask(`{"id":1,"cmd":"ping"}`)) // it was told of the message by now
			close(b.release)
			if list, _ := bob.push("joined")["messages"].([]any); len(list) != x.waiting+1 {
				t.Errorf("got %v", list)
			}
		})
	}
}

// TestInboxThatCannotBeRead: who is told that what waits for them could not be read gets
// it later all the same, however often they are written to meanwhile.
func TestInboxThatCannotBeRead(t *testing.T) {
	t.Parallel()
	s, b := startHeld(t, func(c *edge.Config) { withAuth(t, c) })
	edgetest.PublishTo(t, s, "user:bob", "waits")
	b.setFail(broker.ErrUnavailable)
	bob := joinAs(t, s, "bob")
	bob.push("left")
	for range 5 {
		edgetest.PublishTo(t, s, "user:bob", "comes")
	}
	okOf(t, bob.ask(`{"id":1,"cmd":"ping"}`))
	b.setFail(nil)
	if list, _ := bob.push("joined")["messages"].([]any); len(list) != 6 {
		t.Errorf("got %v", list)
	}
}

// TestWrittenToWhileWaiting: what is in no history reaches users also while their room
// waits for the broker: nobody could give it to them later.
func TestWrittenToWhileWaiting(t *testing.T) {
	t.Parallel()
	s, _ := edgetest.StartLate(t, func(c *edge.Config) { withAuth(t, c) })
	bob := joinAs(t, s, "bob")
	edgetest.WaitMembers(t, s, "user:bob", 1)
	_, err := s.Publish(context.Background(), &broker.Publication{Room: "user:bob", Format: broker.Text, Payload: []byte("typing"), Forget: true})
	edgetest.Must(t, err)
	if v := bob.push("message"); v["data"] != "typing" {
		t.Errorf("got %v", v)
	}
}

// TestFrozenUserIsAway: a user whose socket takes all that a busy room says, and who
// answers nothing, is not there: what is written to them waits until they come back.
func TestFrozenUserIsAway(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) {
		withAuth(t, c)
		c.PingInterval, c.PingTimeout = 200*time.Millisecond, 2*time.Second
	})
	bob := joinJSON(t, s, "/ws?room=busy&token="+testToken(t, "bob", nil))
	bob.push("joined")
	online := func() bool { return s.Node.Online(t.Context(), "bob") }
	if !online() {
		t.Fatal("bob has come, and is not online")
	}
	edgetest.WaitFor(t, "bob to be away", func() bool {
		edgetest.PublishTo(t, s, "busy", "one comment")
		return !online()
	})
	edgetest.PublishTo(t, s, "user:bob", "are you there?")
	bob = joinJSON(t, s, "/ws?token="+testToken(t, "bob", nil))
	if messages, _ := bob.push("joined")["messages"].([]any); len(messages) != 1 {
		t.Errorf("%d messages have waited", len(messages))
	}
}
