package api

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestTrace(t *testing.T) {
	for query, want := range map[string]string{
		"user=7":                                          "{User:7 Conn: Network:invalid Prefix For:1m0s Bytes:8388608 Payloads:false}",
		"conn=n-1&for=15m&bytes=4096":                     "{User: Conn:n-1 Network:invalid Prefix For:15m0s Bytes:4096 Payloads:false}",
		"address=2001:db8::1&for=0s":                      "{User: Conn: Network:2001:db8::1/128 For:1m0s Bytes:8388608 Payloads:false}",
		"address=10.1/8&payloads=true":                    "",
		"address=10.1.2.3/8&payloads=true&bytes=67108864": "{User: Conn: Network:10.0.0.0/8 For:1m0s Bytes:67108864 Payloads:true}",
		"":                       "",
		"user=7&conn=n-1":        "",
		"user=7&for=15m1s":       "",
		"user=7&bytes=4095":      "",
		"user=7&bytes=67108865":  "",
		"user=7&payloads=please": "",
		"user=a%20b":             "",
	} {
		s := &memServer{}
		w := request(t, newAPI(t, Config{}, s), "GET", "/v1/trace?"+query, "")
		switch calls := s.noted(); {
		case want == "" && (w.Code != http.StatusBadRequest || len(calls) != 0):
			t.Errorf("%s: %d %s, %v", query, w.Code, w.Body, calls)
		case want != "" && (w.Code != http.StatusOK || len(calls) != 1 || calls[0] != "trace "+want || strings.Count(w.Body.String(), "\n") != 2):
			t.Errorf("%s: %d %s, %v, want %s", query, w.Code, w.Body, calls, want)
		}
	}
	if w := request(t, newAPI(t, Config{Tokens: []string{"s3cret"}}, &memServer{}), "GET", "/v1/trace?user=7", ""); w.Code != http.StatusUnauthorized {
		t.Errorf("without a token: %d", w.Code)
	}
	s := &memServer{}
	if w := rawRequest(newAPI(t, Config{}, s), "HEAD", "/v1/trace?user=7", ""); w.Code != http.StatusOK || len(s.noted()) != 0 {
		t.Errorf("HEAD: %d, %v", w.Code, s.noted())
	}
}

// endless is a server whose traces go on until somebody ends them.
type endless struct {
	memServer
	ended chan struct{}
}

func (s *endless) Trace(ctx context.Context, _ Trace, write func([]byte) error) error {
	defer close(s.ended)
	if err := write([]byte("{}\n")); err != nil {
		return err
	}
	<-ctx.Done()
	return write([]byte("last\n"))
}

// TestTraceEnds: a line is there at once, and the trace ends with its client, and with the
// API, which does not wait for it.
func TestTraceEnds(t *testing.T) {
	for _, end := range []string{"client", "shutdown"} {
		s := &endless{ended: make(chan struct{})}
		a := newAPI(t, Config{}, s)
		base := serve(t, a)
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, "GET", base+"/v1/trace?user=7", nil)
		if err != nil {
			t.Fatal(err)
		}
		w, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(w.Body)
		if line, err := lines.ReadString('\n'); line != "{}\n" {
			t.Fatalf("%q, %v", line, err)
		}
		if end == "client" {
			cancel()
		} else if err := a.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		<-s.ended
		if rest, err := io.ReadAll(lines); end == "shutdown" && (string(rest) != "last\n" || err != nil) {
			t.Errorf("the rest is %q, %v", rest, err)
		}
		_ = w.Body.Close()
	}
}
