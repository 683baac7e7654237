package events

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"barrage/internal/broker"
)

// deadEmitter has outlets whose sink takes nothing until Close has waited enough.
func deadEmitter(t *testing.T, cfg Config) *Emitter {
	cfg.Sink = &fakeSink{answer: func(ctx context.Context, _ int) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	e := newEmitter(t, cfg)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = e.Close(ctx)
		checkSum(t, e)
		if used := e.memory.used.Load(); used != 0 {
			t.Errorf("%d bytes are still taken", used)
		}
	})
	return e
}

func say(e *Emitter, room string, size int) {
	e.Emit(&Event{Type: Publish, Room: room, Message: &broker.Message{Format: broker.Text, Payload: []byte(strings.Repeat("x", size))}})
}

// roomsOf names a room for each outlet.
func roomsOf(e *Emitter) []string {
	rooms := make([]string, len(e.outlets))
	for i, left := 0, len(rooms); left > 0; i++ {
		name := fmt.Sprint("room", i)
		for n, o := range e.outlets {
			if o == e.outlet(&Event{Room: name}) && rooms[n] == "" {
				rooms[n] = name
				left--
			}
		}
	}
	return rooms
}

// TestQueuesShareMemory: of one bound, of which a loud room leaves the others their part.
func TestQueuesShareMemory(t *testing.T) {
	const bound, size = 1 << 20, 10_000
	e := deadEmitter(t, Config{QueueBytes: bound, BatchLen: 1})
	rooms := roomsOf(e)
	held := func(i int) int {
		o := e.outlets[i]
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.bytes
	}
	want := func(i, part int) {
		t.Helper()
		if got := held(i); got > bound/part || got < bound/part-3*size {
			t.Errorf("outlet %d holds %d bytes, want about %d", i, got, bound/part)
		}
	}
	for range 1000 {
		say(e, rooms[0], size)
	}
	want(0, 2)
	for range 10 { // a quiet one
		say(e, rooms[1], size)
	}
	if got := held(1); got < 9*size { // one may be under way
		t.Errorf("a quiet room's outlet holds %d bytes of %d", got, 10*size)
	}
	for range 1000 {
		for _, room := range rooms {
			say(e, room, size)
		}
	}
	for i := range rooms {
		want(i, len(rooms)+1)
	}
}

// TestQueuesKeepTheirBound, however many emit at once.
func TestQueuesKeepTheirBound(t *testing.T) {
	const bound = 1 << 20
	e := deadEmitter(t, Config{QueueBytes: bound, BatchLen: 1})
	var running sync.WaitGroup
	for i := range 8 {
		running.Go(func() { // ends by itself
			for n := range 500 {
				say(e, fmt.Sprint("room", i, n), 50_000)
				if s := e.Stats(); e.memory.used.Load() > bound {
					t.Errorf("%d bytes wait: %+v", e.memory.used.Load(), s)
					return
				}
			}
		})
	}
	running.Wait()
	if s := e.Stats(); s.Bytes > bound || int64(s.Bytes) != e.memory.used.Load() || s.Dropped[DropOverflow] == 0 {
		t.Errorf("%d bytes taken, but %+v", e.memory.used.Load(), s)
	}
}
