package events_test

import (
	"bytes"
	"context"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"barrage/edge/events"
	"barrage/internal/broker"
	"barrage/internal/redistest"
)

// patience bounds every wait of a test. It is never the thing measured.
const patience = 20 * time.Second

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// A redisServer is the test's own. Its data does not outlive the process.
type redisServer struct {
	*redistest.Server
	t      *testing.T
	client *redis.Client // of the stream: leaves retries to it
}

func startRedis(t *testing.T) *redisServer {
	redis.SetLogger(quiet{})
	s := &redisServer{Server: redistest.Start(t), t: t}
	s.client = redis.NewClient(&redis.Options{
		Addr: s.Addr, ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1, DialTimeout: time.Second,
	})
	t.Cleanup(func() { s.client.Close() })
	return s
}

// quiet is go-redis without its lines about refused connections.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func (s *redisServer) emitter(cfg events.StreamConfig) *events.Emitter {
	s.t.Helper()
	if cfg.Store == nil {
		cfg.Store = redisStore{s.client}
	}
	sink, err := events.NewStream(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	e, err := events.New(events.Config{
		Sink: sink, Node: "n", Linger: time.Millisecond, BackoffMin: time.Millisecond, BackoffMax: 5 * time.Millisecond,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

func (s *redisServer) close(e *events.Emitter) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := e.Close(ctx); err != nil {
		s.t.Error(err)
	}
}

func TestStream(t *testing.T) {
	s := startRedis(t)
	e := s.emitter(events.StreamConfig{})
	e.Emit(&events.Event{Type: events.Join, Room: "lobby", User: "u1", ID: "i1", Time: 5})
	e.Emit(&events.Event{Type: events.Leave, Room: "lobby", User: "u1", ID: "i2", Time: 6})
	s.close(e)
	entries, err := s.XRange(t.Context(), "barrage:events", "-", "+").Result()
	if err != nil || len(entries) != 2 {
		t.Fatalf("got %v, %v", entries, err)
	}
	for i, want := range []map[string]string{
		{"id": "i1", "type": "join", "room": "lobby", "event": `{"id":"i1","type":"join","time":5,"node":"n","room":"lobby","user":"u1"}`},
		{"id": "i2", "type": "leave", "room": "lobby", "event": `{"id":"i2","type":"leave","time":6,"node":"n","room":"lobby","user":"u1"}`},
	} {
		for field, value := range want {
			if got := entries[i].Values[field]; got != value {
				t.Errorf("entry %d: %s is %v, want %s", i, field, got, value)
			}
		}
	}
}

func TestStreamIsBounded(t *testing.T) {
	s := startRedis(t)
	const maxLen, n = 500, 5000
	e := s.emitter(events.StreamConfig{Key: "k", MaxLen: maxLen})
	for i := range n {
		e.Emit(&events.Event{Type: events.Join, Room: "room" + strconv.Itoa(i%10)})
	}
	s.close(e)
	if delivered := e.Stats().Delivered; delivered != n {
		t.Errorf("delivered %d, want %d", delivered, n)
	}
	// Redis trims whole nodes of, by default, 100 entries.
	if got := s.XLen(t.Context(), "k").Val(); got < maxLen || got > maxLen+200 {
		t.Errorf("the stream has %d entries, want about %d", got, maxLen)
	}
}

// TestStreamIsBoundedInBytes: whatever events are like, and whatever was there before.
func TestStreamIsBoundedInBytes(t *testing.T) {
	s := startRedis(t)
	const key, maxBytes = "k", 4 << 20
	for range 200 { // of a node with another bound
		if err := s.XAdd(t.Context(), &redis.XAddArgs{Stream: key, Values: []string{"event", strings.Repeat("o", 60_000)}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	usage := func() int64 {
		t.Helper()
		n, err := s.MemoryUsage(t.Context(), key, 0).Result()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	e := s.emitter(events.StreamConfig{Key: key, MaxBytes: maxBytes})
	emit := func(n, size int) {
		t.Helper()
		before := e.Stats().Delivered
		for i := range n {
			e.Emit(&events.Event{Type: events.Publish, Room: "r", Message: &broker.Message{ID: strconv.Itoa(i), Format: broker.Text, Payload: []byte(strings.Repeat("x", size))}})
		}
		eventually(t, "all to be added", func() bool { return e.Stats().Delivered == before+uint64(n) })
		// One look's part, and the batch that follows it.
		if got := usage(); got > maxBytes+maxBytes/64+512<<10 {
			t.Errorf("%d bytes after %d events of %d, want about %d", got, n, size, maxBytes)
		}
	}
	emit(1, 10)
	emit(100, 60_000)
	emit(5000, 100)
	emit(100, 60_000)
	emit(2000, 100)
	if got := usage(); got < maxBytes/4 {
		t.Errorf("only %d bytes are left", got)
	}
	last, err := s.XRevRangeN(t.Context(), key, "+", "-", 1).Result()
	if err != nil || len(last) != 1 || !strings.Contains(last[0].Values["event"].(string), `"id":"1999"`) {
		t.Errorf("the newest is %v, %v", last, err)
	}
	s.close(e)
}

// TestStreamWithoutMemoryUsage: where it is not allowed events arrive all the same, once,
// and the log has a line.
func TestStreamWithoutMemoryUsage(t *testing.T) {
	s := startRedis(t)
	if err := s.Do(t.Context(), "ACL", "SETUSER", "default", "-memory").Err(); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer // written by the one outlet that has events
	e := s.emitter(events.StreamConfig{Key: "k", Logger: slog.New(slog.NewTextHandler(&log, nil))})
	e.Emit(&events.Event{Type: events.Join, Room: "r"})
	s.close(e)
	if n := s.XLen(t.Context(), "k").Val(); n != 1 || e.Stats().Retried != 0 {
		t.Errorf("%d entries, sent again %d times", n, e.Stats().Retried)
	}
	if !strings.Contains(log.String(), "bound in bytes") || !strings.Contains(log.String(), "NOPERM") {
		t.Errorf("the log has %q", log.String())
	}
}

// A wrong type under the key, then a Redis that is gone for a while: everything
// arrives once it works, in order.
func TestStreamThroughFailures(t *testing.T) {
	s := startRedis(t)
	const key = "k"
	if err := s.Set(t.Context(), key, "no stream", 0).Err(); err != nil {
		t.Fatal(err)
	}
	e := s.emitter(events.StreamConfig{Key: key})
	emit := func(users ...string) {
		for _, user := range users {
			e.Emit(&events.Event{Type: events.Join, Room: "r", User: user, ID: user})
		}
	}
	fails := func() {
		t.Helper()
		before := e.Stats().Retried
		eventually(t, "some attempts fail", func() bool { return e.Stats().Retried > before+2 })
	}
	got := func() string {
		t.Helper()
		entries, err := s.XRange(context.Background(), key, "-", "+").Result()
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, entry := range entries {
			ids = append(ids, entry.Values["id"].(string))
		}
		return strings.Join(ids, " ")
	}
	emit("a", "b")
	fails()
	emit("c")
	s.Del(t.Context(), key)
	eventually(t, "three arrive", func() bool { return e.Stats().Delivered == 3 })
	if ids := got(); ids != "a b c" {
		t.Errorf("got %s", ids)
	}

	s.Kill()
	emit("d", "e")
	fails()
	emit("f")
	s.Start()
	eventually(t, "three more arrive", func() bool { return e.Stats().Delivered == 6 })
	if ids := got(); ids != "d e f" {
		t.Errorf("got %s", ids)
	}
	s.close(e)
}

func TestStreamConfig(t *testing.T) {
	_, err := events.NewStream(events.StreamConfig{Key: "a b", MaxLen: -1, MaxBytes: -1, Timeout: -1})
	for _, want := range []string{"Key:", "MaxLen is -1", "MaxBytes is -1", "Timeout is -1ns", "Store:"} {
		if err == nil || !strings.Contains(err.Error(), "events: stream: "+want) {
			t.Errorf("%s is not in %v", want, err)
		}
	}
}
