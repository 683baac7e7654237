// Messages that are to be acknowledged, and messages with an end.

package v1_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/edgetest"
	"barrage/frame"
	"barrage/internal/broker"
	"barrage/internal/broker/memory"
	"barrage/internal/refusal"
)

const quickAck = 100 * time.Millisecond

func withQuickAck(t *testing.T) func(*edge.Config) {
	return func(c *edge.Config) { withAuth(t, c); c.AckTimeout = quickAck }
}

func joinAs(t *testing.T, s *edgetest.Server, user string) *viewer {
	t.Helper()
	return joinJSON(t, s, "/ws?token="+testToken(t, user, nil))
}

// wantSettled waits until nobody owes anything.
func wantSettled(t *testing.T, s *edgetest.Server) {
	t.Helper()
	edgetest.WaitFor(t, "all to be settled", func() bool { return s.Stats().PendingAcks == 0 })
}

// repeat takes objects until a message is pushed again.
func (c *viewer) repeat() map[string]any {
	c.T.Helper()
	for {
		if v := c.push("message"); v["repeat"] == true {
			return v
		}
	}
}

func ackOf(id int, v map[string]any) string {
	return fmt.Sprintf(`{"id":%d,"cmd":"ack","epoch":%q,"offset":%v}`, id, v["epoch"], v["offset"])
}

// TestMailboxFull: who writes too much to a user is refused, and told so; others write on; a
// backend pushes out what clients wrote, and the user is told what is missing.
func TestMailboxFull(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) {
		withAuth(t, c)
		c.History = broker.Rules{{Pattern: "*", Retention: broker.Retention{Messages: 8, Age: time.Hour}}}
	})
	say := func(c *viewer, qos int) map[string]any {
		return c.ask(fmt.Sprintf(`{"id":1,"cmd":"publish","to":"bob","data":"hello","qos":%d}`, qos))
	}
	eve, ann := joinAs(t, s, "eve"), joinAs(t, s, "ann")
	for range 4 {
		okOf(t, say(eve, 1))
	}
	for qos := range 2 {
		if v := say(eve, qos); code(v) != "mailbox_full" {
			t.Errorf("the fifth of eight: %v", v)
		}
	}
	okOf(t, say(ann, 1)) // the fifth
	okOf(t, say(ann, 0))
	backend := func() error {
		_, err := s.Publish(context.Background(), &broker.Publication{Room: "user:bob", Format: broker.Text, Payload: []byte("news"), Confirm: true})
		return err
	}
	for range 4 { // pushes out the sixth, then the first
		if err := backend(); err != nil {
			t.Fatal(err)
		}
	}
	bob := joinAs(t, s, "bob")
	joined := bob.push("joined")
	gap, _ := joined["gap"].(map[string]any)
	if got := joined["messages"].([]any); len(got) != 8 || gap["from"] != 1.0 || gap["to"] != 6.0 || gap["reason"] != "trimmed" || joined["resumed"] != nil {
		t.Errorf("%d messages, gap %v", len(got), gap)
	}
	for range 4 {
		if err := backend(); err != nil {
			t.Fatal(err)
		}
	}
	if no := refusal.Of(backend()); no == nil || no.Code() != "mailbox_full" || no.HTTPStatus() != 409 {
		t.Errorf("beside its own: %v", no)
	}
	if v := say(ann, 0); code(v) != "mailbox_full" {
		t.Errorf("beside a backend's: %v", v)
	}
	if n := s.Stats().Refused["mailbox_full"]; n != 4 {
		t.Errorf("%d refusals are counted, want 4", n)
	}
	okOf(t, bob.ask(fmt.Sprintf(`{"id":9,"cmd":"ack","epoch":%q,"offset":12}`, joined["epoch"])))
	okOf(t, say(eve, 1))
}

