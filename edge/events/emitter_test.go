package events

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"barrage/internal/broker"
	"barrage/internal/quietlog"
)

func TestConfig(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  Config
		want []string // in the error; none: no error
	}{
		{"defaults", Config{Sink: &fakeSink{}}, nil},
		{"short queue", Config{Sink: &fakeSink{}, QueueLen: 1, QueueBytes: 1}, nil},
		{"nothing", Config{}, []string{"Sink"}},
		{"everything", Config{
			Types: []Type{"birth"}, Rooms: []string{""}, Outlets: -1, QueueLen: -1, QueueBytes: -1, BatchLen: -1,
			BatchBytes: -1, Linger: -1, MaxAge: -1, BackoffMin: -1, BackoffMax: -1, MaxRetryAfter: -1,
		}, []string{"Sink", "Types", "Rooms", "Outlets", "QueueLen", "QueueBytes", "BatchLen", "BatchBytes",
			"Linger", "MaxAge", "BackoffMin", "BackoffMax", "MaxRetryAfter"}},
		{"batch over queue", Config{Sink: &fakeSink{}, QueueLen: 5, BatchLen: 6, QueueBytes: 5, BatchBytes: 6},
			[]string{"BatchLen", "BatchBytes"}},
		{"back-off", Config{Sink: &fakeSink{}, BackoffMin: time.Hour}, []string{"BackoffMin"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := New(tt.cfg)
			if err == nil {
				closeNow(t, e)
			}
			if (err == nil) != (len(tt.want) == 0) {
				t.Fatalf("got %v", err)
			}
			for _, field := range tt.want {
				if text := err.Error(); !strings.Contains(text, "events: "+field+": ") && !strings.Contains(text, "events: "+field+" is ") {
					t.Errorf("%s is not in %q", field, err)
				}
			}
		})
	}
}

func TestNilEmitter(t *testing.T) {
	var e *Emitter
	e.Emit(&Event{Type: Join, Room: "r"})
	if e.Wants(Join, "r") || e.Stats() != (Stats{}) || e.Close(t.Context()) != nil {
		t.Error("a nil emitter does something")
	}
}

func TestFilters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &fakeSink{}
		e := newEmitter(t, Config{Sink: sink, Types: []Type{Join, Connect}, Rooms: []string{"live:*", "lobby"}})
		for _, ev := range []Event{
			{Type: Join, Room: "live:1", User: "yes 1"},
			{Type: Join, Room: "lobby", User: "yes 2"},
			{Type: Connect, User: "yes 3"},
			{Type: Join, Room: "other", User: "no: room"},
			{Type: Leave, Room: "lobby", User: "no: type"},
			{Type: Disconnect, User: "no: type"},
		} {
			if got := e.Wants(ev.Type, ev.Room); got != strings.HasPrefix(ev.User, "yes") {
				t.Errorf("wants %+v: got %v", ev, got)
			}
			e.Emit(&ev)
		}
		closeNow(t, e)
		got := sink.taken()
		slices.Sort(got)
		if want := []string{"yes 1", "yes 2", "yes 3"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if s := e.Stats(); s.Emitted != 3 {
			t.Errorf("emitted: got %d, want 3", s.Emitted)
		}
	})
}

func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &fakeSink{}
		e := newEmitter(t, Config{Sink: sink, Linger: 50 * time.Millisecond, BatchLen: 10})
		emit := func(n int) {
			for range n {
				e.Emit(&Event{Type: Join, Room: "r"})
			}
			synctest.Wait()
		}
		want := func(lens ...int) {
			t.Helper()
			var got []int
			for _, b := range sink.all() {
				got = append(got, len(b.users))
			}
			if !slices.Equal(got, lens) {
				t.Errorf("at %v: batches of %v, want %v", time.Now(), got, lens)
			}
		}
		emit(1)
		time.Sleep(20 * time.Millisecond)
		emit(1)
		time.Sleep(30*time.Millisecond - 1)
		synctest.Wait()
		want()
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		want(2) // when the first had waited long enough
		emit(25)
		want(2, 10, 10) // full ones at once
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		want(2, 10, 10, 5)
		emit(3)
		closeNow(t, e)
		want(2, 10, 10, 5, 3)
	})
}

func TestBatchBytesAreOfJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const bound = 4 << 10
		sink := &fakeSink{}
		e := newEmitter(t, Config{Sink: sink, BatchBytes: bound})
		// Each control character is one byte here and six in JSON.
		for _, n := range []int{10, 300, 300, 300, 5000, 10, 10} {
			e.Emit(&Event{Type: Publish, Room: "r", Message: &broker.Message{
				Format: broker.Text, Payload: []byte(strings.Repeat("\x01", n)),
			}})
		}
		closeNow(t, e)
		events := 0
		for _, b := range sink.all() {
			events += len(b.ids)
			if b.bytes > bound && len(b.ids) > 1 {
				t.Errorf("a batch of %d events has %d bytes, the bound is %d", len(b.ids), b.bytes, bound)
			}
		}
		if events != 7 {
			t.Errorf("%d events arrived, want 7", events)
		}
	})
}

func TestFieldsFilledIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var texts []string
		e := newEmitter(t, Config{Node: "edge-1", Outlets: 1, Sink: sinkFunc(func(batch []Record) {
			for _, r := range batch {
				texts = append(texts, strings.ReplaceAll(string(r.JSON), r.ID, "ID"))
			}
		})})
		ev := Event{Type: Join, Room: "r"}
		e.Emit(&ev)
		ev.Room = "changed later"
		e.Emit(&Event{Type: Join, Room: "r", ID: "mine", Node: "edge-2", Time: 5})
		closeNow(t, e)
		want := []string{
			`{"id":"ID","type":"join","time":946684800000,"node":"edge-1","room":"r"}`,
			`{"id":"ID","type":"join","time":5,"node":"edge-2","room":"r"}`,
		}
		if !slices.Equal(texts, want) {
			t.Errorf("got %q, want %q", texts, want)
		}
	})
}

// sinkFunc takes everything.
type sinkFunc func(batch []Record)

func (f sinkFunc) Send(_ context.Context, batch []Record) error { f(batch); return nil }
func (f sinkFunc) Close()                                       {}

func TestOverflowDropsTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		sink := &fakeSink{answer: func(context.Context, int) error { <-free; return nil }}
		e := newEmitter(t, Config{Sink: sink, QueueLen: 10, BatchLen: 1})
		emit := func(user string, messages ...*broker.Message) {
			e.Emit(&Event{Type: RoomClosed, Room: "r", User: user, Transcript: messages})
		}
		emit("under way")
		synctest.Wait()
		for i := range 26 {
			emit(string(rune('a' + i)))
		}
		s := e.Stats()
		if s.Queued != 11 || s.Dropped[DropOverflow] != 16 || s.Emitted != 27 {
			t.Errorf("got %+v", s)
		}
		close(free)
		closeNow(t, e)
		if got := strings.Join(sink.taken(), ""); got != "under wayqrstuvwxyz" {
			t.Errorf("got %q", got)
		}
		if s := e.Stats(); s.Queued != 0 || s.Bytes != 0 {
			t.Errorf("nothing is left, but stats say %+v", s)
		}
	})
}

func TestBytesBoundTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		sink := &fakeSink{answer: func(context.Context, int) error { <-free; return nil }}
		e := newEmitter(t, Config{Sink: sink, QueueBytes: 20_000, BatchLen: 1})
		emit := func(user string, bytes int) {
			e.Emit(&Event{Type: Publish, Room: "r", User: user, Message: &broker.Message{
				Format: broker.Text, Payload: make([]byte, bytes),
			}})
		}
		emit("under way", 1)
		synctest.Wait()
		for _, user := range []string{"a", "b", "c", "d", "e"} {
			emit(user, 4000)
		}
		emit("too big", 10_000)
		e.Emit(&Event{Type: RoomClosed, Room: "r", User: "too big", Transcript: []*broker.Message{
			{Format: broker.Text, Payload: make([]byte, 5000)}, {Format: broker.Text, Payload: make([]byte, 5000)},
		}})
		if s := e.Stats(); s.Dropped[DropTooBig] != 2 || s.Dropped[DropOverflow] != 3 || s.Bytes > 10_000 {
			t.Errorf("got %+v", s)
		}
		close(free)
		closeNow(t, e)
		if got := strings.Join(sink.taken(), " "); got != "under way d e" {
			t.Errorf("got %q", got)
		}
	})
}

func TestInvalidEventIsDroppedAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		sink := &fakeSink{}
		e := newEmitter(t, Config{Sink: sink, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		for _, user := range []string{"a", "bad", "b", "bad", "bad"} {
			m := &broker.Message{Format: broker.JSON, Payload: []byte("1")}
			if user == "bad" {
				m.Payload = []byte("{")
			}
			e.Emit(&Event{Type: Publish, Room: "r", User: user, Message: m})
		}
		closeNow(t, e)
		if got := strings.Join(sink.taken(), " "); got != "a b" {
			t.Errorf("got %q", got)
		}
		if n := e.Stats().Dropped[DropInvalid]; n != 3 {
			t.Errorf("dropped as invalid: %d, want 3", n)
		}
		if n := strings.Count(log.String(), "no JSON form"); n != 1 {
			t.Errorf("%d log lines, want 1 in %v: %s", n, quietlog.Every, log.String())
		}
	})
}

func TestDropReasonNames(t *testing.T) {
	seen := map[string]bool{}
	for r := range NumDropReasons {
		if name := r.String(); name == "" || seen[name] {
			t.Errorf("reason %d has the name %q", r, name)
		} else {
			seen[name] = true
		}
	}
}
