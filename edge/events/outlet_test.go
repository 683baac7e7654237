package events

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var errDown = errors.New("down")

// failing answers with errs, one after the other, then takes everything.
func failing(errs ...error) func(context.Context, int) error {
	return func(_ context.Context, attempt int) error {
		if attempt < len(errs) {
			return errs[attempt]
		}
		return nil
	}
}

func emitUsers(e *Emitter, users ...string) {
	for _, user := range users {
		e.Emit(&Event{Type: Join, Room: "r", User: user})
	}
}

func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lo, hi = 100 * time.Millisecond, time.Second
		errs := slices.Repeat([]error{errDown}, 20)
		sink := &fakeSink{answer: failing(errs...)}
		e := newEmitter(t, Config{Sink: sink, BackoffMin: lo, BackoffMax: hi})
		emitUsers(e, "a")
		time.Sleep(time.Minute)
		synctest.Wait()
		batches := sink.all()
		if len(batches) != 21 {
			t.Fatalf("%d attempts, want 21", len(batches))
		}
		ceiling := lo
		var total time.Duration
		for i := range 20 {
			gap := batches[i+1].at.Sub(batches[i].at)
			if gap > ceiling {
				t.Errorf("wait %d was %v, want at most %v", i, gap, ceiling)
			}
			if !slices.Equal(batches[i].ids, batches[20].ids) {
				t.Errorf("attempt %d has ids %q, the last one %q", i, batches[i].ids, batches[20].ids)
			}
			total += gap
			ceiling = min(2*ceiling, hi)
		}
		// 20 independent waits that are all this short have odds below 1e-30.
		if total < 100*time.Millisecond {
			t.Errorf("all waits together were %v", total)
		}
		if s := e.Stats(); s.Retried != 20 || s.Delivered != 1 {
			t.Errorf("got %+v", s)
		}
		closeNow(t, e)
	})
}

func TestBackoffCeiling(t *testing.T) {
	for _, tt := range []struct {
		failures int
		want     time.Duration
	}{{0, 1}, {1, 2}, {3, 8}, {4, 10}, {5, 10}, {1 << 40, 10}} {
		if got := backoffCeiling(tt.failures, 1, 10); got != tt.want {
			t.Errorf("%d failures: got %d, want %d", tt.failures, got, tt.want)
		}
	}
}

func TestRetryAfterIsHonouredAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &fakeSink{answer: failing(
			&Failure{Err: errDown, After: 10 * time.Second},
			&Failure{Err: errDown, After: 24 * time.Hour},
		)}
		e := newEmitter(t, Config{Sink: sink, BackoffMin: time.Millisecond, BackoffMax: time.Second, MaxRetryAfter: time.Minute})
		emitUsers(e, "a")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		batches := sink.all()
		if len(batches) != 3 {
			t.Fatalf("%d attempts, want 3", len(batches))
		}
		for i, want := range []time.Duration{10 * time.Second, time.Minute} {
			if got := batches[i+1].at.Sub(batches[i].at); got != want {
				t.Errorf("wait %d was %v, want %v", i, got, want)
			}
		}
		closeNow(t, e)
	})
}

func TestOrderThroughFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &fakeSink{answer: func(_ context.Context, attempt int) error {
			if attempt%3 != 2 {
				return errDown
			}
			return nil
		}}
		e := newEmitter(t, Config{Sink: sink, BatchLen: 2})
		emitUsers(e, "a", "b", "c", "d")
		time.Sleep(200 * time.Millisecond)
		emitUsers(e, "e", "f", "g")
		time.Sleep(time.Minute)
		closeNow(t, e)
		if got := strings.Join(sink.taken(), ""); got != "abcdefg" {
			t.Errorf("got %q", got)
		}
	})
}

func TestRefusedIsDroppedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &fakeSink{answer: failing(&Failure{Err: errDown, Permanent: true})}
		e := newEmitter(t, Config{Sink: sink, BatchLen: 2})
		emitUsers(e, "a", "b", "c", "d")
		synctest.Wait()
		if got := strings.Join(sink.taken(), ""); got != "cd" {
			t.Errorf("got %q, want cd, without any wait", got)
		}
		if s := e.Stats(); s.Dropped[DropRefused] != 2 || s.Retried != 0 {
			t.Errorf("got %+v", s)
		}
		closeNow(t, e)
	})
}

func TestOldEventsAreGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		sink := &fakeSink{answer: func(context.Context, int) error {
			if up.Load() {
				return nil
			}
			return errDown
		}}
		e := newEmitter(t, Config{Sink: sink, MaxAge: time.Minute, BackoffMax: time.Second})
		emitUsers(e, "a")
		time.Sleep(30 * time.Second)
		emitUsers(e, "b")
		time.Sleep(25 * time.Second)
		emitUsers(e, "c")
		time.Sleep(20 * time.Second) // a is 75s old, b 45s, c 20s
		synctest.Wait()
		if s := e.Stats(); s.Dropped[DropExpired] != 1 || s.Queued != 2 {
			t.Errorf("got %+v", s)
		}
		up.Store(true)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := strings.Join(sink.taken(), ""); got != "bc" {
			t.Errorf("got %q, want bc", got)
		}
		closeNow(t, e)
	})
}

func TestBatchLosesItsOldEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const age = time.Minute
		// Sent at 50ms, when a is 50ms and b 10ms old; again at 1m20ms.
		sink := &fakeSink{answer: failing(&Failure{Err: errDown, After: age - 30*time.Millisecond})}
		e := newEmitter(t, Config{
			Sink: sink, MaxAge: age, Linger: 50 * time.Millisecond, BackoffMin: time.Millisecond, MaxRetryAfter: age,
		})
		emitUsers(e, "a")
		time.Sleep(40 * time.Millisecond)
		emitUsers(e, "b")
		time.Sleep(2 * age)
		synctest.Wait()
		batches := sink.all()
		if len(batches) != 2 || strings.Join(batches[0].users, "") != "ab" || strings.Join(batches[1].users, "") != "b" {
			t.Errorf("got %+v, want ab, then b", batches)
		}
		if s := e.Stats(); s.Dropped[DropExpired] != 1 || s.Delivered != 1 {
			t.Errorf("got %+v", s)
		}
		closeNow(t, e)
	})
}

func TestCloseRetriesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &fakeSink{answer: failing(&Failure{Err: errDown, After: time.Hour})}
		e := newEmitter(t, Config{Sink: sink, MaxRetryAfter: time.Hour})
		emitUsers(e, "a")
		time.Sleep(time.Second)
		emitUsers(e, "b")
		start := time.Now()
		closeNow(t, e)
		if waited := time.Since(start); waited != 0 {
			t.Errorf("Close waited %v", waited)
		}
		if got := strings.Join(sink.taken(), ""); got != "ab" {
			t.Errorf("got %q, want ab", got)
		}
	})
}

func TestCloseGivesUpWithItsContext(t *testing.T) {
	for name, answer := range map[string]func(context.Context, int) error{
		"the sink fails": func(context.Context, int) error { return errDown },
		"the sink hangs": func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sink := &fakeSink{answer: answer}
				e := newEmitter(t, Config{Sink: sink, BatchLen: 2})
				emitUsers(e, "a", "b", "c", "d", "e")
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				start := time.Now()
				if err := e.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Close: %v", err)
				}
				if took := time.Since(start); took != 3*time.Second {
					t.Errorf("Close took %v, want 3s", took)
				}
				emitUsers(e, "late")
				if s := e.Stats(); s.Dropped[DropClosed] != 6 || s.Queued != 0 {
					t.Errorf("got %+v", s)
				}
				checkSum(t, e)
				if err := e.Close(t.Context()); err != nil {
					t.Errorf("second Close: %v", err)
				}
				if sink.closed != 1 {
					t.Errorf("the sink was closed %d times", sink.closed)
				}
			})
		})
	}
}

func TestOutletsAreIndependent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The room of whoever comes first is stuck; with 200 rooms in 4 outlets
		// others are not.
		stuck := make(chan struct{})
		sink := &fakeSink{answer: func(_ context.Context, attempt int) error {
			if attempt == 0 {
				<-stuck
			}
			return nil
		}}
		e := newEmitter(t, Config{Sink: sink, Outlets: 4})
		for i := range 200 {
			e.Emit(&Event{Type: Join, Room: strings.Repeat("x", i+1)})
			e.Emit(&Event{Type: Connect, Conn: strings.Repeat("y", i+1)})
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if s := e.Stats(); s.Delivered == 0 || s.Queued == 0 || s.Delivered+uint64(s.Queued) != 400 {
			t.Errorf("got %+v, want some delivered and some not", s)
		}
		close(stuck)
		closeNow(t, e)
		if n := e.Stats().Delivered; n != 400 {
			t.Errorf("delivered %d, want 400", n)
		}
	})
}

func TestEmitAllocates(t *testing.T) {
	stuck, free := make(chan struct{}), make(chan struct{})
	sink := &fakeSink{answer: func(_ context.Context, attempt int) error {
		if attempt == 0 {
			close(stuck)
		}
		<-free
		return nil
	}}
	e := newEmitter(t, Config{Sink: sink, QueueLen: 100, Rooms: []string{"live:*"}})
	ev := &Event{Type: Join, Room: "live:1", User: "u", Conn: "c", Node: "n"}
	for range 300 {
		e.Emit(ev)
	}
	<-stuck // all allocations count, and the outlet makes some until then
	other := &Event{Type: Join, Room: "other"}
	if n := testing.AllocsPerRun(1000, func() { e.Emit(ev); e.Emit(other) }); n != 0 {
		t.Errorf("Emit allocates %v times", n)
	}
	close(free)
	closeNow(t, e)
}
