// Joins that are cut short, fail, or are overtaken.

package v1_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/auth"
	"barrage/edge/conn"
	"barrage/edge/edgetest"
	"barrage/frame"
	"barrage/internal/broker"
)

// TestLeaveDuringJoin: every command is answered, and nobody was ever in the room.
func TestLeaveDuringJoin(t *testing.T) {
	t.Parallel()
	s, b := startHeld(t, nil)
	wait, release := b.hold(t, "a", false)
	defer release()
	c := joinJSON(t, s, "/ws")
	c.Send(frame.Text, `{"id":1,"cmd":"join","room":"a","presence":true}`)
	wait(1)
	c.Send(frame.Text, `{"id":2,"cmd":"leave","room":"a"}`)
	if v := c.answer(1); code(v) != "not_joined" {
		t.Errorf("the join: %v", v)
	}
	okOf(t, c.answer(2))
	release()
	okOf(t, c.ask(`{"id":3,"cmd":"join","room":"a"}`))
	edgetest.WantCount(t, s, "a", 0, 1)
	okOf(t, c.ask(`{"id":4,"cmd":"leave","room":"a"}`))
	edgetest.WantCount(t, s, "a", 0, 0)
	if n := s.Delivery.Members("a") + s.Delivery.Members("\x00presence:a"); n != 0 {
		t.Errorf("%d memberships are left", n)
	}
}

// TestCloseDuringJoin: who never was in the room takes nobody else out of it.
func TestCloseDuringJoin(t *testing.T) {
	t.Parallel()
	s, b := startHeld(t, func(c *edge.Config) { withAuth(t, c) })
	token := testToken(t, "ann", nil)
	first := joinJSON(t, s, "/ws?token="+token)
	okOf(t, first.ask(`{"id":1,"cmd":"join","room":"a"}`))
	wait, release := b.hold(t, "a", false)
	defer release()
	second := joinJSON(t, s, "/ws?token="+token)
	second.Send(frame.Text, `{"id":1,"cmd":"join","room":"a"}`)
	wait(1)
	_ = second.Conn.Close()
	edgetest.WaitFor(t, "the second to go", func() bool { return s.Stats().Connections == 1 })
	release()
	edgetest.WantCount(t, s, "a", 1, 1)
	_ = first.Conn.Close()
	edgetest.WaitFor(t, "all to be forgotten", func() bool { return s.Stats().Presence.Connections == 0 })
}

// TestIdentityChangesDuringJoin: the room is joined once, by who it is in the end.
func TestIdentityChangesDuringJoin(t *testing.T) {
	t.Parallel()
	s, b := startHeld(t, func(c *edge.Config) { withAuth(t, c); c.Anonymous = true })
	c := joinJSON(t, s, "/ws")
	join(t, s, "/ws?room=a") // keeps the room
	okOf(t, c.ask(`{"id":1,"cmd":"join","room":"b"}`))
	wait, release := b.hold(t, "a", false)
	defer release()
	c.Send(frame.Text, `{"id":2,"cmd":"join","room":"a"}`)
	wait(1)
	okOf(t, c.ask(`{"id":3,"cmd":"auth","token":"`+testToken(t, "ann", nil)+`"}`))
	edgetest.WantCount(t, s, "b", 1, 1)
	release()
	okOf(t, c.answer(2))
	edgetest.WantCount(t, s, "a", 1, 2)
	okOf(t, c.ask(`{"id":4,"cmd":"leave","room":"a"}`))
	edgetest.WantCount(t, s, "a", 0, 1)
}

// TestForbiddenDuringJoin: a newer token ends also joins that are under way.
func TestForbiddenDuringJoin(t *testing.T) {
	t.Parallel()
	s, b := startHeld(t, func(c *edge.Config) { withAuth(t, c) })
	c := joinJSON(t, s, "/ws?token="+testToken(t, "ann", nil))
	okOf(t, c.ask(`{"id":1,"cmd":"join","room":"b"}`))
	wait, release := b.hold(t, "a", false)
	defer release()
	c.Send(frame.Text, `{"id":2,"cmd":"join","room":"a"}`)
	wait(1)
	c.Send(frame.Text, `{"id":3,"cmd":"auth","token":"`+testToken(t, "ann", func(c *auth.Claims) { c.Rooms = auth.Patterns{"x*"} })+`"}`)
	okOf(t, c.answer(3))
	if v := c.answer(2); code(v) != "not_joined" {
		t.Errorf("the join: %v", v)
	}
	for _, room := range []string{"a", "b"} {
		if v := c.push("left"); v["room"] != room || v["reason"] != "forbidden" {
			t.Errorf("got %v", v)
		}
	}
	release()
	edgetest.WantCount(t, s, "a", 0, 0)
	edgetest.WantCount(t, s, "b", 0, 0)
}

