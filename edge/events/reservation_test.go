package events

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"barrage/internal/broker"
)

func transcript(user string, sizes ...int) *Event {
	ev := &Event{Type: RoomClosed, Room: "r", User: user}
	for _, n := range sizes {
		ev.Transcript = append(ev.Transcript, &broker.Message{Format: broker.Text, Payload: make([]byte, n)})
	}
	return ev
}

// stuckEmitter has an event under way until free is closed.
func stuckEmitter(t *testing.T, cfg Config) (e *Emitter, sink *fakeSink, free chan struct{}) {
	free = make(chan struct{})
	sink = &fakeSink{answer: func(ctx context.Context, _ int) error {
		select {
		case <-free:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	cfg.Sink = sink
	e = newEmitter(t, cfg)
	emitUsers(e, "under way")
	time.Sleep(e.cfg.Linger)
	synctest.Wait()
	return e, sink, free
}

func mustReserve(t *testing.T, e *Emitter, ev *Event) (send func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	send, err := e.Reserve(ctx, ev)
	if err != nil {
		t.Fatal(err)
	}
	return send
}

func wantTaken(t *testing.T, sink *fakeSink, want string) {
	t.Helper()
	if got := strings.Join(sink.taken(), " "); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestReservationsStay: what has one is not pushed out, and nothing else is for it.
func TestReservationsStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, sink, free := stuckEmitter(t, Config{QueueLen: 3, BatchLen: 1})
		emitUsers(e, "a")
		send := mustReserve(t, e, transcript("kept"))
		emitUsers(e, "b", "c") // for which a goes
		send()
		emitUsers(e, "d", "e", "f") // for which b and c go, and then f itself
		if s := e.Stats(); s.Queued != 4 || s.Dropped[DropOverflow] != 4 {
			t.Errorf("got %+v", s)
		}
		close(free)
		closeNow(t, e)
		wantTaken(t, sink, "under way kept d e")
	})
}

// TestNewestGoBehindAReservation: while what has one is the oldest, nothing else can go.
func TestNewestGoBehindAReservation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, sink, free := stuckEmitter(t, Config{QueueLen: 2, BatchLen: 1})
		mustReserve(t, e, transcript("kept"))()
		emitUsers(e, "a", "b", "c")
		if n := e.Stats().Dropped[DropOverflow]; n != 2 {
			t.Errorf("dropped %d, want 2", n)
		}
		close(free)
		closeNow(t, e)
		wantTaken(t, sink, "under way kept a")
	})
}

// TestReserveWaits until there is room, or its time is over.
func TestReserveWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, sink, free := stuckEmitter(t, Config{QueueBytes: 20_000, BatchBytes: 5000, BatchLen: 1})
		mustReserve(t, e, transcript("1", 6000))()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := e.Reserve(ctx, transcript("late", 6000)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		done := make(chan func(), 1)
		go func() { done <- mustReserve(t, e, transcript("2", 6000)) }()
		synctest.Wait()
		if len(done) > 0 {
			t.Error("reserved where there is no room")
		}
		close(free)
		send := <-done
		synctest.Wait()
		send()
		closeNow(t, e)
		wantTaken(t, sink, "under way 1 2")
	})
}

// TestReservationForTheLongest: where nothing waits there is room for any event.
func TestReservationForTheLongest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, sink, free := stuckEmitter(t, Config{QueueBytes: 20_000, BatchBytes: 5000})
		mustReserve(t, e, transcript("long", 20_000))()
		emitUsers(e, "no room")
		close(free)
		closeNow(t, e)
		wantTaken(t, sink, "under way long")
	})
}

// TestCloseWaitsForReservations: they may still be used, until Close has waited enough;
// no more are made.
func TestCloseWaitsForReservations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &fakeSink{}
		e := newEmitter(t, Config{Sink: sink, QueueLen: 1})
		ev := transcript("in time")
		send := mustReserve(t, e, ev)
		refused := make(chan error, 1)
		go func() {
			_, err := e.Reserve(t.Context(), transcript("waits"))
			refused <- err
		}()
		synctest.Wait()
		closed := make(chan error, 1)
		go func() { closed <- e.Close(t.Context()) }()
		if err := <-refused; !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
		if len(closed) > 0 {
			t.Error("Close does not wait for a reservation")
		}
		ev.Reason = "as it is when it is sent"
		send()
		if err := <-closed; err != nil {
			t.Error(err)
		}
		wantTaken(t, sink, "in time")
		checkSum(t, e)
	})
}

func TestReservationAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEmitter(t, Config{Sink: &fakeSink{}})
		send := mustReserve(t, e, transcript("too late"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_ = e.Close(ctx) // nothing is dropped yet
		send()
		if s := e.Stats(); s.Dropped[DropClosed] != 1 || s.Queued != 0 {
			t.Errorf("got %+v", s)
		}
		checkSum(t, e)
	})
}

func TestCut(t *testing.T) {
	e := newEmitter(t, Config{Sink: &fakeSink{}, BatchBytes: 10_000})
	defer closeNow(t, e)
	for _, tt := range []struct {
		sizes []int
		want  string // bytes of the parts' payloads
	}{
		{nil, "[]"},
		{[]int{1}, "[[1]]"},
		{[]int{4000, 4000, 4000}, "[[4000 4000] [4000]]"},
		{[]int{20_000}, "[[20000]]"},
		{[]int{1, 20_000, 1, 2, 9000, 9000}, "[[1] [20000] [1 2 9000] [9000]]"},
	} {
		got := make([][]int, 0)
		for _, part := range e.Cut(transcript("", tt.sizes...).Transcript) {
			var sizes []int
			for _, m := range part {
				sizes = append(sizes, len(m.Payload))
			}
			got = append(got, sizes)
		}
		if fmt.Sprint(got) != tt.want {
			t.Errorf("%v: got %v, want %s", tt.sizes, got, tt.want)
		}
	}
}
