// Publishing to HTTP servers, good and bad ones.

package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"barrage/internal/redistest"
	"barrage/loadtest/plan"
)

// target is a server that records messages and answers as the test says.
func target(t *testing.T, a *arrivals, answer func(w http.ResponseWriter, r *http.Request, n int64) (record bool)) string {
	t.Helper()
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil && answer(w, r, n.Add(1)) {
			a.add(testRun, body)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func overHTTP(url string) func(p *plan.Plan) {
	return func(p *plan.Plan) { p.PublishURL = url + "/pub?room={room}" }
}

func TestHTTP(t *testing.T) {
	checkLeaks(t)
	var a arrivals
	var mu sync.Mutex
	var remotes = make(map[string]bool)
	url := target(t, &a, func(w http.ResponseWriter, r *http.Request, n int64) bool {
		mu.Lock()
		defer mu.Unlock()
		remotes[r.RemoteAddr] = true
		if r.Method != "PUT" || r.Header.Get("X-Test") != "a: b" || r.Header.Get("Authorization") != "Basic bWU6cHc=" {
			t.Errorf("%s %v", r.Method, r.Header)
		}
		if room := r.URL.Query().Get("room"); !strings.HasPrefix(room, "room-") {
			t.Errorf("room %q", room)
		}
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, strings.Repeat("x", 10_000))
		return true
	})
	p := load(t, func(p *plan.Plan) {
		overHTTP(strings.Replace(url, "://", "://me:pw@", 1))(p)
		p.PublishMethod, p.PublishHeaders = "PUT", []string{"X-Test: a: b"}
		p.PublishBody = `{"room":"{room}","m":"{payload}"}`
		p.Size = 100
	})
	pub, s := newPublisher(t, p), schedule(p)
	if err := pub.Run(context.Background(), testRun, s, now); err != nil {
		t.Fatal(err)
	}
	a.checkComplete(t, s, nil)
	checkStats(t, pub, s, 0)
	for _, text := range a.text {
		var got struct{ Room, M string }
		if err := json.Unmarshal([]byte(text), &got); err != nil || len(got.M) != 100 || !strings.HasPrefix(got.Room, "room-") {
			t.Fatalf("%s: %v", text, err)
		}
	}
	if len(remotes) != 6 {
		t.Errorf("%d connections for 6 publishers", len(remotes))
	}
}

// TestRunAgain: a search publishes several times, at other rates.
func TestRunAgain(t *testing.T) {
	t.Parallel()
	var fail atomic.Bool
	var a arrivals
	url := target(t, &a, func(w http.ResponseWriter, r *http.Request, n int64) bool {
		if fail.Load() {
			w.WriteHeader(http.StatusTooManyRequests)
		}
		return !fail.Load()
	})
	p := load(t, overHTTP(url))
	pub := newPublisher(t, p)
	fail.Store(true)
	first := schedule(p)
	if err := pub.Run(context.Background(), testRun, first, now); err != nil {
		t.Fatal(err)
	}
	if got := checkStats(t, pub, first, 60); got.Errors["HTTP 429 Too Many Requests"] != 60 {
		t.Errorf("%+v", got)
	}
	if f := pub.Failures(); len(f) != 6 || len(f[0].Spans) != 1 || f[0].Room != 0 || f[5].Room != 2 || f[5].Lane != 1 {
		t.Errorf("%+v", f)
	}
	fail.Store(false)
	faster := *p
	faster.Rate = 1000
	second := schedule(&faster)
	if err := pub.Run(context.Background(), testRun, second, now); err != nil {
		t.Fatal(err)
	}
	a.checkComplete(t, second, nil)
	checkStats(t, pub, second, 0)
}

// TestSomeFail: exactly the messages that were refused are listed.
func TestSomeFail(t *testing.T) {
	var a arrivals
	url := target(t, &a, func(w http.ResponseWriter, r *http.Request, n int64) bool {
		switch n % 10 {
		case 3:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 5:
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		case 7:
			panic(http.ErrAbortHandler) // closes the connection without an answer
		default:
			return true
		}
		return false
	})
	p := load(t, overHTTP(url))
	pub, s := newPublisher(t, p), schedule(p)
	if err := pub.Run(context.Background(), testRun, s, now); err != nil {
		t.Fatal(err)
	}
	a.checkComplete(t, s, pub.Failures())
	got := checkStats(t, pub, s, 18)
	for _, kind := range []string{"HTTP 503 Service Unavailable", "HTTP 307 Temporary Redirect", errClosed.Error()} {
		if got.Errors[kind] != 6 {
			t.Errorf("%q: %v", kind, got.Errors)
		}
	}
}

// TestSlow: a late publisher sends everything, stamped with the intended time,
// and says how late it was.
func TestSlow(t *testing.T) {
	t.Parallel()
	var a arrivals
	url := target(t, &a, func(w http.ResponseWriter, r *http.Request, n int64) bool {
		time.Sleep(20 * time.Millisecond)
		return true
	})
	p := load(t, func(p *plan.Plan) {
		overHTTP(url)(p)
		p.Rooms, p.Publishers, p.Rate, p.Duration = 1, 1, 1000, 20*time.Millisecond
	})
	pub, s := newPublisher(t, p), schedule(p)
	if err := pub.Run(context.Background(), testRun, s, now); err != nil {
		t.Fatal(err)
	}
	a.checkComplete(t, s, nil)
	// The last is due after 19 ms and sent after 19 answers.
	if got := checkStats(t, pub, s, 0); got.LagMax < 360*time.Millisecond {
		t.Errorf("lag %v", got.LagMax)
	}
}

// TestStuck: a target that never answers holds the test no longer than the
// grace.
func TestStuck(t *testing.T) {
	checkLeaks(t)
	release := make(chan struct{})
	var a arrivals
	url := target(t, &a, func(w http.ResponseWriter, r *http.Request, n int64) bool {
		if n > 6 {
			<-release
		}
		return n <= 6
	})
	t.Cleanup(func() { close(release) })
	p := load(t, overHTTP(url))
	pub, s := newPublisher(t, p), schedule(p)
	pub.grace = 100 * time.Millisecond
	if err := pub.Run(context.Background(), testRun, s, now); err != nil {
		t.Fatal(err)
	}
	a.checkComplete(t, s, pub.Failures())
	got := checkStats(t, pub, s, 54)
	if got.Errors[errTimeout.Error()] != 6 || got.Errors["not sent: publishing fell behind"] != 48 {
		t.Errorf("%v", got.Errors)
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	var a arrivals
	url := target(t, &a, func(w http.ResponseWriter, r *http.Request, n int64) bool {
		if n == 2 {
			<-release
		}
		return n != 2
	})
	t.Cleanup(func() { close(release) })
	p := load(t, overHTTP(url))
	pub, s := newPublisher(t, p), schedule(p)
	for _, sender := range pub.senders {
		sender.(*httpSender).timeout = 2 * time.Second // long enough for the others
	}
	if err := pub.Run(context.Background(), testRun, s, now); err != nil {
		t.Fatal(err)
	}
	a.checkComplete(t, s, pub.Failures())
	if got := checkStats(t, pub, s, 1); got.Errors["no answer in time"] != 1 {
		t.Errorf("%v", got.Errors)
	}
}

func TestRefused(t *testing.T) {
	p := load(t, overHTTP(fmt.Sprintf("http://127.0.0.1:%d", redistest.FreePort(t))))
	pub, s := newPublisher(t, p), schedule(p)
	if err := pub.Run(context.Background(), testRun, s, now); err != nil {
		t.Fatal(err)
	}
	if got := checkStats(t, pub, s, 60); got.Errors["connection refused"] != 60 {
		t.Errorf("%v", got.Errors)
	}
}

func TestInterrupted(t *testing.T) {
	checkLeaks(t)
	stuck, release := make(chan struct{}), make(chan struct{})
	var a arrivals
	url := target(t, &a, func(w http.ResponseWriter, r *http.Request, n int64) bool {
		if n == 3 {
			close(stuck)
			<-release
		}
		return n != 3
	})
	t.Cleanup(func() { close(release) })
	p := load(t, func(p *plan.Plan) {
		overHTTP(url)(p)
		p.Duration = time.Hour
	})
	pub, s := newPublisher(t, p), schedule(p)
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("the test's reason")
	go func() {
		<-stuck
		cancel(why)
	}()
	if err := pub.Run(ctx, testRun, s, now); !errors.Is(err, why) {
		t.Errorf("Run: %v", err)
	}
	a.checkPrefix(t, s)
	got := pub.Stats()
	checkStats(t, pub, s, got.Failed)
	// What came may not have been answered yet when it was interrupted.
	came, unanswered := uint64(a.count()), got.Errors["no answer: interrupted"]
	if got.Published > came || came > got.Published+unanswered || unanswered == 0 || got.Errors["not sent: interrupted"] == 0 {
		t.Errorf("%d came, %+v", a.count(), got)
	}
}

// checkPrefix: of each lane, the first ones came, in order.
func (a *arrivals) checkPrefix(t *testing.T, s *plan.Schedule) {
	t.Helper()
	for k, got := range a.lanes(t, s) {
		for i := range got[1:] {
			if got[i] >= got[i+1] {
				t.Errorf("%v: %v", k, got)
			}
		}
	}
}

func TestCheckHTTP(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"taken", func(w http.ResponseWriter, r *http.Request) {}, ""},
		{"no content", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) }, ""},
		{"not found", http.NotFound, `HTTP 404 Not Found: "404 page not found\n"`},
		{"bad status", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(599) }, "HTTP 599"},
		{"closed", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, errClosed.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewServer(tt.answer)
			defer srv.Close()
			p := load(t, overHTTP(strings.Replace(srv.URL, "://", "://me:secret@", 1)))
			err := newPublisher(t, p).Check(context.Background())
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			want := "publish: POST " + srv.URL + "/pub: " + tt.want
			if err == nil || err.Error() != want {
				t.Errorf("%v\nwant %s", err, want)
			}
		})
	}
	t.Run("no HTTP", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(c, "-ERR what?\r\n")
				c.Close()
			}
		}()
		p := load(t, overHTTP("http://"+l.Addr().String()))
		if err := newPublisher(t, p).Check(context.Background()); err == nil || !strings.Contains(err.Error(), "publish: POST http://"+l.Addr().String()) {
			t.Error(err)
		}
	})
}
