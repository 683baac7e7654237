// The API on a real listener: requests, a body cut short, shutdown.

package api

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// serve runs a on a real listener until the test ends.
func serve(t testing.TB, a *API) (base string) {
	t.Helper()
	if err := a.Listen(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Serve() }() // ends by Shutdown, waited for below
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := a.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return "http://" + a.Addr().String()
}

func TestRealListener(t *testing.T) {
	a := newAPI(t, Config{Pprof: true, MaxBody: 1000}, &memServer{rooms: map[string]int{"r": 2}})
	base := serve(t, a)
	tests := []struct {
		name, method, path string
		body               io.Reader
		want               int
		holds              string
	}{
		{"publish", "POST", "/v1/rooms/r/messages", strings.NewReader("hi"), 200, `"delivered_to":2`},
		{"publish chunked", "POST", "/v1/rooms/r/messages", io.LimitReader(strings.NewReader(strings.Repeat("x", 1000)), 1000), 200, `"delivered_to":2`},
		{"publish chunked too large", "POST", "/v1/rooms/r/messages", io.LimitReader(strings.NewReader(strings.Repeat("x", 1001)), 1001), 413, "1000"},
		{"publish huge", "POST", "/v1/rooms/r/messages", strings.NewReader(strings.Repeat("x", 8<<20)), 413, "1000"},
		{"head", "HEAD", "/healthz", nil, 200, ""},
		{"metrics", "GET", "/metrics", nil, 200, `barrage_http_requests_total{code="200",route="/v1/rooms/{room}/messages"} 2`},
		{"pprof index", "GET", "/debug/pprof/", nil, 200, "goroutine"},
		{"pprof index without slash", "GET", "/debug/pprof", nil, 200, "goroutine"},
		{"pprof heap", "GET", "/debug/pprof/heap?debug=1", nil, 200, "heap profile"},
		{"pprof cpu", "GET", "/debug/pprof/profile?seconds=1", nil, 200, ""},
		{"pprof symbol", "POST", "/debug/pprof/symbol", strings.NewReader("0x1"), 200, "num_symbols"},
		{"pprof trace", "GET", "/debug/pprof/trace?seconds=0.01", nil, 200, ""},
		{"pprof cmdline", "GET", "/debug/pprof/cmdline", nil, 404, "not_found"},
		{"pprof unknown", "GET", "/debug/pprof/nope", nil, 404, "not_found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := http.NewRequest(tt.method, base+tt.path, tt.body)
			if err != nil {
				t.Fatal(err)
			}
			w, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Body.Close()
			body, err := io.ReadAll(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			if w.StatusCode != tt.want || !strings.Contains(string(body), tt.holds) {
				t.Errorf("%d %.2000s, want %d holding %q", w.StatusCode, body, tt.want, tt.holds)
			}
		})
	}
}

func TestBodyCutShort(t *testing.T) {
	s := &memServer{}
	a := newAPI(t, Config{}, s)
	base := serve(t, a)
	c, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "POST /v1/rooms/r/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf")
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	w, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(w.Body)
	if err != nil || w.StatusCode != 400 {
		t.Fatalf("%d %s %v", w.StatusCode, body, err)
	}
	wantError(t, body, "body_incomplete")
	if got := s.messages(); len(got) != 0 {
		t.Errorf("half a body was published: %+v", got)
	}
}

func TestShutdownBeforeServe(t *testing.T) {
	a := newAPI(t, Config{}, &memServer{})
	if err := a.Serve(); err == nil {
		t.Error("Serve before Listen succeeded")
	}
	if a.Addr() != nil {
		t.Error("an address before Listen")
	}
	if err := a.Listen(); err != nil {
		t.Fatal(err)
	}
	addr := a.Addr().String()
	if err := a.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("still listening after Shutdown")
	}
	if err := a.Serve(); err != nil {
		t.Errorf("Serve after Shutdown: %v", err)
	}
}

func TestListenTakenPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := newAPI(t, Config{Listen: l.Addr().String()}, &memServer{}).Listen(); err == nil || !strings.Contains(err.Error(), "admin") {
		t.Errorf("error %v, want one naming admin", err)
	}
}