// TestRepeatedUntilAcknowledged: on all connections of the user that speak
// barrage.v1, until any of them acknowledges it.
func TestRepeatedUntilAcknowledged(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, withQuickAck(t))
	ann, bob := joinAs(t, s, "ann"), joinAs(t, s, "bob")
	raw := join(t, s, "/ws?room=user:bob&token="+testToken(t, "bob", nil))
	okOf(t, ann.ask(`{"id":1,"cmd":"publish","to":"bob","data":"one","qos":1}`))
	okOf(t, ann.ask(`{"id":2,"cmd":"publish","to":"bob","data":"two"}`))
	given := bob.push("joined")["messages"].([]any)[0].(map[string]any)
	if given["data"] != "one" || given["qos"] != 1.0 || given["repeat"] != nil {
		t.Errorf("given %v", given)
	}
	second := joinAs(t, s, "bob")
	second.push("joined")
	for range 2 {
		for _, c := range []*viewer{bob, second} {
			if v := c.repeat(); v["id"] != given["id"] || v["offset"] != given["offset"] || v["qos"] != 1.0 || v["room"] != "user:bob" || v["data"] != "one" {
				t.Errorf("repeated %v, given %v", v, given)
			}
		}
	}
	edgetest.WaitFor(t, "four repetitions to be counted", func() bool { return s.Stats().Repeated >= 4 })
	second.Send(frame.Text, ackOf(1, given))
	okOf(t, second.answer(1))
	wantSettled(t, s)

	okOf(t, ann.ask(`{"id":3,"cmd":"publish","to":"bob","data":"three","qos":1}`))
	for _, c := range []*viewer{bob, second} {
		for v := c.push("message"); v["data"] != "three"; v = c.push("message") {
			if v["data"] != "one" && v["data"] != "two" || v["data"] == "two" && v["repeat"] != nil {
				t.Errorf("got %v", v)
			}
		}
		if v := c.repeat(); v["data"] != "three" {
			t.Errorf("repeated %v", v)
		}
	}
	okOf(t, ann.ask(`{"id":4,"cmd":"publish","to":"bob","data":"four"}`))
	for _, text := range []string{"one", "two", "three", "four"} {
		raw.Want(frame.Text, text)
	}
	_ = bob.Conn.Close()
	_ = second.Conn.Close()
	wantSettled(t, s)
}

// TestLeavingEndsRepetition: who leaves their own room is left alone.
func TestLeavingEndsRepetition(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, withQuickAck(t))
	ann, bob := joinAs(t, s, "ann"), joinAs(t, s, "bob")
	okOf(t, ann.ask(`{"id":1,"cmd":"publish","to":"bob","data":1,"qos":1}`))
	bob.repeat()
	bob.Send(frame.Text, `{"id":1,"cmd":"leave","room":"user:bob"}`)
	okOf(t, bob.answer(1))
	if n := int(s.Stats().PendingAcks); n != 0 {
		t.Errorf("%d still owe something", n)
	}
}

// TestRepeatedAfterAnOutage: while the store cannot be read nothing is repeated,
// and nothing forgotten.
func TestRepeatedAfterAnOutage(t *testing.T) {
	t.Parallel()
	s, b := startHeld(t, withQuickAck(t))
	ann, bob := joinAs(t, s, "ann"), joinAs(t, s, "bob")
	okOf(t, ann.ask(`{"id":1,"cmd":"publish","to":"bob","data":1,"qos":1}`))
	bob.push("joined")
	b.setFail(broker.ErrUnavailable)
	okOf(t, ann.ask(`{"id":2,"cmd":"publish","to":"eve","data":1,"qos":1}`))
	eve := joinAs(t, s, "eve") // who cannot be let into her room
	eve.push("left")
	okOf(t, ann.ask(`{"id":3,"cmd":"publish","to":"eve","data":2,"qos":1}`))
	eve.push("left")
	edgetest.WaitFor(t, "both to owe something", func() bool { return int(s.Stats().PendingAcks) == 2 })
	b.setFail(nil)
	bob.repeat()
	if v := eve.push("joined"); len(v["messages"].([]any)) != 2 {
		t.Errorf("got %v", v)
	}
	eve.repeat()
}

// TestOwedWhileLooking: what is given while the broker is asked is not taken for
// acknowledged.
func TestOwedWhileLooking(t *testing.T) {
	t.Parallel()
	s, b := startHeld(t, withQuickAck(t))
	ann, bob := joinAs(t, s, "ann"), joinAs(t, s, "bob")
	okOf(t, ann.ask(`{"id":1,"cmd":"publish","to":"bob","data":1,"qos":1}`))
	first := bob.push("joined")
	wait, release := b.hold(t, "user:bob", true)
	defer release()
	wait(1)
	bob.Send(frame.Text, ackOf(1, first))
	okOf(t, bob.answer(1))
	okOf(t, ann.ask(`{"id":2,"cmd":"publish","to":"bob","data":2,"qos":1}`))
	for bob.push("message")["data"] != 2.0 {
	}
	release()
	for bob.repeat()["data"] != 2.0 {
	}
}

