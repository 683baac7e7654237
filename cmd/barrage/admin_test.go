package main

// This file holds the refusals of the real server against the error codes that
// the API's description lists.

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"barrage/api"
	"barrage/internal/broker"
	"barrage/internal/machine"
)

// newAdmin is the API on a node without Redis that runs until stop is called, or
// the test ends.
func newAdmin(t *testing.T) (a *api.API, stop func()) {
	t.Helper()
	cfg, err := load(t, "", "", "--listen=127.0.0.1:0", "--admin=127.0.0.1:0", "--shards=1")
	if err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	n, err := newNode(nodeDeps{cfg: &cfg, log: slog.New(slog.DiscardHandler), registry: reg, capacity: machine.CapacityFor(1024), fatal: make(chan error, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(n.Close)
	t.Cleanup(stop)
	a, err = api.New(api.Config{Listen: cfg.Admin, MaxBody: int(cfg.MaxMessageBytes), Gatherer: reg, Registerer: reg}, n)
	if err != nil {
		t.Fatal(err)
	}
	return a, stop
}

func ask(h http.Handler, method, target, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "localhost"
	if strings.HasPrefix(body, "{") || strings.HasPrefix(body, "[") {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// listedCodes are the error codes of the description.
func listedCodes(t *testing.T, a *api.API) map[string]string {
	t.Helper()
	var doc struct {
		Codes map[string]string `json:"x-error-codes"`
	}
	if err := json.Unmarshal(ask(a, "GET", "/openapi.json", "").Body.Bytes(), &doc); err != nil || len(doc.Codes) == 0 {
		t.Fatalf("%d codes, %v", len(doc.Codes), err)
	}
	return doc.Codes
}

func TestAdminRefusals(t *testing.T) {
	a, _ := newAdmin(t)
	codes := listedCodes(t, a)
	const long = "ann-and-an-id-that-is-far-too-long-to-be-the-name-of-a-room-" // 60 bytes
	tests := []struct{ name, method, target, body, code string }{
		{"publish", "POST", "/v1/rooms/a%20b/messages", "hi", "bad_room"},
		{"history", "GET", "/v1/rooms/%2A/messages", "", "bad_room"},
		{"clear", "DELETE", "/v1/rooms/@control/messages", "", "bad_room"},
		{"room", "GET", "/v1/rooms/%00presence:a", "", "bad_room"},
		{"members", "GET", "/v1/rooms/@proto/members", "", "bad_room"},
		{"settings", "PUT", "/v1/rooms/@a/settings", `{}`, "bad_room"},
		{"kick", "POST", "/v1/rooms/@a/kick", `{"user":"ann"}`, "bad_room"},
		{"close", "POST", "/v1/rooms/@a/close", "", "bad_room"},
		{"connections", "GET", "/v1/connections?room=@a", "", "bad_room"},
		{"batch", "POST", "/v1/rooms/messages", `[{"room":"@a","text":"hi"}]`, "bad_room"},

		{"kick nobody", "POST", "/v1/rooms/a/kick", `{}`, "bad_user"},
		{"kick a bad user", "POST", "/v1/rooms/a/kick", `{"user":"a b"}`, "bad_user"},
		{"disconnect a bad user", "POST", "/v1/users/user:ann/disconnect", "", "bad_user"},
		{"disconnect a long user", "POST", "/v1/users/" + strings.Repeat("u", broker.MaxUserID+1) + "/disconnect", "", "bad_user"},
		{"publish to a bad user", "POST", "/v1/users/a%20b/messages", "hi", "bad_user"},
		{"publish to a user's room", "POST", "/v1/users/user:ann/messages", "hi", "bad_user"},
		{"ask about a user's room", "GET", "/v1/users/user:ann", "", "bad_user"},
		{"kick a user's room", "POST", "/v1/rooms/a/kick", `{"user":"user:ann"}`, "bad_user"},

		{"kind", "POST", "/v1/rooms/a/messages?kind=" + url.QueryEscape("a b"), "hi", "bad_kind"},
		{"kind of the nodes' own", "POST", "/v1/rooms/a/messages?kind=%00control", "hi", "bad_kind"},
		{"long kind", "POST", "/v1/rooms/a/messages?kind=" + long + long, "hi", "bad_kind"},
		{"kind in a batch", "POST", "/v1/rooms/messages", `[{"room":"a","text":"hi","kind":"a b"}]`, "bad_kind"},
		{"deep", "POST", "/v1/rooms/a/messages", strings.Repeat("[", 500) + strings.Repeat("]", 500), "bad_command"},

		{"what a room remembers", "PUT", "/v1/rooms/a/settings", `{"retention":{"messages":1,"age":"1m"}}`, "invalid_json"},
		{"keep a connection out", "POST", "/v1/connections/c/disconnect", `{"for":"1m"}`, "invalid_for"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := ask(a, tt.method, tt.target, tt.body)
			wantStatus := http.StatusBadRequest
			if strings.HasPrefix(tt.body, "[{") {
				wantStatus = http.StatusOK // the refusal is of the message
			}
			if w.Code != wantStatus || !strings.Contains(w.Body.String(), `"error":{"code":"`+tt.code+`"`) {
				t.Errorf("%d %s, want %d %s", w.Code, w.Body, wantStatus, tt.code)
			}
			if codes[tt.code] == "" {
				t.Errorf("%s is not listed", tt.code)
			}
		})
	}
}

// What the server cannot do now has codes of the list too.
func TestAdminLimits(t *testing.T) {
	a, stop := newAdmin(t)
	codes := listedCodes(t, a)
	want := func(w *httptest.ResponseRecorder, status int, code string) {
		t.Helper()
		if w.Code != status || !strings.Contains(w.Body.String(), `"code":"`+code+`"`) || codes[code] == "" {
			t.Errorf("%d %s, want %d %s, listed as %q", w.Code, w.Body, status, code, codes[code])
		}
	}
	w, rooms := ask(a, "GET", "/v1/rooms/a/settings", ""), 0
	for ; w.Code == http.StatusOK && rooms < 20_000; rooms++ {
		w = ask(a, "PUT", fmt.Sprintf("/v1/rooms/r%d/settings", rooms), `{"muted":true}`)
	}
	want(w, http.StatusConflict, "too_many_settings")
	stop()
	want(ask(a, "POST", "/v1/rooms/a/messages", "hi"), http.StatusServiceUnavailable, "unavailable")
}

// TestAdminReplay: a publish repeated with its key, many times at once and in every
// way, is in the room once; another key or room is another publish.
func TestAdminReplay(t *testing.T) {
	a, _ := newAdmin(t)
	post := func(target, key string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", target, strings.NewReader("hi"))
		r.Host = "localhost"
		r.Header.Set("Idempotency-Key", key)
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		return w
	}
	var wg sync.WaitGroup
	var replayed atomic.Int32
	for range 50 {
		wg.Go(func() { // ends when its request is answered; waited for below
			w := post("/v1/rooms/once/messages", "k")
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"offset":1,`) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if w.Header().Get("Idempotent-Replayed") == "true" {
				replayed.Add(1)
			}
		})
	}
	wg.Wait()
	if n := replayed.Load(); n != 49 {
		t.Errorf("%d of 50 are repetitions", n)
	}
	post("/v1/rooms/once/messages", "k2")
	post("/v1/rooms/other/messages", "k")
	for room, want := range map[string]int{"once": 2, "other": 1} {
		if w := ask(a, "GET", "/v1/rooms/"+room+"/messages", ""); strings.Count(w.Body.String(), `"text":"hi"`) != want {
			t.Errorf("room %s has %s, want %d messages", room, w.Body, want)
		}
	}
}

// TestAdminSettings: what is put is what is read, from the real server too.
func TestAdminSettings(t *testing.T) {
	a, _ := newAdmin(t)
	const path = "/v1/rooms/a/settings"
	for _, body := range []string{`{"presence_events":true}`, `{"presence_events":false}`, `{"muted":true}`, `{}`} {
		put := ask(a, "PUT", path, body)
		if get := ask(a, "GET", path, ""); put.Code != http.StatusOK || get.Body.String() != put.Body.String() {
			t.Errorf("%s: put %d %s, then %s", body, put.Code, put.Body, get.Body)
		}
	}
}
