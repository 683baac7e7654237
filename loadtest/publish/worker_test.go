// What goes out when, on a clock of the test's.

package publish

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"barrage/loadtest/plan"
	"barrage/loadtest/stamp"
	"barrage/loadtest/tally"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestNewRefuses(t *testing.T) {
	p := load(t, func(p *plan.Plan) { p.Publish = plan.PublishSocket })
	if _, err := New(p, plan.NewLayout(p)); err == nil {
		t.Error("a plan that publishes from sockets")
	}
	p = load(t, overHTTP("http://127.0.0.1:1"))
	pub := newPublisher(t, p)
	other := *p
	other.Rooms = 1
	if err := pub.Run(context.Background(), testRun, schedule(&other), now); err == nil {
		t.Error("a schedule of another plan")
	}
}

// scripted is a sender on a clock of the test's.
type scripted struct {
	clock *int64
	cost  int64 // of one batch
	most  int
	sent  []message
	bad   func(m *message) error
}

func (s *scripted) send(_ context.Context, _ stamp.Run, batch []message) {
	for i := range batch {
		if s.bad != nil {
			batch[i].err = s.bad(&batch[i])
		}
	}
	s.sent = append(s.sent, batch...)
	*s.clock += s.cost
}
func (s *scripted) burst() int       { return s.most }
func (s *scripted) where(int) string { return "" }
func (s *scripted) close()           {}

// TestOrder: whatever the schedule and however late, messages go out by due
// time, and those of a lane by number; all of them do.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := plan.Plan{
			Connections: 100, Rooms: rapid.IntRange(1, 20).Draw(t, "rooms"), Zipf: rapid.Float64Range(0, 2).Draw(t, "zipf"),
			Publish: plan.PublishHTTP, Publishers: rapid.IntRange(1, 40).Draw(t, "publishers"),
			Rate: rapid.Float64Range(1, 5000).Draw(t, "rate"), Duration: 100 * time.Millisecond,
		}
		s := plan.NewSchedule(0, plan.NewLayout(&p))
		var clock int64
		if rapid.Bool().Draw(t, "late") {
			clock = s.End()
		}
		sender := &scripted{clock: &clock, cost: 1000, most: rapid.IntRange(1, 50).Draw(t, "burst")}
		w := newWorker(sender, newTotals(), testRun, s, func() int64 { return clock })
		w.sleep = func(_ context.Context, d time.Duration) error { clock += int64(d); return nil }
		share([]*worker{w}, s)
		w.run(context.Background())
		if got := w.totals.stats(); got.Published != s.Offered() || uint64(len(sender.sent)) != s.Offered() {
			t.Fatalf("sent %d of %d", got.Published, s.Offered())
		}
		next := make(map[laneID]uint32)
		for _, m := range sender.sent {
			id := laneID{m.room, m.lane}
			if next[id]++; m.seq != next[id] || m.due != s.At(m.room, m.lane, m.seq) {
				t.Fatalf("%+v is not number %d", m, next[id])
			}
		}
		if !slices.IsSortedFunc(sender.sent, func(a, b message) int { return int(a.due - b.due) }) {
			t.Fatal("not sent by due time")
		}
	})
}

// TestManySpans: the list of failures is bounded, and covers them all.
func TestManySpans(t *testing.T) {
	p := plan.Plan{
		Connections: 1, Rooms: 1, Publish: plan.PublishHTTP, Publishers: 1, Rate: 1000, Duration: 100 * time.Millisecond,
	}
	s := plan.NewSchedule(0, plan.NewLayout(&p))
	clock := s.End()
	sender := &scripted{clock: &clock, most: 10, bad: func(m *message) error {
		if m.seq%10 == 0 {
			return fmt.Errorf("number %d", m.seq/10%4)
		}
		return nil
	}}
	w := newWorker(sender, newTotals(), testRun, s, func() int64 { return clock })
	w.most = 3
	w.agenda.Add(0, 0, 0)
	w.run(context.Background())
	want := []tally.Span{{First: 10, Last: 10}, {First: 20, Last: 20}, {First: 30, Last: 100}}
	if got := w.failures(); len(got) != 1 || !slices.Equal(got[0].Spans, want) {
		t.Errorf("%+v", got)
	}
	if got := w.totals.stats(); got.Failed != 10 || got.Published != 90 || got.Errors["number 1"] != 3 {
		t.Errorf("%+v", got)
	}
}

func TestManyKinds(t *testing.T) {
	l := newTotals()
	for i := range 100 {
		l.fail(fmt.Errorf("error %d %0200d", i, 0), 1)
		l.fail(errors.New("error 0"), 1)
	}
	got := l.stats()
	if len(got.Errors) > maxKinds+1 || got.Errors[otherKinds] == 0 || got.Errors["error 0"] != 100 || got.Failed != 200 {
		t.Errorf("%+v", got)
	}
	for k := range got.Errors {
		if len(k) > maxKindSize {
			t.Errorf("a kind of %d bytes", len(k))
		}
	}
}

func TestAlarm(t *testing.T) {
	a, err := newAlarm()
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	began := time.Now()
	if err := a.sleep(context.Background(), 20*time.Millisecond); err != nil || time.Since(began) < 20*time.Millisecond {
		t.Errorf("woke after %v: %v", time.Since(began), err)
	}
	why := errors.New("why")
	ctx, cancel := context.WithCancelCause(context.Background())
	time.AfterFunc(20*time.Millisecond, func() { cancel(why) })
	for range 2 { // also when it has ended before
		if err := a.sleep(ctx, time.Hour); !errors.Is(err, why) {
			t.Errorf("%v", err)
		}
	}
	if err := a.sleep(context.Background(), 0); err != nil {
		t.Errorf("after that: %v", err)
	}
}