// TestKickDuringJoin: an order meets those who are about to come in, too.
func TestKickDuringJoin(t *testing.T) {
	t.Parallel()
	s, b := startHeld(t, func(c *edge.Config) { withAuth(t, c) })
	c := joinJSON(t, s, "/ws?token="+testToken(t, "ann", nil))
	wait, release := b.hold(t, "a", false)
	defer release()
	c.Send(frame.Text, `{"id":1,"cmd":"join","room":"a"}`)
	wait(1)
	if err := s.Moderation.Kick(context.Background(), "a", "ann", "spam", 0); err != nil {
		t.Fatal(err)
	}
	if v := c.answer(1); code(v) != "not_joined" {
		t.Errorf("the join: %v", v)
	}
	if v := c.push("left"); v["room"] != "a" {
		t.Errorf("got %v", v)
	}
	release()
	okOf(t, c.ask(`{"id":2,"cmd":"ping"}`))
	edgetest.WantCount(t, s, "a", 0, 0)
}

// TestSwitchThatFails: who cannot get into the next room stays in the last one.
func TestSwitchThatFails(t *testing.T) {
	t.Parallel()
	s, b := startHeld(t, func(c *edge.Config) { withAuth(t, c); c.MaxRooms = 1 })
	c := joinJSON(t, s, "/ws?token="+testToken(t, "ann", nil))
	okOf(t, c.ask(`{"id":1,"cmd":"join","room":"a"}`))
	b.setFail(errors.New("the store is away"))
	for _, x := range []struct{ command, code string }{
		{`{"id":2,"cmd":"join","room":"b","leave":"a","history":1}`, "unavailable"},
		{`{"id":2,"cmd":"join","room":"a","leave":"a"}`, "already_joined"},
		{`{"id":2,"cmd":"join","room":"b","leave":"b"}`, "not_joined"},
		{`{"id":2,"cmd":"join","room":"b","leave":"\u0000presence:a"}`, "not_joined"},
		{`{"id":2,"cmd":"join","room":"b","leave":"user:ann"}`, "not_joined"},
		{`{"id":2,"cmd":"join","room":"b"}`, "too_many_rooms"},
	} {
		if v := c.ask(x.command); code(v) != x.code {
			t.Errorf("%s: %v, want %s", x.command, v, x.code)
		}
		edgetest.PublishTo(t, s, "a", "still in a")
		if v := c.push("message"); v["data"] != "still in a" {
			t.Fatalf("%s: got %v", x.command, v)
		}
	}
	b.setFail(nil)
	edgetest.PublishTo(t, s, "user:ann", "and at home")
	c.push("joined")
	wait, release := b.hold(t, "b", false)
	defer release()
	c.Send(frame.Text, `{"id":3,"cmd":"join","room":"b","leave":"a"}`)
	wait(1)
	if v := c.ask(`{"id":4,"cmd":"join","room":"c","leave":"a"}`); code(v) != "not_joined" {
		t.Errorf("left for two rooms: %v", v)
	}
	release()
	okOf(t, c.answer(3))
	edgetest.WantCount(t, s, "a", 0, 0)
	edgetest.WantCount(t, s, "b", 1, 1)
	okOf(t, c.ask(`{"id":5,"cmd":"join","room":"c","leave":"b"}`))
}

