// Closing a room: nothing that was said may be in neither the transcript nor the
// history.

package edge_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"barrage/edge"
	"barrage/edge/edgetest"
	"barrage/edge/events"
	"barrage/edge/moderation"
	"barrage/internal/broker"
	"barrage/internal/broker/memory"
	"barrage/internal/refusal"
)

// archive is a backend that keeps transcripts.
type archive struct {
	hold chan struct{} // nothing is taken before it is closed; nil: at once

	mu    sync.Mutex // guards parts
	parts []archived
}

type archived struct {
	Part       int
	Last       bool
	Reason     string
	Transcript []struct{ ID string }
	bytes      int
}

func (a *archive) Send(ctx context.Context, batch []events.Record) error {
	if a.hold != nil {
		select {
		case <-a.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range batch {
		if r.Type != events.RoomClosed {
			continue
		}
		p := archived{bytes: len(r.JSON)}
		if err := json.Unmarshal(r.JSON, &p); err != nil {
			return err
		}
		a.parts = append(a.parts, p)
	}
	return nil
}

func (a *archive) Close() {}

// all ends the emitter and returns what came.
func (a *archive) all(t *testing.T, e *events.Emitter) []archived {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), edgetest.Patience)
	defer cancel()
	edgetest.Must(t, e.Close(ctx))
	return a.parts
}

// wantParts checks the parts of one closing, or of one that failed, and returns the ids
// of the messages in them.
func wantParts(t *testing.T, parts []archived, closed bool) (ids []string) {
	t.Helper()
	for i, p := range parts {
		if p.Part != i+1 || p.Last != (closed && i == len(parts)-1) || p.Reason != "over" || p.Transcript == nil {
			t.Errorf("part %d of %d: part %d, last %v, reason %q", i+1, len(parts), p.Part, p.Last, p.Reason)
		}
		for _, m := range p.Transcript {
			ids = append(ids, m.ID)
		}
	}
	if len(parts) == 0 {
		t.Error("nothing came")
	}
	return ids
}

// gateBroker does something before a history is forgotten.
type gateBroker struct {
	broker.Broker
	before func(room string)
}

func (b *gateBroker) ClearAt(ctx context.Context, room string, head broker.Position) (bool, error) {
	if b.before != nil {
		b.before(room)
	}
	return b.Broker.ClearAt(ctx, room, head)
}

// startArchive starts a server that tells an archive of rooms that are closed, and
// keeps much.
func startArchive(t *testing.T, a *archive, cfg events.Config) (*edgetest.Server, *events.Emitter, *gateBroker) {
	t.Helper()
	cfg.Sink, cfg.Linger = a, time.Millisecond
	if cfg.Types == nil {
		cfg.Types = []events.Type{events.RoomClosed}
	}
	e, err := events.New(cfg)
	edgetest.Must(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = e.Close(ctx)
	})
	b := &gateBroker{}
	s := edgetest.Start(t, func(c *edge.Config) { c.Events = e }, func(s *edgetest.Server) {
		rules := broker.Rules{{Pattern: "off:*"}, {Pattern: "*", Retention: broker.Retention{Messages: broker.MaxRetained, Age: time.Hour, Bytes: 64 << 20}}}
		b.Broker = edgetest.NewMemory(t, s, memory.Config{Rules: rules})
		s.SetBroker(b)
	})
	return s, e, b
}

func publishIDs(t *testing.T, s *edgetest.Server, room string, count, bytes int) (ids []string) {
	t.Helper()
	for range count {
		r, err := s.Publish(context.Background(), &broker.Publication{Room: room, Format: broker.Text, Payload: []byte(strings.Repeat("x", bytes))})
		edgetest.Must(t, err)
		ids = append(ids, r.ID)
	}
	return ids
}

func kept(t *testing.T, s *edgetest.Server, room string) (ids []string) {
	t.Helper()
	page, err := s.History(context.Background(), room, broker.Query{})
	edgetest.Must(t, err)
	for _, m := range page.Messages {
		ids = append(ids, m.ID)
	}
	return ids
}

