package events

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"barrage/internal/refusal"
)

// answerer is a backend for calls: it checks the signature and leaves the rest to
// answer.
func answerer(t testing.TB, answer func(w http.ResponseWriter, r *http.Request, body string)) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = verifySignature(testSecret, r.Header.Get(SignatureHeader), body, time.Now(), 5*time.Minute)
		}
		if err != nil {
			t.Errorf("the backend refuses the request: %v", err)
		}
		answer(w, r, string(body))
	}))
	t.Cleanup(s.Close)
	return s
}

func newCaller(t testing.TB, cfg CallerConfig) *Caller {
	t.Helper()
	cfg.Secrets = []string{testSecret}
	if cfg.Timeout == 0 {
		cfg.Timeout = patience
	}
	c, err := NewCaller(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (c *Caller) underWay() int {
	return c.slots.Used()
}

func wantCode(t *testing.T, err error, code string) *CallError {
	t.Helper()
	var failure *CallError
	if !errors.As(err, &failure) || failure.Code != code {
		t.Fatalf("got %v, want the code %s", err, code)
	}
	if r := refusal.Of(err); r == nil || r.Code() != code || r.Error() == "" {
		t.Errorf("clients get %v, want %s with a sentence", r, code)
	}
	return failure
}

// checkCalls asserts that nothing is under way and every call is counted once.
func checkCalls(t *testing.T, c *Caller) {
	t.Helper()
	s := c.Stats()
	sum := s.Answered
	for _, n := range s.Failed {
		sum += n
	}
	if c.slots.Used() != 0 || sum != s.Calls {
		t.Errorf("got %+v", s)
	}
}

func TestCallerConfig(t *testing.T) {
	_, err := NewCaller(CallerConfig{
		Routes:        []Route{{"", "http://example.com"}, {"x", "example.com"}},
		MaxConcurrent: -1, MaxReply: -1, HTTP: HTTP{Timeout: -1},
	})
	for _, want := range []string{"a method is empty", `"x": not an http or https URL`, "MaxConcurrent", "MaxReply", "Timeout", "Secrets"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}

func TestCallRequest(t *testing.T) {
	var got, contentType string
	s := answerer(t, func(w http.ResponseWriter, r *http.Request, body string) {
		got, contentType = body, r.Header.Get("Content-Type")
		io.WriteString(w, `{"data": 1}`)
	})
	c := newCaller(t, CallerConfig{Routes: []Route{{"*", s.URL}}})
	for _, tt := range []struct {
		name string
		r    Request
		want string
	}{
		{"everything", Request{Method: "ask", ID: "7", Room: "lobby", User: "u1", Conn: "c7", Data: json.RawMessage(`{"q": "<?>"}`)},
			`{"id":"7","method":"ask","room":"lobby","user":"u1","conn":"c7","data":{"q":"<?>"}}`},
		{"nothing", Request{Method: "ask"}, `{"id":"","method":"ask","data":null}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reply, err := c.Call(t.Context(), tt.r)
			if err != nil || string(reply.Data) != "1" {
				t.Fatalf("got %s, %v", reply.Data, err)
			}
			if got != tt.want || contentType != "application/json" {
				t.Errorf("got %s of type %s, want %s", got, contentType, tt.want)
			}
		})
	}
	_, err := c.Call(t.Context(), Request{Method: "ask", Data: json.RawMessage(`{`)})
	wantCode(t, err, CodeBadRequest)
	checkCalls(t, c)
}

func TestCallRoutes(t *testing.T) {
	s := answerer(t, func(w http.ResponseWriter, r *http.Request, _ string) {
		io.WriteString(w, `{"data": "`+r.URL.Path+`"}`)
	})
	c := newCaller(t, CallerConfig{Routes: []Route{
		{"chat.ask", s.URL + "/exact"}, {"chat.*", s.URL + "/chat"}, {"*.ask", s.URL + "/ask"},
	}})
	for method, want := range map[string]string{
		"chat.ask": `"/exact"`, "chat.tell": `"/chat"`, "shop.ask": `"/ask"`, "shop.tell": "", "": "", "chat": "",
	} {
		reply, err := c.Call(t.Context(), Request{Method: method})
		if want == "" {
			wantCode(t, err, CodeUnknownMethod)
		} else if err != nil || string(reply.Data) != want {
			t.Errorf("%q: got %s, %v, want %s", method, reply.Data, err, want)
		}
	}
	checkCalls(t, c)
}

func TestCallReplies(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		data   string // of the reply
		refuse string // the backend's own error code
		code   string // of the CallError
	}{
		{"data", 200, `{"data": {"a": [1, 2]}}`, `{"a":[1,2]}`, "", ""},
		{"null", 200, `{"data": null}`, `null`, "", ""},
		{"behind a byte order mark", 200, "\ufeff{\"data\": 1}", `1`, "", ""},
		{"behind two", 200, "\ufeff\ufeff{\"data\": 1}", "", "", CodeBadReply},
		{"unknown members", 200, ` {"data": "x", "later": true} `, `"x"`, "", ""},
		{"created", 201, `{"data": 1}`, `1`, "", ""},
		{"no content", 204, ``, `null`, "", ""},
		{"error", 200, `{"error": {"code": "sold_out", "message": "Sold out."}}`, "", "sold_out", ""},
		{"error and data", 200, `{"data": 1, "error": {"code": "sold_out"}}`, "", "sold_out", ""},
		{"as long as may be", 200, `{"data": "` + strings.Repeat("x", 1000-12) + `"}`, `"` + strings.Repeat("x", 1000-12) + `"`, "", ""},
		{"a byte longer", 200, `{"data": "` + strings.Repeat("x", 1000-11) + `"}`, "", "", CodeBadReply},
		{"endless", 200, strings.Repeat(" ", 1<<20), "", "", CodeBadReply},
		{"empty", 200, ``, "", "", CodeBadReply},
		{"neither", 200, `{}`, "", "", CodeBadReply},
		{"bare", 200, `[1]`, "", "", CodeBadReply},
		{"HTML", 200, `<html>`, "", "", CodeBadReply},
		{"cut", 200, `{"data": {"a": 1`, "", "", CodeBadReply},
		{"two", 200, `{"data": 1}{"data": 2}`, "", "", CodeBadReply},
		{"not UTF-8", 200, "{\"data\": \"\xff\"}", "", "", CodeBadReply},
		{"code is empty", 200, `{"error": {}}`, "", "", CodeBadReply},
		{"code is a sentence", 200, `{"error": {"code": "Sold out!"}}`, "", "", CodeBadReply},
		{"code is long", 200, `{"error": {"code": "` + strings.Repeat("x", 65) + `"}}`, "", "", CodeBadReply},
		{"redirect", 302, ``, "", "", CodeBackend},
		{"not found", 404, `{"data": 1}`, "", "", CodeBackend},
		{"failure", 500, ``, "", "", CodeBackend},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := answerer(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.body)
			})
			c := newCaller(t, CallerConfig{Routes: []Route{{"*", s.URL}}, MaxReply: 1000})
			reply, err := c.Call(t.Context(), Request{Method: "m"})
			switch {
			case tt.code != "":
				failure := wantCode(t, err, tt.code)
				if tt.code == CodeBackend && failure.Status != tt.status {
					t.Errorf("status %d, want %d", failure.Status, tt.status)
				}
			case err != nil:
				t.Error(err)
			case tt.refuse != "":
				if reply.Error == nil || reply.Error.Code != tt.refuse || reply.Data != nil {
					t.Errorf("got %+v", reply)
				}
			case string(reply.Data) != tt.data || reply.Error != nil:
				t.Errorf("got %s, %+v", reply.Data, reply.Error)
			}
			checkCalls(t, c)
		})
	}
}

func TestCallLongMessage(t *testing.T) {
	for n, ok := range map[int]bool{maxReplyMessage: true, maxReplyMessage + 1: false} {
		_, err := parseReply([]byte(`{"error": {"code": "c", "message": "` + strings.Repeat("x", n) + `"}}`))
		if (err == nil) != ok {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestCallUnreachable(t *testing.T) {
	s := answerer(t, nil)
	s.Close()
	c := newCaller(t, CallerConfig{Routes: []Route{{"*", s.URL}}})
	_, err := c.Call(t.Context(), Request{Method: "m"})
	wantCode(t, err, CodeBackend)
	if host := strings.TrimPrefix(s.URL, "http://"); !strings.Contains(err.Error(), host) || strings.Contains(refusal.Of(err).Error(), host) {
		t.Errorf("the log gets %q, the client %q", err, refusal.Of(err).Error())
	}
	checkCalls(t, c)
}

func TestCallTimeout(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request, body string){
		"silent": func(_ http.ResponseWriter, r *http.Request, _ string) { <-r.Context().Done() },
		"half an answer": func(w http.ResponseWriter, r *http.Request, _ string) {
			io.WriteString(w, `{"data": `)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := answerer(t, answer)
			c := newCaller(t, CallerConfig{Routes: []Route{{"*", s.URL}}, HTTP: HTTP{Timeout: 50 * time.Millisecond}})
			_, err := c.Call(t.Context(), Request{Method: "m"})
			wantCode(t, err, CodeTimeout)
			checkCalls(t, c)
		})
	}
}

// When the client goes away the backend's request ends, too.
func TestCallCancelled(t *testing.T) {
	arrived, ended := make(chan bool), make(chan bool)
	s := answerer(t, func(_ http.ResponseWriter, r *http.Request, _ string) {
		arrived <- true
		<-r.Context().Done()
		close(ended)
	})
	c := newCaller(t, CallerConfig{Routes: []Route{{"*", s.URL}}})
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() { // ends with the call, which the test waits for
		_, err := c.Call(ctx, Request{Method: "m"})
		failed <- err
	}()
	<-arrived
	if n := c.underWay(); n != 1 {
		t.Errorf("%d calls are under way, want 1", n)
	}
	cancel()
	err := <-failed
	wantCode(t, err, CodeCanceled)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v does not wrap context.Canceled", err)
	}
	<-ended
	checkCalls(t, c)
}

func TestCallOverloaded(t *testing.T) {
	arrived, release := make(chan bool), make(chan bool)
	s := answerer(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
		arrived <- true
		<-release
		io.WriteString(w, `{"data": 1}`)
	})
	c := newCaller(t, CallerConfig{Routes: []Route{{"*", s.URL}}, MaxConcurrent: 2})
	failed := make(chan error)
	for range 2 {
		go func() { // ends with the call, which the test waits for
			_, err := c.Call(t.Context(), Request{Method: "m"})
			failed <- err
		}()
		<-arrived
	}
	_, err := c.Call(t.Context(), Request{Method: "m"})
	wantCode(t, err, CodeOverloaded)
	close(release)
	for range 2 {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	go func() { <-arrived }()
	if _, err := c.Call(t.Context(), Request{Method: "m"}); err != nil {
		t.Errorf("after the others: %v", err)
	}
	checkCalls(t, c)
}

func FuzzReply(f *testing.F) {
	for _, text := range []string{
		`{"data": {"a": [1, 2]}}`, `{"data": null}`, `{"error": {"code": "sold_out", "message": "Sold out."}}`, `{}`, `null`,
		`[]`, `{"data": 1, "data": 2}`, `{"DATA": 1}`, "{\"data\": \"\xff\"}", `{"error": null, "data": "\ud800"}`,
		strings.Repeat(`{"data":`, 20), `{"error": {"code": 1}}`, "\u2028",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		reply, err := parseReply(text)
		switch {
		case err != nil:
		case reply.Error != nil:
			if reply.Data != nil || !isCode(reply.Error.Code) || len(reply.Error.Message) > maxReplyMessage {
				t.Errorf("%q: %+v", text, reply)
			}
		case !json.Valid(reply.Data) || len(reply.Data) > len(text):
			t.Errorf("%q: data %q", text, reply.Data)
		}
	})
}
