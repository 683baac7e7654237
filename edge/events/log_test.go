package events

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(strings.TrimSuffix(l.buf.String(), "\n"), "\n")
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// secretURL is a URL with what no log may have.
func secretURL(s *httptest.Server) string {
	return strings.Replace(s.URL, "http://", "http://ann:PASSWORD@", 1) + "/path?key=SECRET"
}

// TestCallFailuresAreLogged: each with the method, the backend and the reason, and not
// each time.
func TestCallFailuresAreLogged(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(w http.ResponseWriter, r *http.Request)
		code   string
		want   string // of the line, beside method, code and URL
	}{
		{"status", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no such seat", http.StatusNotFound) }, CodeBackend, `status=404 error="\"no such seat`},
		{"reply", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }, CodeBadReply, "invalid character '<'"},
		{"timeout", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, CodeTimeout, "deadline exceeded"},
		{"broken", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, CodeBackend, "EOF"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://ann:PASSWORD@other.invalid/?SECRET", http.StatusTemporaryRedirect)
		}, CodeBackend, "status=307"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := answerer(t, func(w http.ResponseWriter, r *http.Request, _ string) { tt.answer(w, r) })
			timeout := patience
			if tt.code == CodeTimeout {
				timeout = 50 * time.Millisecond
			}
			var log lines
			c := newCaller(t, CallerConfig{Routes: []Route{{"seat.*", secretURL(s)}}, HTTP: HTTP{Timeout: timeout}, Logger: log.logger()})
			for range 3 {
				_, err := c.Call(t.Context(), Request{Method: "seat.free"})
				wantCode(t, err, tt.code)
			}
			got := log.all()
			if len(got) != 1 {
				t.Fatalf("%d lines: %q", len(got), got)
			}
			for _, want := range []string{"level=WARN", "method=seat.free", "code=" + tt.code, "url=" + s.URL + "/path", tt.want} {
				if !strings.Contains(got[0], want) {
					t.Errorf("%s lacks %s", got[0], want)
				}
			}
			if strings.Contains(got[0], "PASSWORD") || strings.Contains(got[0], "SECRET") {
				t.Errorf("%s has a secret", got[0])
			}
		})
	}
}

// TestCallLogIsBounded: by routes and reasons, whatever clients ask for.
func TestCallLogIsBounded(t *testing.T) {
	s := answerer(t, func(w http.ResponseWriter, _ *http.Request, _ string) { w.WriteHeader(500) })
	var log lines
	c := newCaller(t, CallerConfig{Routes: []Route{{"a.*", s.URL}, {"b.*", s.URL}}, Logger: log.logger()})
	for _, method := range []string{"a.1", "a.2", "b.1", "b.2", "c", "d", strings.Repeat("z", 60_000)} {
		if _, err := c.Call(t.Context(), Request{Method: method}); err == nil {
			t.Error("answered")
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Call(gone, Request{Method: "a.1"})
	wantCode(t, err, CodeCanceled) // which is no failure of a backend's
	got := log.all()
	if len(got) != 3 || !strings.Contains(got[2], "code=unknown_method") {
		t.Errorf("got %q", got)
	}
	c = newCaller(t, CallerConfig{Logger: log.logger()})
	_, err = c.Call(t.Context(), Request{Method: strings.Repeat("z", 60_000)})
	wantCode(t, err, CodeUnknownMethod)
	if line := log.all()[3]; len(line) > 300 {
		t.Errorf("a line of %d bytes", len(line))
	}
}

// TestWebhookFailuresAreLogged: which URL, and why, but for its secrets.
func TestWebhookFailuresAreLogged(t *testing.T) {
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"refused": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no room", http.StatusNotFound) }, "answered 404"},
		"failed":  {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no room", http.StatusServiceUnavailable) }, "answered 503"},
		"broken":  {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(tt.answer)
			t.Cleanup(s.Close)
			var log lines
			e := newEmitter(t, Config{Sink: newWebhook(t, secretURL(s), patience), Linger: time.Millisecond, Logger: log.logger()})
			e.Emit(&Event{Type: Connect})
			eventually(t, "a line", func() bool { return log.all()[0] != "" })
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_ = e.Close(ctx) // what is waiting is dropped
			for _, line := range log.all() {
				if !strings.Contains(line, s.URL+"/path: ") || !strings.Contains(line, tt.want) {
					t.Errorf("got %s, want %s of %s", line, tt.want, s.URL)
				}
				if strings.Contains(line, "PASSWORD") || strings.Contains(line, "SECRET") {
					t.Errorf("%s has a secret", line)
				}
			}
		})
	}
}
