package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"barrage/internal/quietlog"
)

// quick is for tests that wait for real servers.
func quick(sink Sink) Config {
	return Config{Sink: sink, Linger: time.Millisecond, BackoffMin: time.Millisecond, BackoffMax: 5 * time.Millisecond}
}

func TestWebhookConfig(t *testing.T) {
	secrets := []string{testSecret}
	for _, tt := range []struct {
		name string
		cfg  WebhookConfig
		want string // in the error
	}{
		{"no URL", WebhookConfig{HTTP: HTTP{Secrets: secrets}}, "URL"},
		{"no host", WebhookConfig{URL: "http:///x", HTTP: HTTP{Secrets: secrets}}, "without a host"},
		{"scheme", WebhookConfig{URL: "ftp://example.com", HTTP: HTTP{Secrets: secrets}}, "not an http or https URL"},
		{"no URL at all", WebhookConfig{URL: "http://u:hunter2@%zz", HTTP: HTTP{Secrets: secrets}}, "not a URL"},
		{"no secret", WebhookConfig{URL: "http://example.com"}, "Secrets"},
		{"short secret", WebhookConfig{URL: "http://example.com", HTTP: HTTP{Secrets: []string{"hunter2"}}}, "Secrets"},
		{"timeout", WebhookConfig{URL: "http://example.com", HTTP: HTTP{Secrets: secrets, Timeout: -1}}, "Timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewWebhook(tt.cfg)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want %q and no secrets", err, tt.want)
			}
		})
	}
}

