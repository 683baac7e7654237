// The bound on connections, and what hosts are answered without a token.

package api

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// caller is a connection to the API.
type caller struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func call(t *testing.T, base string) *caller {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return &caller{t, c, bufio.NewReader(c)}
}

func (c *caller) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// answer reads one, and leaves the connection open.
func (c *caller) answer(status int) {
	c.t.Helper()
	w, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, w.Body); err != nil || w.StatusCode != status {
		c.t.Fatalf("%d, %v", w.StatusCode, err)
	}
}

func (c *caller) ask() {
	c.t.Helper()
	c.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	c.answer(200)
}

// closed waits for the server to close the connection.
func (c *caller) closed() {
	c.t.Helper()
	if _, err := c.r.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("not closed: %v", err)
	}
}

const half = "POST /v1/rooms/r/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nh"

// Idle connections make room, the longest idle first; those with a request do not, and
// then others wait.
func TestConnectionsAreBounded(t *testing.T) {
	const most = 4
	a := newAPI(t, Config{MaxConnections: most}, &memServer{})
	base := serve(t, a)
	var kept []*caller
	idle := func(n int) { await(t, func() bool { return a.listener.idleCount() == n }) } // which comes behind the answer
	for n := range most {
		c := call(t, base)
		c.ask()
		idle(n + 1)
		kept = append(kept, c)
	}
	kept[0].ask() // is idle again, for the shortest time
	idle(most)
	call(t, base).ask()
	kept[1].closed()
	if open, evicted := testutil.ToFloat64(a.metrics.open), testutil.ToFloat64(a.metrics.evicted); open != most || evicted != 1 {
		t.Errorf("%v are open, %v made room", open, evicted)
	}
	for _, c := range []*caller{kept[0], kept[2], kept[3]} {
		c.send(half)
	}
	idle(1)
	busy := call(t, base) // in the place of the one that asked
	busy.send(half)
	idle(0)

	late := call(t, base)
	late.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	busy.send("i")
	busy.answer(200)
	late.answer(200)
	busy.closed()
	for _, c := range []*caller{kept[0], kept[2], kept[3]} {
		c.send("i")
		c.answer(200)
	}
}

// Any number of connections that say nothing keeps no health check out.
func TestSilentConnections(t *testing.T) {
	const most = 8
	a := newAPI(t, Config{MaxConnections: most}, &memServer{})
	base := serve(t, a)
	for i := range 500 {
		call(t, base) // which stays open, as far as this end is concerned
		if i%50 == 0 {
			call(t, base).ask()
		}
		if n := a.listener.count(); n > most {
			t.Fatalf("%d connections", n)
		}
	}
}

// A Shutdown does not wait for one that waits to be let in.
func TestShutdownAtTheBound(t *testing.T) {
	a := newAPI(t, Config{MaxConnections: 1}, &memServer{})
	base := serve(t, a) // whose cleanup has it end well
	busy := call(t, base)
	busy.send(half)
	await(t, func() bool { return a.listener.count() == 1 && a.listener.idleCount() == 0 })
	late := call(t, base)
	t.Cleanup(late.closed)
	t.Cleanup(func() { busy.send("i"); busy.answer(200) })
}

func (c *connections) idleCount() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.idle.Len()
}

func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.all)
}

func await(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}

// Without a token only names of this machine are answered, whatever is asked for, but
// for health; with one, all are.
func TestHost(t *testing.T) {
	open, closed := newAPI(t, Config{Pprof: true}, &memServer{}), newAPI(t, Config{Tokens: []string{"s3cret"}}, &memServer{})
	for _, host := range []string{"", "localhost", "LocalHost:8081", "127.0.0.1", "127.9.9.9:1", "[::1]", "[::1]:8081", "[::ffff:127.0.0.1]:80"} {
		if w := request(t, open, "GET", "/v1/rooms", "", "Host", host); w.Code != 200 {
			t.Errorf("%q: %d", host, w.Code)
		}
	}
	paths := []string{"/v1/rooms", "/v1/rooms/r/messages", "/metrics", "/openapi.yaml", "/debug/pprof/", "/debug/pprof/heap", "/nothing"}
	for _, host := range []string{
		"evil.example", "evil.example:8081", "localhost.evil.example", "127.0.0.1.evil.example", "localhost.", "10.0.0.1", "0.0.0.0:8081",
		"[::]", "[fe80::1]:80", "localhost:x", "localhost:80:80", "[localhost]:", "127.1", "2130706433",
	} {
		for _, path := range paths {
			answered(t, rawRequest(open, "GET", path, "", "Host", host), 403, "bad_host")
		}
		answered(t, request(t, open, "POST", "/v1/rooms/r/messages", "hi", "Host", host), 403, "bad_host")
		for _, path := range []string{"/healthz", "/readyz"} {
			if w := request(t, open, "GET", path, "", "Host", host); w.Code != 200 {
				t.Errorf("%q %s: %d", host, path, w.Code)
			}
		}
		if w := request(t, closed, "GET", "/v1/rooms", "", "Host", host, "Authorization", "Bearer s3cret"); w.Code != 200 {
			t.Errorf("%q with a token: %d", host, w.Code)
		}
	}
}