// TestInbox: a user's own room costs nothing until there is a message in it. Then
// it counts for nothing, may be left, and joined again at a position; a later
// message brings it back.
func TestInbox(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) { withAuth(t, c); c.MaxRooms = 1 })
	c := joinJSON(t, s, "/ws?token="+testToken(t, "ann", nil))
	okOf(t, c.ask(`{"id":1,"cmd":"join","room":"a"}`))
	if n, _, in := s.Room("user:ann"); in || !s.Online(context.Background(), "ann") || s.Delivery.Members("user:ann") != 1 {
		t.Errorf("%d members, online %v, %d to reach", n, s.Online(context.Background(), "ann"), s.Delivery.Members("user:ann"))
	}
	brings := func(v map[string]any, texts ...any) (epoch any) {
		t.Helper()
		var got []any
		messages, _ := v["messages"].([]any)
		for _, m := range messages {
			got = append(got, m.(map[string]any)["data"])
		}
		if !slices.Equal(got, texts) || v["resumed"] != true {
			t.Errorf("it brings %v", v)
		}
		return v["epoch"]
	}
	if n := edgetest.PublishTo(t, s, "user:ann", "one"); n != 1 {
		t.Errorf("queued for %d", n)
	}
	epoch := brings(c.push("joined"), "one")
	if v := c.ask(`{"id":2,"cmd":"join","room":"user:ann"}`); code(v) != "already_joined" {
		t.Errorf("got %v", v)
	}
	edgetest.PublishTo(t, s, "user:ann", "two")
	if v := c.push("message"); v["data"] != "two" {
		t.Errorf("got %v", v)
	}
	okOf(t, c.ask(`{"id":3,"cmd":"leave","room":"user:ann"}`))
	brings(okOf(t, c.ask(fmt.Sprintf(`{"id":4,"cmd":"join","room":"user:ann","since":{"epoch":%q,"offset":0}}`, epoch))), "one", "two")
	okOf(t, c.ask(`{"id":5,"cmd":"leave","room":"user:ann"}`))
	edgetest.PublishTo(t, s, "user:ann", "three")
	brings(c.push("joined"), "three")
	edgetest.WantCount(t, s, "user:ann", 1, 1)

	second := joinJSON(t, s, "/ws?token="+testToken(t, "ann", nil))
	brings(second.push("joined"), "one", "two", "three") // nothing is acknowledged
	edgetest.WantCount(t, s, "user:ann", 1, 2)
	_ = c.Conn.Close()
	edgetest.WantCount(t, s, "user:ann", 1, 1)
	_ = second.Conn.Close()
	edgetest.WaitFor(t, "all to be forgotten", func() bool {
		return s.Stats().Presence.Connections == 0 && !s.Online(context.Background(), "ann")
	})
}

// TestPublishWithoutRoom goes to the room joined last: to none of the server's own
// and none that is not joined yet.
func TestPublishWithoutRoom(t *testing.T) {
	t.Parallel()
	s, b := startHeld(t, func(c *edge.Config) { withAuth(t, c) })
	c := joinJSON(t, s, "/ws?token="+testToken(t, "ann", nil))
	if v := c.ask(`{"id":1,"cmd":"publish","data":1}`); code(v) != "not_joined" {
		t.Errorf("in no room: %v", v)
	}
	okOf(t, c.ask(`{"id":2,"cmd":"join","room":"a","presence":true}`))
	wait, release := b.hold(t, "b", false)
	defer release()
	c.Send(frame.Text, `{"id":3,"cmd":"join","room":"b"}`)
	wait(1)
	c.Send(frame.Text, `{"id":4,"cmd":"publish","data":"here"}`)
	if v := c.push("message"); v["room"] != "a" || v["data"] != "here" {
		t.Errorf("got %v", v)
	}
}

// TestManyWaitForTheBroker: joins of many rooms go on with their room, in any
// order, or when their time is over; none is forgotten.
func TestManyWaitForTheBroker(t *testing.T) {
	t.Parallel()
	const rooms = 12
	s, b := edgetest.StartLate(t, nil)
	c := joinJSON(t, s, "/ws")
	for i := range rooms {
		c.Send(frame.Text, fmt.Sprintf(`{"id":%d,"cmd":"join","room":"r%d"}`, i+1, i))
	}
	edgetest.WaitFor(t, "all to wait", func() bool { return s.Node.Waiting.Load() == rooms })
	if v := c.ask(`{"id":99,"cmd":"join","room":"r0"}`); code(v) != "already_joined" {
		t.Errorf("got %v", v)
	}
	for _, i := range []int{7, 3, 11} {
		b.Ready(fmt.Sprint("r", i))
		okOf(t, c.answer(i+1))
	}
	c.Send(frame.Text, `{"id":98,"cmd":"leave","room":"r5"}`)
	if v := c.answer(6); code(v) != "not_joined" {
		t.Errorf("the join that was left: %v", v)
	}
	okOf(t, c.answer(98))
	for _, v := range c.answers(rooms - 4) {
		okOf(t, v)
	}
	edgetest.WaitFor(t, "nobody to wait", func() bool {
		return s.Node.Waiting.Load() == 0 && onLoops(t, s, func(l *conn.Loop) int { return s.Node.Waits[l.Index()].Len() }) == 0
	})
	edgetest.WantCount(t, s, "r5", 0, 0)
	edgetest.WantCount(t, s, "r6", 0, 1)
}