// TestRepeatsBehindManyOthers: what needs no acknowledgement may be unread for
// long, and a page of it is not all there is.
func TestRepeatsBehindManyOthers(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, withQuickAck(t))
	ctx := context.Background()
	send := func(confirm bool) broker.Position {
		r, err := s.Publish(ctx, &broker.Publication{Room: "user:bob", Format: broker.Text, Confirm: confirm})
		if err != nil {
			t.Fatal(err)
		}
		return r.Position
	}
	first := send(true)
	for range 105 { // more than one page
		send(false)
	}
	last := send(true)
	if err := s.Node.Broker.Acknowledge(ctx, "user:bob", first); err != nil {
		t.Fatal(err)
	}
	bob := joinAs(t, s, "bob")
	if v := bob.repeat(); v["offset"] != float64(last.Offset) {
		t.Errorf("repeated %v", v)
	}
}

// pastBroker is a broker in memory whose clock a test puts back.
type pastBroker struct {
	*memory.Broker
	mu  sync.Mutex // guards ago
	ago time.Duration
}

// say publishes as if it had been so long ago.
func (b *pastBroker) say(t *testing.T, ago time.Duration, p broker.Publication) {
	t.Helper()
	b.mu.Lock()
	b.ago = ago
	b.mu.Unlock()
	p.Format = broker.Text
	if _, err := b.Publish(context.Background(), &p); err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	b.ago = 0
	b.mu.Unlock()
}

func startPast(t *testing.T) (*edgetest.Server, *pastBroker) {
	t.Helper()
	b := &pastBroker{}
	s := edgetest.Start(t, withQuickAck(t), func(s *edgetest.Server) {
		m := edgetest.NewMemory(t, s, memory.Config{Rules: s.Config.History, Now: func() time.Time {
			b.mu.Lock()
			defer b.mu.Unlock()
			return time.Now().Add(-b.ago)
		}})
		b.Broker = m
		s.SetBroker(b)
	})
	return s, b
}

func offsetsOf(messages any) (offsets []int) {
	list, _ := messages.([]any)
	for _, m := range list {
		offsets = append(offsets, int(m.(map[string]any)["offset"].(float64)))
	}
	return offsets
}

// TestExpiredIsLeftOut: of joins, histories and what comes late.
func TestExpiredIsLeftOut(t *testing.T) {
	t.Parallel()
	s, b := startPast(t)
	listener := joinJSON(t, s, "/ws?room=a&token="+testToken(t, "eve", nil))
	listener.push("joined")
	maxTTL := uint32(broker.MaxTTL.Milliseconds())
	for _, ttl := range []uint32{1000, 0, 1000, maxTTL, 1} {
		b.say(t, time.Minute, broker.Publication{Room: "a", TTL: ttl})
	}
	for _, offset := range []float64{2, 4} { // the others have come too late
		if v := listener.push("message"); v["offset"] != offset {
			t.Errorf("got %v, want offset %v", v, offset)
		} else if expires, _ := v["expires"].(float64); expires != 0 && expires != v["time"].(float64)+float64(maxTTL) {
			t.Errorf("got %v", v)
		}
	}
	if n := s.Stats().Refused["expired"]; n != 3 {
		t.Errorf("%d came too late, want 3", n)
	}
	c := joinJSON(t, s, "/ws?token="+testToken(t, "ann", nil))
	ok := okOf(t, c.ask(`{"id":1,"cmd":"join","room":"a","since":{"epoch":"","offset":0}}`))
	if got := offsetsOf(ok["messages"]); !slices.Equal(got, []int{2, 4}) || ok["resumed"] != true || ok["offset"] != 5.0 {
		t.Errorf("joined: %v", ok)
	}
	for limit, want := range map[int][]int{1: {2}, 2: {2}, 3: {2}, 4: {2, 4}, 5: {2, 4}} {
		ok := okOf(t, c.ask(fmt.Sprintf(`{"id":2,"cmd":"history","room":"a","since":{"epoch":"","offset":0},"limit":%d}`, limit)))
		if got := offsetsOf(ok["messages"]); !slices.Equal(got, want) || (ok["more"] == true) != (limit < 5) {
			t.Errorf("limit %d: %v, want %v", limit, ok, want)
		}
	}
	page, err := s.History(context.Background(), "a", broker.Query{After: &broker.Position{}})
	if err != nil || len(page.Messages) != 2 {
		t.Errorf("through the API: %+v, %v", page, err)
	}
	ok = okOf(t, c.ask(fmt.Sprintf(`{"id":3,"cmd":"history","room":"a","since":{"epoch":%q,"offset":4}}`, page.Head.Epoch)))
	if len(ok["messages"].([]any)) != 0 || ok["more"] != nil || ok["offset"] != 5.0 {
		t.Errorf("behind the last: %v", ok)
	}
}