func wantIDs(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %d messages, want %d, or another order", what, len(got), len(want))
	}
}

func closeRoom(s *edgetest.Server, room string) error {
	return s.Moderation.CloseRoom(context.Background(), room, "over")
}

func wantRefused(t *testing.T, err error, status int, code string) {
	t.Helper()
	if refused, ok := err.(*refusal.Error); !ok || refused.HTTPStatus() != status || refused.Code() != code {
		t.Errorf("got %v, want %d %s", err, status, code)
	}
}

// TestTranscriptInParts: a history that is longer than an event may be, and than what
// may wait, comes in parts.
func TestTranscriptInParts(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		name         string
		room         string
		count, bytes int
		parts        int
	}{
		{"large", "a", 160, 60_000, 40},
		{"many", "a", 1050, 10, 11}, // as many as are read at once
		{"few", "a", 3, 10, 1},
		{"none", "a", 0, 0, 1},
		{"nothing kept", "off:a", 3, 10, 1},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			a := &archive{}
			s, e, _ := startArchive(t, a, events.Config{})
			ids := publishIDs(t, s, x.room, x.count, x.bytes)
			if strings.HasPrefix(x.room, "off:") {
				ids = nil
			}
			edgetest.Must(t, closeRoom(s, x.room))
			wantIDs(t, "history", kept(t, s, x.room), nil)
			parts := a.all(t, e)
			wantIDs(t, "transcript", wantParts(t, parts, true), ids)
			if len(parts) != x.parts {
				t.Errorf("%d parts, want %d", len(parts), x.parts)
			}
			for i, p := range parts {
				if p.bytes > 256<<10 {
					t.Errorf("part %d has %d bytes", i+1, p.bytes)
				}
			}
			if n := e.Stats().Dropped; n != [events.NumDropReasons]uint64{} {
				t.Errorf("dropped %v", n)
			}
		})
	}
}

// TestMessageLongerThanAnEvent: such a message makes a part of its own.
func TestMessageLongerThanAnEvent(t *testing.T) {
	t.Parallel()
	a := &archive{}
	s, e, _ := startArchive(t, a, events.Config{QueueBytes: 2000, BatchBytes: 1000})
	ids := publishIDs(t, s, "a", 5, 5000)
	edgetest.Must(t, closeRoom(s, "a"))
	wantIDs(t, "transcript", wantParts(t, a.all(t, e), true), ids)
}

// TestCloseWhilePublishing: each message that was accepted is in the transcript or in
// the history.
func TestCloseWhilePublishing(t *testing.T) {
	t.Parallel()
	const rounds, publishers = 20, 3
	a := &archive{}
	s, e, _ := startArchive(t, a, events.Config{})
	accepted := make([][]string, publishers)
	var stop atomic.Bool
	var wg sync.WaitGroup
	for i := range publishers {
		wg.Go(func() {
			for !stop.Load() {
				r, err := s.Publish(context.Background(), &broker.Publication{Room: "a", Format: broker.Text, Payload: []byte("x")})
				if err != nil {
					t.Error(err)
					return
				}
				accepted[i] = append(accepted[i], r.ID)
				time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond) // so that it is not always busy
			}
		})
	}
	closed := 0
	for range rounds {
		if err := closeRoom(s, "a"); err == nil {
			closed++
		} else {
			wantRefused(t, err, 409, "busy")
		}
	}
	stop.Store(true)
	wg.Wait()
	there := make(map[string]bool)
	for _, id := range kept(t, s, "a") {
		there[id] = true
	}
	for _, p := range a.all(t, e) {
		if p.Last {
			closed--
		}
		for _, m := range p.Transcript {
			there[m.ID] = true
		}
	}
	if closed != 0 {
		t.Errorf("%d more rooms closed than last parts came", closed)
	}
	for _, ids := range accepted {
		for _, id := range ids {
			if !there[id] {
				t.Errorf("%s is in neither a transcript nor the history", id)
			}
		}
	}
}