// Rooms' events arrive in order, each once as told by its id, whatever goes wrong
// on the way.
func TestOrderPerRoomUnderFailures(t *testing.T) {
	const rooms, each = 12, 300
	b := newBackend(t, func(n int, w http.ResponseWriter, r *http.Request) {
		switch n % 7 {
		case 1, 2:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 3:
			panic(http.ErrAbortHandler) // the connection breaks without an answer
		case 5:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	cfg := quick(newWebhook(t, b.URL, patience))
	cfg.BatchLen = 20
	e := newEmitter(t, cfg)
	var emitters sync.WaitGroup
	for room := range rooms {
		emitters.Go(func() {
			for i := range each {
				e.Emit(&Event{Type: Join, Room: "room" + strconv.Itoa(room), User: strconv.Itoa(i)})
			}
		})
	}
	emitters.Wait()
	closeNow(t, e)

	events, repeated := b.got(t)
	next := map[string]int{}
	for _, ev := range events {
		if want := strconv.Itoa(next[ev.Room]); ev.User != want {
			t.Fatalf("%s: event %s came where %s should", ev.Room, ev.User, want)
		}
		next[ev.Room]++
	}
	if len(events) != rooms*each {
		t.Errorf("%d events, want %d", len(events), rooms*each)
	}
	s := e.Stats()
	if s.Retried == 0 || repeated == 0 || s.Delivered != rooms*each {
		t.Errorf("%d repeated; stats %+v", repeated, s)
	}
}

func TestWebhookStatus(t *testing.T) {
	for _, tt := range []struct {
		status    int
		header    string
		permanent bool
		after     time.Duration
	}{
		{http.StatusRequestTimeout, "", false, 0},
		{http.StatusTooManyRequests, "7", false, 7 * time.Second},
		{http.StatusTooManyRequests, "soon", false, 0},
		{http.StatusInternalServerError, "", false, 0},
		{http.StatusServiceUnavailable, "99999999999", false, 0},
		{http.StatusServiceUnavailable, "999999999", false, maxAsked},
		{http.StatusBadRequest, "7", true, 0},
		{http.StatusUnauthorized, "", true, 0},
		{http.StatusNotFound, "", true, 0},
		{http.StatusRequestEntityTooLarge, "", true, 0},
		{http.StatusNotModified, "", true, 0},
	} {
		t.Run(fmt.Sprint(tt.status, " ", tt.header), func(t *testing.T) {
			b := newBackend(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
				if tt.header != "" {
					w.Header().Set("Retry-After", tt.header)
				}
				w.WriteHeader(tt.status)
				io.WriteString(w, strings.Repeat("no ", 1<<20)) // more than anyone wants to read
			})
			w := newWebhook(t, b.URL, patience)
			defer w.Close()
			err := w.Send(t.Context(), []Record{{JSON: []byte("{}")}})
			var f *Failure
			if !errors.As(err, &f) || f.Permanent != tt.permanent || f.After != tt.after {
				t.Errorf("got %#v", err)
			}
			if f != nil && (!strings.Contains(f.Error(), strconv.Itoa(tt.status)) || len(f.Error()) > 2*maxQuote) {
				t.Errorf("got %q", f)
			}
		})
	}
	for _, status := range []int{200, 201, 202, 204} {
		b := newBackend(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		w := newWebhook(t, b.URL, patience)
		if err := w.Send(t.Context(), []Record{{JSON: []byte("{}")}, {JSON: []byte("{}")}}); err != nil {
			t.Errorf("%d: %v", status, err)
		}
		if b.got(t); b.requests != 1 || len(b.events) != 2 {
			t.Errorf("%d requests with %d events", b.requests, len(b.events))
		}
		w.Close()
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "120": 2 * time.Minute, "-1": 0, "1.5": 0, "4294967295": maxAsked, "4294967296": 0, "x": 0,
		"Mon, 04 May 2026 03:03:01 GMT": time.Minute,
		"Mon, 04 May 2026 03:01:01 GMT": 0,
		"Mon, 04 May 9999 03:01:01 GMT": maxAsked,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("%q: got %v, want %v", value, got, want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, value := range []string{"", "0", "99999999999999999999", "-5", "Mon, 04 May 2026 03:03:01 GMT", "Monday, 04-May-26 03:03:01 GMT"} {
		f.Add(value)
	}
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	f.Fuzz(func(t *testing.T, value string) {
		if d := retryAfter(value, now); d < 0 || d > maxAsked {
			t.Errorf("%q: %v", value, d)
		}
	})
}

// A backend that does not answer is left after the timeout.
func TestSlowBackend(t *testing.T) {
	b := newBackend(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n == 0 {
			<-r.Context().Done()
		}
	})
	e := newEmitter(t, quick(newWebhook(t, b.URL, 50*time.Millisecond)))
	emitUsers(e, "a")
	eventually(t, "the second attempt succeeds", func() bool { return e.Stats().Delivered == 1 })
	closeNow(t, e)
	if events, _ := b.got(t); len(events) != 1 || e.Stats().Retried == 0 {
		t.Errorf("got %+v, stats %+v", events, e.Stats())
	}
}

func TestBackendComesBack(t *testing.T) {
	gone := newBackend(t, nil)
	addr := gone.Listener.Addr().String()
	gone.Close()

	var log syncBuffer
	cfg := quick(newWebhook(t, "http://"+addr, patience))
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	e := newEmitter(t, cfg)
	emitUsers(e, "a", "b")
	eventually(t, "some attempts fail", func() bool { return e.Stats().Retried > 3 })
	emitUsers(e, "c")
	back := &backend{}
	var listener net.Listener
	eventually(t, "the port is free", func() (ok bool) {
		var err error
		listener, err = net.Listen("tcp", addr)
		return err == nil
	})
	back.Server = &httptest.Server{Listener: listener, Config: &http.Server{Handler: back}}
	back.Start()
	defer back.Close()
	eventually(t, "all arrive", func() bool { return e.Stats().Delivered == 3 })
	closeNow(t, e)
	events, _ := back.got(t)
	if len(events) != 3 || events[0].User+events[1].User+events[2].User != "abc" {
		t.Errorf("got %+v", events)
	}
	if n := strings.Count(log.String(), "cannot be delivered"); n != 1 {
		t.Errorf("%d log lines, want 1 in %v: %s", n, quietlog.Every, log.String())
	}
}

// syncBuffer is a log that outlets write and tests read.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// However much happens while the backend is dead, the queues keep their bounds.
func TestDeadBackendCostsBoundedMemory(t *testing.T) {
	dead := newBackend(t, nil)
	url := dead.URL
	dead.Close()
	const outlets, queueLen, batchLen, events = 3, 500, 50, 50_000
	cfg := quick(newWebhook(t, url, patience))
	cfg.Outlets, cfg.QueueLen, cfg.BatchLen = outlets, queueLen, batchLen
	e := newEmitter(t, cfg)
	for i := range events {
		e.Emit(&Event{Type: Join, Room: "room" + strconv.Itoa(i%100), User: strconv.Itoa(i)})
		if i%1000 == 0 {
			if s := e.Stats(); s.Queued > outlets*(queueLen+batchLen) || s.Bytes > e.cfg.QueueBytes {
				t.Fatalf("after %d events: %+v", i, s)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close: %v", err)
	}
	checkSum(t, e)
	s := e.Stats()
	if s.Emitted != events || s.Delivered != 0 || s.Dropped[DropOverflow] < events-outlets*(queueLen+batchLen) {
		t.Errorf("got %+v", s)
	}
	for _, o := range e.outlets {
		if o.queue.Cap() > 2*queueLen {
			t.Errorf("a queue has room for %d events, and may have %d", o.queue.Cap(), queueLen)
		}
	}
}

// Close sends what was still waiting for company.
func TestCloseFlushes(t *testing.T) {
	b := newBackend(t, nil)
	e := newEmitter(t, Config{Sink: newWebhook(t, b.URL, patience), Linger: time.Hour})
	for i := range 250 {
		e.Emit(&Event{Type: Join, Room: "room" + strconv.Itoa(i%9)})
	}
	closeNow(t, e)
	if events, _ := b.got(t); len(events) != 250 {
		t.Errorf("%d events arrived, want 250", len(events))
	}
}

func TestRedirects(t *testing.T) {
	other := newBackend(t, nil)
	var path string
	b := newBackend(t, func(n int, w http.ResponseWriter, r *http.Request) {
		path = r.URL.Path
		switch path {
		case "/other-host":
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		case "/same-host":
			http.Redirect(w, r, "/end", http.StatusPermanentRedirect)
		case "/as-get":
			http.Redirect(w, r, "/end", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusTemporaryRedirect)
		}
	})
	for _, tt := range []struct {
		from, last string
		requests   int
		taken      bool
	}{
		{"/other-host", "/other-host", 1, false},
		{"/same-host", "/end", 2, true},
		{"/as-get", "/as-get", 1, false},
		{"/loop", "/loop", 1 + maxHops, false},
	} {
		t.Run(tt.from, func(t *testing.T) {
			before := b.requests
			w := newWebhook(t, b.URL+tt.from, patience)
			defer w.Close()
			err := w.Send(t.Context(), []Record{{JSON: []byte("{}")}})
			var f *Failure
			if (err == nil) != tt.taken || err != nil && (!errors.As(err, &f) || !f.Permanent) {
				t.Errorf("got %v", err)
			}
			b.got(t) // each request was signed
			if path != tt.last || b.requests-before != tt.requests {
				t.Errorf("%d requests, the last to %s; want %d, %s", b.requests-before, path, tt.requests, tt.last)
			}
		})
	}
	if other.requests != 0 {
		t.Errorf("the other host got %d requests", other.requests)
	}
}

func TestHeaders(t *testing.T) {
	var got http.Header
	b := newBackend(t, func(_ int, _ http.ResponseWriter, r *http.Request) { got = r.Header })
	mine := http.Header{"Authorization": {"Bearer x"}, "User-Agent": {"mine"}}
	w, err := NewWebhook(WebhookConfig{URL: b.URL, HTTP: HTTP{Secrets: []string{"the old secret, long", testSecret}, Header: mine}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	mine.Set("Authorization", "changed later")
	if err := w.Send(t.Context(), []Record{{JSON: []byte("{}")}}); err != nil {
		t.Fatal(err)
	}
	b.got(t) // verified with the second secret
	if got.Get("Authorization") != "Bearer x" || got.Get("User-Agent") != "mine" || got.Get("Content-Type") != "application/json" ||
		strings.Count(got.Get(SignatureHeader), "v1=") != 2 {
		t.Errorf("got %v", got)
	}
}

func TestWebhookBody(t *testing.T) {
	body := webhookBody([]Record{{JSON: []byte(`{"a":1}`)}, {JSON: []byte(`{"b":2}`)}})
	if string(body) != `{"events":[{"a":1},{"b":2}]}` || !json.Valid(body) || cap(body)-len(body) > 1 {
		t.Errorf("got %s, %d bytes to spare", body, cap(body)-len(body))
	}
}
