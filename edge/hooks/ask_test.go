package hooks

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"barrage/internal/bounds"
	"barrage/internal/refusal"
)

// TestBadAnswers: whatever a backend says or does not say is a refusal with a code that
// the client gets and a reason that the log gets, neither with what was asked; and a
// backend that is away is told from one that is wrong.
func TestBadAnswers(t *testing.T) {
	t.Parallel()
	const away, wrong = "backend_error", "bad_reply"
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		code   string
		logged string
	}{
		{"no JSON", says("<html>"), wrong, "the answer is not JSON"},
		{"a list", says("[1]"), wrong, "the answer is not a JSON object"},
		{"two objects", says("{} {}"), wrong, "the answer is not JSON"},
		{"not UTF-8", says("{\"name\":\"\xff\"}"), wrong, "the answer is not UTF-8"},
		{"huge", says(`{"welcome":"` + strings.Repeat("x", 1<<20) + `"}`), wrong, "the answer has more than 65536 bytes"},
		{"endless", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := fmt.Fprint(w, strings.Repeat(" ", 4096)); err != nil {
					return
				}
			}
		}, wrong, "the answer has more than 65536 bytes"},
		{"user", says(`{"user":true}`), wrong, "the answer's user is not a text or a whole number"},
		{"user with spaces", says(`{"user":"a b"}`), wrong, "the answer's user is none"},
		{"user's room", says(`{"user":"user:ann"}`), wrong, "the answer's user is none"},
		{"name", says(`{"user":"ann","name":7}`), wrong, "the answer's name is not a text"},
		{"long name", says(`{"user":"ann","name":"` + strings.Repeat("x", 129) + `"}`), wrong, "the answer's name has 129 bytes, want at most 128"},
		{"avatar", says(`{"user":"ann","avatar":"javascript:alert(1)"}`), wrong, "the answer's avatar is not an https URL"},
		{"rooms", says(`{"user":"ann","rooms":"lobby"}`), wrong, "the answer's rooms is not a list of patterns"},
		{"no rooms", says(`{"user":"ann","rooms":[]}`), wrong, "the answer's rooms is empty"},
		{"a bad pattern", says(`{"user":"ann","pub":["a b"]}`), wrong, "the answer's pub has a bad one at 0"},
		{"pub", says(`{"user":"ann","pub":"yes"}`), wrong, "the answer's pub is not true, false or a list of patterns"},
		{"expires", says(`{"user":"ann","expires":"tomorrow"}`), wrong, "the answer's expires is not a time"},
		{"a time in the past", says(`{"user":"ann","expires":1000}`), wrong, ""},
		{"join", says(`{"user":"ann","join":["a b"]}`), wrong, "the answer's join has a bad room at 0"},
		{"a join that it does not allow", says(`{"user":"ann","rooms":["live:*"],"join":["lobby"]}`), wrong, "the answer's join has a room at 0 that its rooms do not allow"},
		{"a long welcome", says(`{"welcome":"` + strings.Repeat("x", 1025) + `"}`), wrong, "the answer's welcome has 1025 bytes, want at most 1024"},
		{"an error that is none", says(`{"error":"no"}`), wrong, "the answer's error is not an object with code and message"},
		{"an error without a code", says(`{"error":{}}`), wrong, "error.code"},
		{"not found", status(404), wrong, "status=404"},
		{"forbidden", status(403), wrong, "status=403"},
		{"too many", status(429), wrong, "status=429"},
		{"moved away", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		}, wrong, "status=307"},
		{"broken", status(500), away, "status=500"},
		{"restarting", status(503), away, "status=503"},
		{"a lying length", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `{"user":"ann"}`)
		}, away, "unexpected EOF"},
		{"the connection ends", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, away, "EOF"},
		{"slow", func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		}, away, "deadline exceeded"},
		{"a slow body", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, `{"user":`)
			w.(http.Flusher).Flush()
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		}, away, "deadline exceeded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBackend(t, tt.answer)
			h, log := newHooks(t, Config{Connect: ConnectConfig{URL: b.URL + "/?key=hidden", Timeout: time.Second}})
			_, err := h.login(t, from(1), "ann:s3cret")
			no := refusal.Of(err)
			if no == nil || no.Code() != tt.code || no.Error() == "" {
				t.Fatalf("got %v, want the code %s", err, tt.code)
			}
			if (tt.code == away) != (no.RetryAfter() > 0) {
				t.Errorf("retry after %v", no.RetryAfter())
			}
			if text := log.String(); !strings.Contains(text, tt.logged) || strings.Contains(text, "s3cret") || strings.Contains(text, "hidden") {
				t.Errorf("logged %s, want %q", text, tt.logged)
			}
			want := map[string]uint64{map[string]string{away: "away", wrong: "failed"}[tt.code]: 1}
			if got := h.results(KindConnect); !maps.Equal(got, want) {
				t.Errorf("counted %v, want %v", got, want)
			}
		})
	}
}