// flooded publishes more than a room's log holds for a held member, and waits
// until that was dropped.
func flooded(t *testing.T, s *edgetest.Server, from, to int) {
	t.Helper()
	filling := strings.Repeat("x", 5000)
	for n := from; n <= to; n++ {
		edgetest.PublishTo(t, s, "a", fmt.Sprint("message ", n, " ", filling))
	}
	for range 2 { // the second call comes behind the loop's work on what was there at the first
		onLoops(t, s, func(*conn.Loop) int { return 0 })
	}
	skipped := uint64(0)
	for _, f := range s.Stats().Fanout {
		skipped += f.Skipped[0]
	}
	if skipped == 0 {
		t.Error("nothing was dropped")
	}
}

func startDropping(t *testing.T, policy edge.SlowPolicy) (*edgetest.Server, *heldBroker) {
	return startHeld(t, func(c *edge.Config) {
		c.RoomLogBytes, c.SlowPolicy = 128<<10, policy
		c.History = broker.Rules{{Pattern: "*", Retention: broker.Retention{Messages: 1000, Age: time.Hour}}}
	})
}

// TestDroppedWhileHeld: what was dropped while the history was being read is no
// gap if the history has it, and one in its place if not. Neither is the viewer's
// fault, but only the first may stay with the policy "close".
func TestDroppedWhileHeld(t *testing.T) {
	t.Parallel()
	const last = 100
	for _, policy := range []edge.SlowPolicy{edge.SlowSkip, edge.SlowClose} {
		t.Run("covered by the history, "+string(policy), func(t *testing.T) {
			s, b := startDropping(t, policy)
			wait, release := b.hold(t, "a", false)
			defer release()
			c := joinJSON(t, s, "/ws")
			c.Send(frame.Text, `{"id":1,"cmd":"join","room":"a"}`)
			wait(1)
			flooded(t, s, 1, last)
			release()
			if ok := okOf(t, c.answer(1)); ok["offset"] != float64(last) {
				t.Errorf("joined at %v", ok["offset"])
			}
			edgetest.PublishTo(t, s, "a", "next")
			if v := c.object(); v["push"] != "message" || v["offset"] != float64(last+1) {
				t.Errorf("got %.200v", v)
			}
			edgetest.Balanced(t, s)
		})
	}
	t.Run("behind the history", func(t *testing.T) {
		s, b := startDropping(t, edge.SlowSkip)
		edgetest.PublishTo(t, s, "a", "message 1")
		wait, release := b.hold(t, "a", true)
		defer release()
		c := joinJSON(t, s, "/ws")
		c.Send(frame.Text, `{"id":1,"cmd":"join","room":"a"}`)
		wait(1)
		flooded(t, s, 2, last)
		release()
		if ok := okOf(t, c.answer(1)); ok["offset"] != 1.0 {
			t.Errorf("joined at %v", ok["offset"])
		}
		gap := c.object()
		next, _ := gap["to"].(float64)
		if gap["push"] != "gap" || gap["from"] != 2.0 || gap["count"] != next-1 || gap["reason"] != "slow" {
			t.Fatalf("got %.200v", gap)
		}
		for next++; next <= last; next++ {
			if v := c.object(); v["offset"] != next {
				t.Fatalf("got %.200v, want offset %v", v, next)
			}
		}
		edgetest.Balanced(t, s)
	})
	t.Run("behind the history, close", func(t *testing.T) {
		s, b := startDropping(t, edge.SlowClose)
		edgetest.PublishTo(t, s, "a", "message 1")
		wait, release := b.hold(t, "a", true)
		defer release()
		c := joinJSON(t, s, "/ws")
		c.Send(frame.Text, `{"id":1,"cmd":"join","room":"a"}`)
		wait(1)
		flooded(t, s, 2, last)
		release()
		c.wantBye(conn.CodeSlow, true)
	})
}

