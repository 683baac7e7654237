package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// adminServer records the last request and answers as it is told.
type adminServer struct {
	*httptest.Server
	status int
	answer string

	path, body, contentType, auth, key string
}

func newAdminServer(t *testing.T) *adminServer {
	s := &adminServer{status: 200, answer: `{"id":"1","offset":2,"delivered_to":3}` + "\n"}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.path, s.body, s.contentType = r.URL.EscapedPath(), string(body), r.Header.Get("Content-Type")
		s.auth, s.key = r.Header.Get("Authorization"), r.Header.Get("Idempotency-Key")
		w.WriteHeader(s.status)
		fmt.Fprint(w, s.answer)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *adminServer) addr() string { return s.Listener.Addr().String() }

func TestPublishSends(t *testing.T) {
	s := newAdminServer(t)
	tests := []struct {
		name, environ, stdin             string
		args                             []string
		path, body, contentType, auth, k string
	}{
		{"text", "", "", []string{"lobby", "hi 弹幕"}, "lobby", "hi 弹幕", "text/plain; charset=utf-8", "", ""},
		{"empty", "", "", []string{"lobby", ""}, "lobby", "", "text/plain; charset=utf-8", "", ""},
		{"stdin", "", "line\n", []string{"lobby", "-"}, "lobby", "line\n", "text/plain; charset=utf-8", "", ""},
		{"binary", "", "\x00\xff", []string{"lobby", "-", "--binary"}, "lobby", "\x00\xff", "application/octet-stream", "", ""},
		{"room to escape", "", "", []string{"a/b c", "x"}, "a%2Fb%20c", "x", "text/plain; charset=utf-8", "", ""},
		{"key", "", "", []string{"lobby", "x", "--idempotency-key", "k1"}, "lobby", "x", "text/plain; charset=utf-8", "", "k1"},
		{"token", "", "", []string{"lobby", "x", "--token", "t1"}, "lobby", "x", "text/plain; charset=utf-8", "Bearer t1", ""},
		{"admin-token", "BARRAGE_ADMIN_TOKEN=env", "", []string{"lobby", "x", "--admin-token=t1"}, "lobby", "x", "text/plain; charset=utf-8", "Bearer t1", ""},
		{"token from the environment", "BARRAGE_ADMIN_TOKEN=env", "", []string{"lobby", "x"}, "lobby", "x", "text/plain; charset=utf-8", "Bearer env", ""},
		{"other settings do not matter", "BARRAGE_LISTEN=nonsense", "", []string{"lobby", "x"}, "lobby", "x", "text/plain; charset=utf-8", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := runWith(t, tt.environ, tt.stdin, append([]string{"publish", "--admin", s.addr()}, tt.args...)...)
			if got.code != exitOK || got.stdout != s.answer || got.stderr != "" {
				t.Fatalf("%+v", got)
			}
			if s.path != "/v1/rooms/"+tt.path+"/messages" || s.body != tt.body || s.contentType != tt.contentType || s.auth != tt.auth || s.key != tt.k {
				t.Errorf("sent %q %q %q %q %q", s.path, s.body, s.contentType, s.auth, s.key)
			}
		})
	}
	if got := runWith(t, "BARRAGE_ADMIN="+s.addr(), "", "publish", "lobby", "x"); got.code != exitOK {
		t.Errorf("address from the environment: %+v", got)
	}
}

func TestPublishRefused(t *testing.T) {
	s := newAdminServer(t)
	tests := []struct {
		status int
		answer string
		holds  []string
	}{
		{413, `{"error":{"code":"message_too_large","message":"body: larger than 65536 bytes"}}`, []string{"413 message_too_large: body: larger than 65536 bytes"}},
		{401, `{"error":{"code":"unauthorized","message":"x"}}`, []string{"--token", "BARRAGE_ADMIN_TOKEN"}},
		{404, "<html>nginx</html>", []string{"is --admin right?", "404"}},
	}
	for _, tt := range tests {
		s.status, s.answer = tt.status, tt.answer
		got := runWith(t, "", "", "publish", "lobby", "x", "--admin", s.addr())
		if got.code != exitFailure || got.stdout != "" {
			t.Errorf("%d: %+v", tt.status, got)
		}
		for _, text := range tt.holds {
			if !strings.HasPrefix(got.stderr, "barrage: publish: ") || !strings.Contains(got.stderr, text) {
				t.Errorf("%d: %q does not hold %q", tt.status, got.stderr, text)
			}
		}
	}
}

func TestPublishNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	got := runWith(t, "", "", "publish", "lobby", "x", "--admin", addr)
	if got.code != exitFailure || !strings.Contains(got.stderr, "nothing listens on "+addr) || !strings.Contains(got.stderr, "barrage serve") {
		t.Errorf("%+v", got)
	}
}