// TestAway: nobody listens.
func TestAway(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	_ = l.Close()
	for _, tt := range []struct {
		away string
		code string
	}{{AwayRefuse, "backend_error"}, {AwayAnonymous, ""}, {AwayLast, "backend_error"}} {
		h, _ := newHooks(t, Config{Connect: ConnectConfig{URL: url, Away: tt.away}})
		d, err := h.login(t, from(1), "ann:x")
		if no := refusal.Of(err); (no == nil) != (tt.code == "") || no != nil && no.Code() != tt.code {
			t.Errorf("%s: got %+v, %v", tt.away, d, err)
		}
		if err == nil && (d.Identity != nil || !maps.Equal(h.results(KindConnect), map[string]uint64{"excused": 1})) {
			t.Errorf("%s: got %+v, %v", tt.away, d, h.results(KindConnect))
		}
	}
	for away, code := range map[string]string{AwayRefuse: "backend_error", AwayAllow: ""} {
		h, _ := newHooks(t, Config{Join: Rules{URLs: map[string]string{"a*": url}, Away: away}})
		err := h.joins(t, from(1), "abc")
		if no := refusal.Of(err); (no == nil) != (code == "") || no != nil && no.Code() != code {
			t.Errorf("joins, %s: got %v", away, err)
		}
	}
}

// TestWrongIsNotAway: a backend that answers nonsense lets nobody in, whatever is to
// happen while it is away.
func TestWrongIsNotAway(t *testing.T) {
	t.Parallel()
	b := newBackend(t, says("nonsense"))
	rules := Rules{URLs: map[string]string{"*": b.URL}, Away: AwayAllow}
	h, _ := newHooks(t, Config{Connect: ConnectConfig{URL: b.URL, Away: AwayAnonymous}, Join: rules})
	for n := range 2 * tripAfter { // nor does it seem to be after some times
		if _, err := h.login(t, from(n), "ann"); refusal.Of(err) == nil {
			t.Fatalf("login %d: %v", n, err)
		}
		if err := h.joins(t, from(n), "lobby"); refusal.Of(err) == nil {
			t.Fatalf("join %d: %v", n, err)
		}
	}
}

// TestBreaker: a backend that failed often is left alone, then asked once, and again when
// it answers. The clock is the test's.
func TestBreaker(t *testing.T) {
	t.Parallel()
	var c clock
	b := newBackend(t, status(500))
	h, log := newHooks(t, Config{Join: Rules{URLs: map[string]string{"*": b.URL}}, Now: c.Now})
	ask := func() error { return h.joins(t, from(1), "lobby") }
	wantAsked := func(n int64, open int) {
		t.Helper()
		if got := b.asked.Load(); got != n {
			t.Fatalf("asked %d times, want %d", got, n)
		}
		if got := h.Stats()["join"].Resting; got != open {
			t.Fatalf("%d are open, want %d", got, open)
		}
	}
	for range tripAfter - 1 {
		_ = ask()
	}
	b.set(says("{}"))
	_ = ask() // an answer in between: it begins to count anew
	b.set(status(500))
	for range tripAfter - 1 {
		_ = ask()
	}
	wantAsked(2*tripAfter-1, 0)
	_ = ask()
	wantAsked(2*tripAfter, 1)
	for range 5 {
		if no := refusal.Of(ask()); no == nil || no.Code() != "backend_error" {
			t.Fatalf("got %v", no)
		}
	}
	c.advance(restFor - time.Millisecond)
	_ = ask()
	wantAsked(2*tripAfter, 1)
	c.advance(time.Millisecond)
	_ = ask() // one try, which fails
	wantAsked(2*tripAfter+1, 1)
	_ = ask()
	wantAsked(2*tripAfter+1, 1)
	c.advance(restFor)
	b.set(status(204))
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	wantAsked(2*tripAfter+2, 0)
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	wantAsked(2*tripAfter+3, 0)
	for _, line := range []string{"a backend is away, and is not asked for a while", "a backend answers again"} {
		if strings.Count(log.String(), line) != 1 {
			t.Errorf("want %q once in the log: %s", line, log)
		}
	}
}

// TestHalfOpen: while one question tries whether the backend is back, others are not asked.
func TestHalfOpen(t *testing.T) {
	t.Parallel()
	var c clock
	br := breaker{now: c.Now}
	for range tripAfter {
		br.done(false)
	}
	if br.take() || !br.refuses() {
		t.Error("open: a question is let through")
	}
	c.advance(restFor)
	if br.refuses() || !br.take() {
		t.Error("half open: no question is let through")
	}
	if !br.refuses() || br.take() {
		t.Error("half open: a second one is let through")
	}
	if opened, closed := br.done(true); opened || !closed || br.refuses() || !br.take() {
		t.Error("it is not closed again")
	}
}

