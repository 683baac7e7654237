// A leak check, waiting, a sink that does as it is told, and backends.

package events

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// A pool of go-redis that could not dial may try on for a second after it is closed.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// patience bounds every wait of a test. It is never the thing measured.
const patience = 20 * time.Second

const testSecret = "0123456789abcdef"

// eventually polls until ok or patience runs out.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// A sent batch, as a fake sink saw it.
type sent struct {
	at    time.Time
	users []string // of its events: the tests' numbers
	bytes int
	ids   []string
	taken bool
}

// fakeSink records what it is sent and answers with what answer says.
type fakeSink struct {
	answer func(ctx context.Context, attempt int) error // nil: takes everything

	mu      sync.Mutex
	batches []sent
	closed  int
}

func (f *fakeSink) Send(ctx context.Context, batch []Record) error {
	s := sent{at: time.Now()}
	for _, r := range batch {
		var ev backendEvent
		if err := json.Unmarshal(r.JSON, &ev); err != nil {
			panic(err)
		}
		s.users = append(s.users, ev.User)
		s.ids = append(s.ids, ev.ID)
		s.bytes += len(r.JSON)
	}
	f.mu.Lock()
	attempt := len(f.batches)
	f.batches = append(f.batches, s)
	f.mu.Unlock()
	if f.answer != nil {
		if err := f.answer(ctx, attempt); err != nil {
			return err
		}
	}
	f.mu.Lock()
	f.batches[attempt].taken = true
	f.mu.Unlock()
	return nil
}

func (f *fakeSink) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed++
}

func (f *fakeSink) all() []sent {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.batches)
}

// taken lists the users of all events in batches that were taken.
func (f *fakeSink) taken() []string {
	var users []string
	for _, b := range f.all() {
		if b.taken {
			users = append(users, b.users...)
		}
	}
	return users
}

func newEmitter(t testing.TB, cfg Config) *Emitter {
	t.Helper()
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func closeNow(t testing.TB, e *Emitter) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := e.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
	checkSum(t, e)
}

// checkSum asserts that every event is counted once.
func checkSum(t testing.TB, e *Emitter) {
	t.Helper()
	s := e.Stats()
	sum := s.Delivered + uint64(s.Queued)
	for _, n := range s.Dropped {
		sum += n
	}
	if sum != s.Emitted {
		t.Errorf("emitted %d, but delivered, dropped and queued come to %d: %+v", s.Emitted, sum, s)
	}
}

// backendEvent is an event as a backend, which has no types of ours, reads it.
type backendEvent struct {
	ID     string `json:"id"`
	Type   string `json:"type"`
	Room   string `json:"room"`
	User   string `json:"user"`
	Conn   string `json:"conn"`
	Reason string `json:"reason"`
}

// A backend takes webhooks: it checks their signatures and records the events of
// the requests for which answer writes the response. answer sees the number of
// the request.
type backend struct {
	*httptest.Server
	answer func(n int, w http.ResponseWriter, r *http.Request)

	mu       sync.Mutex
	requests int
	events   []backendEvent
	faults   []string
}

func newBackend(t testing.TB, answer func(n int, w http.ResponseWriter, r *http.Request)) *backend {
	b := &backend{answer: answer}
	b.Server = httptest.NewServer(b)
	t.Cleanup(b.Close)
	return b
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var batch struct {
		Events []backendEvent `json:"events"`
	}
	if err == nil {
		err = verifySignature(testSecret, r.Header.Get(SignatureHeader), body, time.Now(), 5*time.Minute)
	}
	if err == nil {
		err = json.Unmarshal(body, &batch)
	}
	b.mu.Lock()
	n := b.requests
	b.requests++
	b.events = append(b.events, batch.Events...)
	if err != nil {
		b.faults = append(b.faults, err.Error())
	}
	b.mu.Unlock()
	if b.answer != nil {
		b.answer(n, w, r)
	}
}

// got returns the events without repetitions, and how many of those there were.
func (b *backend) got(t testing.TB) (events []backendEvent, repeated int) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.faults) > 0 {
		t.Fatalf("the backend cannot read what it got: %q", b.faults)
	}
	seen := map[string]bool{}
	for _, ev := range b.events {
		if seen[ev.ID] {
			repeated++
			continue
		}
		seen[ev.ID] = true
		events = append(events, ev)
	}
	return events, repeated
}

func newWebhook(t testing.TB, url string, timeout time.Duration) *Webhook {
	t.Helper()
	w, err := NewWebhook(WebhookConfig{URL: url, HTTP: HTTP{Secrets: []string{testSecret}, Timeout: timeout}})
	if err != nil {
		t.Fatal(err)
	}
	return w
}
