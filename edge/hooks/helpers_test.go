package hooks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patience bounds every wait; nothing is decided by it but that a thing never happens.
const patience = 20 * time.Second

// backend is a real HTTP server that a test answers for.
type backend struct {
	*httptest.Server
	asked  atomic.Int64
	answer atomic.Pointer[http.HandlerFunc]

	mu        sync.Mutex // guards what follows
	questions []map[string]any
	bodies    []string
}

func newBackend(t testing.TB, answer http.HandlerFunc) *backend {
	b := &backend{}
	b.set(answer)
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.asked.Add(1)
		body, _ := io.ReadAll(r.Body)
		var q map[string]any
		if err := json.Unmarshal(body, &q); err != nil {
			t.Errorf("the question %s: %v", body, err)
		}
		b.mu.Lock()
		b.questions, b.bodies = append(b.questions, q), append(b.bodies, r.Header.Get("Barrage-Signature")+" "+string(body))
		b.mu.Unlock()
		(*b.answer.Load())(w, r)
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *backend) set(answer http.HandlerFunc) { b.answer.Store(&answer) }

// last is the newest question.
func (b *backend) last() map[string]any {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.questions[len(b.questions)-1]
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// clock is set by the test.
type clock struct{ now atomic.Int64 }

func (c *clock) Now() time.Time          { return time.Unix(1763738000, c.now.Load()) }
func (c *clock) advance(d time.Duration) { c.now.Add(int64(d)) }

// logs is what was logged.
type logs struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.String()
}

const secret = "0123456789abcdef"

func newHooks(t testing.TB, cfg Config) (*Hooks, *logs) {
	t.Helper()
	l := &logs{}
	cfg.Node, cfg.Secrets, cfg.Logger = "n1", []string{secret}, slog.New(slog.NewTextHandler(l, nil))
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h, l
}

// request is what a connection's request has.
type request struct{ headers, query map[string]string }

func (r request) Header(name string) string { return r.headers[name] }

func (r request) Query(key string) ([]string, error) {
	if v, ok := r.query[key]; ok {
		return []string{v}, nil
	}
	return nil, nil
}

func from(n int) Who {
	return Who{Address: netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), Conn: uint64(n)}
}

// answered is what a question was answered with.
type answered[T any] struct {
	value T
	err   error
}

// wait waits for an answer.
func wait[T any](t testing.TB, ch <-chan answered[T]) (T, error) {
	t.Helper()
	select {
	case a := <-ch:
		return a.value, a.err
	case <-time.After(patience):
		t.Fatal("no answer")
		panic("unreachable")
	}
}

func to[T any](ch chan<- answered[T]) func(T, error) {
	return func(v T, err error) { ch <- answered[T]{v, err} }
}

func (h *Hooks) login(t testing.TB, who Who, message string) (*Decision, error) {
	t.Helper()
	ch := make(chan answered[*Decision], 1)
	h.connect.AskMessage(who, message, nil, to(ch))
	return wait(t, ch)
}

func (h *Hooks) byRequest(t testing.TB, who Who, r request) (*Decision, error) {
	t.Helper()
	ch := make(chan answered[*Decision], 1)
	if err := h.connect.AskRequest(who, r, "", nil, to(ch)); err != nil {
		t.Fatal(err)
	}
	return wait(t, ch)
}

func (h *Hooks) joins(t testing.TB, who Who, rooms ...string) error {
	t.Helper()
	ch := make(chan answered[struct{}], 1)
	h.Join(who, "", rooms, func(err error) { ch <- answered[struct{}]{err: err} })
	_, err := wait(t, ch)
	return err
}

func (h *Hooks) results(k Kind) map[string]uint64 {
	all := h.Stats()[k.String()].Results
	for name, n := range all {
		if n == 0 {
			delete(all, name)
		}
	}
	return all
}

func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
