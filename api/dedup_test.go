package api

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestRetryIsHarmless(t *testing.T) {
	s := &memServer{}
	a := newAPI(t, Config{}, s)
	tests := []struct {
		name, room, key, body, contentType string
		wantStatus, wantSent               int
		replayed                           bool
	}{
		{"first", "r", "k", "hi", "", 200, 1, false},
		{"again", "r", "k", "hi", "", 200, 1, true},
		{"other payload", "r", "k", "ho", "", 422, 1, false},
		{"other kind", "r", "k", "hi", octetStream, 422, 1, false},
		{"other room", "q", "k", "hi", "", 200, 2, false},
		{"other key", "r", "l", "hi", "", 200, 3, false},
		{"no key", "r", "", "hi", "", 200, 4, false},
		{"first once more", "r", "k", "hi", "", 200, 4, true},
	}
	var first string
	for _, tt := range tests {
		header := []string{"Content-Type", tt.contentType}
		if tt.key != "" {
			header = append(header, keyHeader, tt.key)
		}
		w := request(a, "POST", "/v1/rooms/"+tt.room+"/messages", tt.body, header...)
		if w.Code != tt.wantStatus || len(s.messages()) != tt.wantSent {
			t.Fatalf("%s: %d and %d sent, want %d and %d", tt.name, w.Code, len(s.messages()), tt.wantStatus, tt.wantSent)
		}
		if got := w.Header().Get("Idempotent-Replayed") == "true"; got != tt.replayed {
			t.Errorf("%s: replayed %v", tt.name, got)
		}
		if first == "" {
			first = w.Body.String()
		}
		if tt.replayed && w.Body.String() != first {
			t.Errorf("%s: %s, want %s", tt.name, w.Body, first)
		}
		if w.Code == 422 {
			wantError(t, w.Body.Bytes(), "idempotency_key_reused")
		}
	}
}

func TestFailureIsNotRemembered(t *testing.T) {
	fail := true
	s := &memServer{onSend: func(context.Context) error {
		if fail {
			return &codedError{503, "down", "down"}
		}
		return nil
	}}
	a := newAPI(t, Config{}, s)
	if w := request(a, "POST", "/v1/rooms/r/messages", "hi", keyHeader, "k"); w.Code != 503 {
		t.Fatalf("status %d", w.Code)
	}
	fail = false
	if w := request(a, "POST", "/v1/rooms/r/messages", "hi", keyHeader, "k"); w.Code != 200 || w.Header().Get("Idempotent-Replayed") != "" {
		t.Fatalf("retry: %d, replayed %q", w.Code, w.Header().Get("Idempotent-Replayed"))
	}
}

// A hundred requests with one key, all under way at once, publish once.
func TestConcurrentRetries(t *testing.T) {
	release := make(chan struct{})
	entered := make(chan struct{}, 100)
	s := &memServer{onSend: func(context.Context) error {
		entered <- struct{}{}
		<-release
		return nil
	}}
	a := newAPI(t, Config{}, s)
	var wg sync.WaitGroup
	codes := make(chan int, 100)
	for range 100 {
		wg.Go(func() { // ends when its request is answered; waited for below
			codes <- request(a, "POST", "/v1/rooms/r/messages", "hi", keyHeader, "k").Code
		})
	}
	<-entered
	if w := request(a, "POST", "/v1/rooms/r/messages", "other", keyHeader, "k"); w.Code != 422 {
		t.Errorf("another message with a key under way: %d", w.Code)
	}
	// A waiter whose client leaves stops waiting.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := httptest.NewRequest("POST", "/v1/rooms/r/messages", strings.NewReader("hi")).WithContext(ctx)
	r.Header.Set(keyHeader, "k")
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	if w.Body.Len() != 0 {
		t.Errorf("a client that left was answered %s", w.Body)
	}
	close(release)
	wg.Wait()
	close(codes)
	for code := range codes {
		if code != http.StatusOK {
			t.Errorf("status %d", code)
		}
	}
	if got := s.messages(); len(got) != 1 {
		t.Errorf("published %d times", len(got))
	}
	if len(a.dedup.running) != 0 {
		t.Errorf("%d calls left under way", len(a.dedup.running))
	}
}

// The publish of a client that leaves goes on, so that its retry finds it.
func TestPublishOutlivesItsClient(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &memServer{onSend: func(ctx context.Context) error {
		cancel()
		return ctx.Err()
	}}
	a := newAPI(t, Config{}, s)
	r := httptest.NewRequest("POST", "/v1/rooms/r/messages", strings.NewReader("hi")).WithContext(ctx)
	r.Header.Set(keyHeader, "k")
	a.ServeHTTP(httptest.NewRecorder(), r)
	s.onSend = nil
	if w := request(a, "POST", "/v1/rooms/r/messages", "hi", keyHeader, "k"); w.Header().Get("Idempotent-Replayed") != "true" {
		t.Errorf("the retry was published again: %d", w.Code)
	}
	if got := s.messages(); len(got) != 1 {
		t.Errorf("published %d times", len(got))
	}
}

func TestDedupForgets(t *testing.T) {
	now := time.Unix(1000, 0)
	d, err := newDedup(2, time.Minute, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	runs := 0
	do := func(key string) (replayed bool) {
		_, replayed, err := d.do(context.Background(), "r", key, fingerprint{}, func(context.Context) (answer, error) {
			runs++
			return answer{id: strconv.Itoa(runs)}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return replayed
	}
	do("a")
	now = now.Add(time.Minute - 1)
	if !do("a") {
		t.Error("forgotten too early")
	}
	now = now.Add(1)
	if do("a") {
		t.Error("remembered too long")
	}
	do("b")
	do("c")
	if d.answers.Len() != 2 {
		t.Errorf("%d answers held, want 2", d.answers.Len())
	}
	if do("a") {
		t.Error("remembered past the bound")
	}
}

func TestDedupPanicReleasesWaiters(t *testing.T) {
	d, err := newDedup(2, time.Minute, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	entered, release := make(chan struct{}), make(chan struct{})
	go func() { // ends by its panic once released; the waiter below proves it
		defer func() { _ = recover() }()
		_, _, _ = d.do(context.Background(), "r", "k", fingerprint{}, func(context.Context) (answer, error) {
			close(entered)
			<-release
			panic("boom")
		})
	}()
	<-entered
	d.mu.Lock()
	c := d.running[dedupKey{"r", "k"}]
	d.mu.Unlock()
	close(release)
	if _, _, err := c.wait(context.Background()); !errors.Is(err, errPanic) {
		t.Errorf("waiter got %v", err)
	}
}