// TestExpiredForAUser: what they were to acknowledge is of no use any more when
// they come, or while they do not answer.
func TestExpiredForAUser(t *testing.T) {
	t.Parallel()
	s, b := startPast(t)
	b.say(t, time.Minute, broker.Publication{Room: "user:bob", Confirm: true, TTL: 1000})
	bob := joinAs(t, s, "bob")
	if v := bob.push("joined"); v["messages"] != nil || v["resumed"] != true || v["offset"] != 1.0 {
		t.Errorf("got %v", v)
	}
	if n := int(s.Stats().PendingAcks); n != 0 {
		t.Errorf("%d owe something", n)
	}
	okOf(t, joinAs(t, s, "ann").ask(`{"id":1,"cmd":"publish","to":"bob","data":1,"qos":1,"ttl":2000}`))
	if v := bob.push("message"); v["offset"] != 2.0 || v["expires"] != v["time"].(float64)+2000 {
		t.Errorf("got %v", v)
	}
	wantSettled(t, s) // without an acknowledgement
}

// TestTermsRefused: each refusal names the field and its limit.
func TestTermsRefused(t *testing.T) {
	t.Parallel()
	s := edgetest.Start(t, func(c *edge.Config) {
		withAuth(t, c)
		c.History = broker.Rules{{Pattern: "user:mute"}, {Pattern: "*", Retention: broker.Retention{Messages: 1, Age: time.Hour}}}
	})
	c := joinAs(t, s, "ann")
	for _, x := range []struct{ fields, code, message string }{
		{`"to":"bob","ttl":-1`, "bad_command", "ttl must be 1 to 604800000"},
		{`"to":"bob","ttl":604800001`, "bad_command", "ttl must be 1 to 604800000"},
		{`"to":"bob","ttl":"1s"`, "bad_json", "ttl cannot be a string"},
		{`"to":"bob","ttl":1.5`, "bad_json", "ttl cannot be a number 1.5"},
		{`"to":"bob","qos":2`, "bad_command", "qos must be 0 or 1"},
		{`"to":"bob","qos":-1`, "bad_command", "qos must be 0 or 1"},
		{`"to":"bob","qos":true`, "bad_json", "qos cannot be a bool"},
		{`"room":"a","qos":1`, "bad_command", "qos 1 is for messages to users only"},
		{`"to":"bob","qos":1,"forget":true`, "bad_command", "a message with qos 1 cannot be kept out of the history"},
		{`"to":"mute","qos":1`, "bad_command", "qos 1 needs a history, and room user:mute keeps none"},
	} {
		v := c.ask(`{"id":1,"cmd":"publish","data":1,` + x.fields + `}`)
		if e, _ := v["error"].(map[string]any); code(v) != x.code || e["message"] != x.message {
			t.Errorf("%s: %v, want %s: %s", x.fields, v, x.code, x.message)
		}
	}
	for _, fields := range []string{`"to":"bob","qos":0`, `"room":"user:bob","qos":1`, `"room":"a","ttl":604800000`, `"to":"mute","forget":true,"ttl":1`} {
		okOf(t, c.ask(`{"id":1,"cmd":"publish","data":1,`+fields+`}`))
	}
	for _, p := range []broker.Publication{{Room: "a", Confirm: true}, {Room: "user:bob", Confirm: true, Forget: true}} {
		p.Format = broker.Text
		if _, err := s.Publish(context.Background(), &p); err == nil {
			t.Errorf("%+v was published", p)
		}
	}
}