// TestClearedDuringJoin: a history that ended just after it was read does not hide
// the messages of the next one.
func TestClearedDuringJoin(t *testing.T) {
	t.Parallel()
	s, b := startHeld(t, nil)
	other := join(t, s, "/ws?room=a")
	edgetest.PublishTo(t, s, "a", "old")
	other.Want(frame.Text, "old")
	wait, release := b.hold(t, "a", true)
	defer release()
	c := joinJSON(t, s, "/ws")
	c.Send(frame.Text, `{"id":1,"cmd":"join","room":"a"}`)
	wait(1)
	if err := s.Moderation.Clear(context.Background(), "a"); err != nil {
		t.Fatal(err)
	}
	edgetest.PublishTo(t, s, "a", "new")
	other.Want(frame.Text, "new")
	release()
	old := okOf(t, c.answer(1))
	if v := c.push("message"); v["data"] != "new" || v["epoch"] == old["epoch"] {
		t.Errorf("got %v behind epoch %v", v, old["epoch"])
	}
}

// TestLostDuringJoin: a gap that the history fills is none.
func TestLostDuringJoin(t *testing.T) {
	t.Parallel()
	s, b := startHeld(t, nil)
	epoch := epochOf(t, s, "a")
	for n := 2; n <= 5; n++ {
		edgetest.PublishTo(t, s, "a", fmt.Sprint("message ", n))
	}
	wait, release := b.hold(t, "a", false)
	defer release()
	c, raw := joinJSON(t, s, "/ws"), join(t, s, "/ws?room=a")
	c.Send(frame.Text, fmt.Sprintf(`{"id":1,"cmd":"join","room":"a","since":{"epoch":%q,"offset":1}}`, epoch))
	wait(1)
	s.Delivery.Lost("a", broker.Gap{Epoch: epoch, From: 3, To: 4, Reason: broker.GapTrimmed})
	raw.Want(frame.Ping, "")
	release()
	if ok := okOf(t, c.answer(1)); ok["resumed"] != true || len(ok["messages"].([]any)) != 4 {
		t.Errorf("got %v", ok)
	}
	s.Delivery.Lost("a", broker.Gap{Epoch: epoch, From: 6, To: 7, Reason: broker.GapTrimmed})
	if v := c.object(); v["push"] != "gap" || v["from"] != 6.0 || v["to"] != 7.0 || v["reason"] != "trimmed" {
		t.Errorf("got %v", v)
	}
}

// TestEpochGapIsTold also to a member who has heard nothing since it joined.
func TestEpochGapIsTold(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, nil)
	epoch := epochOf(t, s, "a")
	c := joinJSON(t, s, "/ws?room=a")
	c.push("joined")
	s.Delivery.Lost("a", broker.Gap{Epoch: epoch, From: 2, Reason: broker.GapEpoch})
	if v := c.push("gap"); v["reason"] != "epoch" || v["from"] != 2.0 || v["to"] != nil {
		t.Errorf("got %v", v)
	}
	s.Delivery.Deliver(&broker.Message{Room: "a", ID: "x", Epoch: "next", Offset: 1, Format: broker.Text, Payload: []byte("again")})
	if v := c.push("message"); v["data"] != "again" || v["epoch"] != "next" {
		t.Errorf("got %v", v)
	}
}

// TestLateJoin: where the broker does not bring a room's messages, nobody is
// promised to have all of them: who asks for a position is refused, for now, and who
// does not is let in without one.
func TestLateJoin(t *testing.T) {
	t.Parallel()
	s, b := edgetest.StartLate(t, nil)
	c := joinJSON(t, s, "/ws")
	edgetest.PublishTo(t, s, "a", "one")
	if v := c.ask(`{"id":1,"cmd":"join","room":"a","since":{"epoch":"","offset":0}}`); code(v) != "unavailable" || v["error"].(map[string]any)["retry_after"] == nil {
		t.Errorf("got %v", v)
	}
	if ok := okOf(t, c.ask(`{"id":2,"cmd":"join","room":"a"}`)); ok["offset"] != 0.0 || ok["epoch"] != nil {
		t.Errorf("got %v", ok)
	}
	edgetest.PublishTo(t, s, "a", "two")
	if v := c.push("message"); v["data"] != "two" || v["offset"] != 2.0 {
		t.Errorf("got %v", v)
	}
	b.Ready("a")
	okOf(t, c.ask(`{"id":3,"cmd":"leave","room":"a"}`))
	ok := okOf(t, c.ask(`{"id":4,"cmd":"join","room":"a","since":{"epoch":"","offset":0}}`))
	if m, _ := ok["messages"].([]any); len(m) != 2 || ok["resumed"] != true {
		t.Errorf("got %v", ok)
	}
}