// TestOnce: equal questions at the same time are asked once, others are not mixed up.
func TestOnce(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		<-goOn
		w.WriteHeader(204)
	})
	h, _ := newHooks(t, Config{Join: Rules{URLs: map[string]string{"live:*": b.URL}}, Publish: Rules{URLs: map[string]string{"live:*": b.URL}}})
	const many = 200
	var all sync.WaitGroup
	for n := range many {
		all.Add(2)
		h.Join(from(n), "", []string{"live:1", "other"}, func(err error) {
			if err != nil {
				t.Error(err)
			}
			all.Done()
		})
		h.Join(Who{User: "ann", Address: from(n).Address}, "", []string{"live:1"}, func(error) { all.Done() })
	}
	waitFor(t, "both questions", func() bool { return b.asked.Load() == 2 })
	if used := h.slots.Used(); used > 3*questionCost {
		t.Errorf("%d bytes are taken for two questions", used)
	}
	close(goOn)
	all.Wait()
	if b.asked.Load() != 2 || h.Stats()["join"].Results["allowed"] != 2*many || h.Stats()["join"].Requests != 2 {
		t.Errorf("asked %d times, %+v", b.asked.Load(), h.Stats()["join"])
	}
	waitFor(t, "all to be given back", func() bool { return h.slots.Used() == 0 })
	if err := h.joins(t, from(1), "live:1"); err != nil || b.asked.Load() != 3 {
		t.Errorf("later: %v, asked %d times", err, b.asked.Load())
	}
}

// TestShares: a flood of one address, that the backend does not answer, leaves room to
// others, is refused beyond its share, and takes no goroutine for a question.
func TestShares(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		<-goOn
		w.WriteHeader(204)
	})
	h, _ := newHooks(t, Config{Connect: ConnectConfig{URL: b.URL, Timeout: time.Minute, Query: []string{"n"}}, Concurrent: 4})
	before := runtime.NumGoroutine()
	var mu sync.Mutex
	results := map[string]int{}
	var all sync.WaitGroup
	ask := func(who Who, n string) {
		all.Add(1)
		_ = h.connect.AskRequest(who, request{query: map[string]string{"n": n}}, "", nil, func(_ *Decision, err error) {
			code := "allowed"
			if no := refusal.Of(err); no != nil {
				code = no.Code()
			}
			mu.Lock()
			results[code]++
			mu.Unlock()
			all.Done()
		})
	}
	const flood = 1000
	long := strings.Repeat("x", bounds.HookBytes/500)
	for n := range flood {
		ask(from(1), fmt.Sprint(n, long))
	}
	mu.Lock()
	refused := results["overloaded"]
	mu.Unlock()
	if refused < flood/4 {
		t.Errorf("%d of %d were refused", refused, flood)
	}
	ask(from(2), "another")
	if n := runtime.NumGoroutine() - before; n > 100 {
		t.Errorf("%d goroutines more", n)
	}
	mu.Lock()
	if results["overloaded"] != refused {
		t.Error("another address is refused for the flood of the first")
	}
	mu.Unlock()
	waitFor(t, "the backend to be asked", func() bool { return b.asked.Load() == 4 })
	close(goOn)
	all.Wait()
	if results["allowed"] != flood+1-refused || h.slots.Used() != 0 {
		t.Errorf("got %v, %d bytes are taken", results, h.slots.Used())
	}
}

// TestLate: what waited for its turn for too long is refused, not taken for a question that
// was asked in vain: the backend may be as well as ever.
func TestLate(t *testing.T) {
	t.Parallel()
	b := newBackend(t, says("{}"))
	h, _ := newHooks(t, Config{Join: Rules{URLs: map[string]string{"*": b.URL}, Away: AwayAllow}})
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.join.urls[0].answer(over, []byte("{}"), nil)
	if resultOf(err) != Overloaded || b.asked.Load() != 0 {
		t.Errorf("got %v, asked %d times", err, b.asked.Load())
	}
	if _, err := h.join.urls[0].answer(t.Context(), []byte(`{"hook":"join"}`), nil); err != nil {
		t.Error(err)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	if h, err := New(Config{}); h != nil || err != nil {
		t.Errorf("nothing is asked: %v, %v", h, err)
	}
	var none *Hooks
	if none.Connect() != nil || none.AsksToJoin("a") || none.AsksToPublish("a") || none.Stats() != nil {
		t.Error("no hooks ask")
	}
	none.Close()
	_, err := New(Config{
		Connect: ConnectConfig{URL: "ftp://x", Tries: -1, Timeout: -1, Away: "maybe"},
		Join:    Rules{URLs: map[string]string{"a b": "http://x", "c": "nowhere"}, Timeout: -1, Away: "last"},
		Secrets: []string{"short"}, MaxPublish: -1, Concurrent: -1,
	})
	for _, want := range []string{"Secrets", "Connect: URL", "Connect: Tries", "Connect: Timeout", "Connect: Away", `Join: "a b"`, `what "c" leads to`, "Join: Timeout", "Join: Away", "MaxPublish", "Concurrent"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in %v", want, err)
		}
	}
}