// TestPublishedMeanwhile: what comes between reading and forgetting follows in further
// parts, and a room that does not fall silent is not closed.
func TestPublishedMeanwhile(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		name  string
		times int
		other bool // the history that was read is forgotten by somebody else
	}{
		{"once", 1, false},
		{"to the last round", moderation.CloseRounds - 1, false},
		{"without end", 1000, false},
		{"in another history", 1, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			a := &archive{}
			s, e, b := startArchive(t, a, events.Config{})
			ids := publishIDs(t, s, "a", 250, 1)
			left := x.times
			b.before = func(room string) {
				if left == 0 {
					return
				}
				left--
				if x.other {
					edgetest.Must(t, b.Clear(context.Background(), room))
				}
				ids = append(ids, publishIDs(t, s, room, 150, 1)...)
			}
			err := closeRoom(s, "a")
			if x.times < 1000 {
				edgetest.Must(t, err)
				wantIDs(t, "history", kept(t, s, "a"), nil)
				wantIDs(t, "transcript", wantParts(t, a.all(t, e), true), ids)
				return
			}
			wantRefused(t, err, 409, "busy")
			wantIDs(t, "history", kept(t, s, "a"), ids)
			b.before = nil
			edgetest.Must(t, closeRoom(s, "a"))
			parts := a.all(t, e)
			again := 1 // where the second closing begins
			for again < len(parts) && parts[again].Part != 1 {
				again++
			}
			wantParts(t, parts[:again], false)
			wantIDs(t, "transcript", wantParts(t, parts[again:], true), ids)
		})
	}
}

// TestUnclearedIsTold: where it is not known whether the history is gone, what was in
// it is told all the same.
func TestUnclearedIsTold(t *testing.T) {
	t.Parallel()
	a := &archive{}
	s, e, b := startArchive(t, a, events.Config{})
	ids := publishIDs(t, s, "a", 5, 1)
	ctx, cancel := context.WithCancel(context.Background())
	b.before = func(string) { cancel() }
	wantRefused(t, s.Moderation.CloseRoom(ctx, "a", "over"), 503, "unavailable")
	wantIDs(t, "history", kept(t, s, "a"), ids)
	wantIDs(t, "transcript", wantParts(t, a.all(t, e), false), ids)
}

// TestCloseUntold: where backends cannot be told, the room's history stays.
func TestCloseUntold(t *testing.T) {
	t.Parallel()
	a := &archive{hold: make(chan struct{})}
	s, e, _ := startArchive(t, a, events.Config{Outlets: 1, QueueLen: 1, Types: []events.Type{events.RoomClosed, events.Join}})
	ids := publishIDs(t, s, "a", 5, 1)
	e.Emit(&events.Event{Type: events.Join, Room: "b"})
	edgetest.WaitFor(t, "it to be under way", func() bool { return e.Stats().Bytes == 0 })
	e.Emit(&events.Event{Type: events.Join, Room: "b"}) // the queue is full with it
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	wantRefused(t, s.Moderation.CloseRoom(ctx, "a", "over"), 503, "overloaded")
	wantIDs(t, "history", kept(t, s, "a"), ids)
	close(a.hold)
	edgetest.Must(t, closeRoom(s, "a"))
	wantIDs(t, "history", kept(t, s, "a"), nil)
	wantIDs(t, "transcript", wantParts(t, a.all(t, e), true), ids)

	ids = publishIDs(t, s, "a", 5, 1)
	wantRefused(t, closeRoom(s, "a"), 503, "unavailable")
	wantIDs(t, "history", kept(t, s, "a"), ids)
}

// TestCloseUnwanted: where nobody wants to be told, rooms are closed all the same.
func TestCloseUnwanted(t *testing.T) {
	t.Parallel()
	s, _, _ := startArchive(t, &archive{}, events.Config{Types: []events.Type{events.Join}})
	publishIDs(t, s, "a", 5, 1)
	edgetest.Must(t, closeRoom(s, "a"))
	wantIDs(t, "history", kept(t, s, "a"), nil)
}
