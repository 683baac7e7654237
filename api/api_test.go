// Requests of each kind and their answers; tokens, configuration, metrics.

package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestRequests(t *testing.T) {
	long := strings.Repeat("x", 101)
	room := "/v1/rooms/lobby/messages"
	tests := []struct {
		name         string
		method, path string
		body         string
		header       []string
		wantStatus   int
		wantBody     string // exact; or, for an error, its code
	}{
		{"publish", "POST", room, "hi", nil, 200, `{"id":"id-1","offset":1,"delivered_to":3}`},
		{"publish empty", "POST", room, "", nil, 200, `{"id":"id-1","offset":1,"delivered_to":3}`},
		{"publish at the limit", "POST", room, long[:100], nil, 200, `{"id":"id-1","offset":1,"delivered_to":3}`},
		{"publish too large", "POST", room, long, nil, 413, "message_too_large"},
		{"publish bad utf-8", "POST", room, "a\xff", nil, 400, "invalid_utf8"},
		{"publish binary", "POST", room, "a\xff", []string{"Content-Type", "application/octet-stream"}, 200, `{"id":"id-1","offset":1,"delivered_to":3}`},
		{"publish form type is text", "POST", room, "\xff", []string{"Content-Type", "application/x-www-form-urlencoded"}, 400, "invalid_utf8"},
		{"publish to bad room", "POST", "/v1/rooms/a*b/messages", "hi", nil, 400, "bad_room"},
		{"publish to escaped slash", "POST", "/v1/rooms/a%2Flobby/messages", "hi", nil, 200, `{"id":"id-1","offset":1,"delivered_to":0}`},
		{"publish to no room", "POST", "/v1/rooms//messages", "hi", nil, 400, "bad_room"},
		{"publish to escaped room", "POST", "/v1/rooms/%6Cobby/messages", "hi", nil, 200, `{"id":"id-1","offset":1,"delivered_to":3}`},
		{"publish to unicode room", "POST", "/v1/rooms/%E5%BC%B9%E5%B9%95/messages", "hi", nil, 200, `{"id":"id-1","offset":1,"delivered_to":0}`},
		{"publish by PUT", "PUT", room, "", nil, 405, "method_not_allowed"},
		{"publish with empty key", "POST", room, "hi", []string{"Idempotency-Key", ""}, 400, "invalid_idempotency_key"},
		{"publish with long key", "POST", room, "hi", []string{"Idempotency-Key", strings.Repeat("k", 129)}, 400, "invalid_idempotency_key"},
		{"publish with two keys", "POST", room, "hi", []string{"Idempotency-Key", "a", "Idempotency-Key", "b"}, 400, "invalid_idempotency_key"},
		{"publish with odd key", "POST", room, "hi", []string{"Idempotency-Key", "a\x7f"}, 400, "invalid_idempotency_key"},
		{"publish from another site", "POST", room, "hi", []string{"Origin", "https://evil.example"}, 403, "cross_origin"},
		{"publish from another site, new browser", "POST", room, "hi", []string{"Sec-Fetch-Site", "cross-site"}, 403, "cross_origin"},

		{"rooms", "GET", "/v1/rooms", "", nil, 200, `{"rooms":[{"room":"lobby","members":3,"rate":0.5},{"room":"a","members":1,"rate":0.5},{"room":"b","members":1,"rate":0.5}],"total":3}`},
		{"rooms by prefix", "GET", "/v1/rooms?prefix=lo", "", nil, 200, `{"rooms":[{"room":"lobby","members":3,"rate":0.5}],"total":1}`},
		{"rooms limited", "GET", "/v1/rooms?limit=1", "", nil, 200, `{"rooms":[{"room":"lobby","members":3,"rate":0.5}],"total":3}`},
		{"rooms none", "GET", "/v1/rooms?prefix=zz", "", nil, 200, `{"rooms":[],"total":0}`},
		{"rooms limit 0", "GET", "/v1/rooms?limit=0", "", nil, 400, "invalid_limit"},
		{"rooms limit 1001", "GET", "/v1/rooms?limit=1001", "", nil, 400, "invalid_limit"},
		{"rooms limit 1000", "GET", "/v1/rooms?limit=1000&prefix=zz", "", nil, 200, `{"rooms":[],"total":0}`},
		{"rooms limit word", "GET", "/v1/rooms?limit=all", "", nil, 400, "invalid_limit"},
		{"rooms by POST", "POST", "/v1/rooms", "", nil, 405, "method_not_allowed"},

		{"room", "GET", "/v1/rooms/lobby", "", nil, 200, `{"room":"lobby","members":3,"rate":1.23}`},
		{"room unknown", "GET", "/v1/rooms/zz", "", nil, 404, "room_not_found"},
		{"room bad", "GET", "/v1/rooms/%2A", "", nil, 400, "bad_room"},
		{"room by DELETE", "DELETE", "/v1/rooms/lobby", "", nil, 405, "method_not_allowed"},
		{"room named messages", "GET", "/v1/rooms/messages", "", nil, 404, "room_not_found"},
		{"nothing below", "GET", "/v1/rooms/lobby/nothing", "", nil, 404, "not_found"},

		{"healthz", "GET", "/healthz", "", nil, 200, `{"status":"ok"}`},
		{"health", "GET", "/health", "", nil, 200, `{"status":"ok"}`},
		{"readyz", "GET", "/readyz", "", nil, 200, `{"ready":true}`},
		{"readyz by POST", "POST", "/readyz", "", nil, 405, "method_not_allowed"},
		{"root", "GET", "/", "", nil, 404, "not_found"},
		{"trailing slash", "GET", "/v1/rooms/", "", nil, 404, "not_found"},
		{"odd escape", "GET", "/%6detrics%2F", "", nil, 404, "not_found"},
		{"pprof off", "GET", "/debug/pprof/", "", nil, 404, "not_found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAPI(t, Config{MaxBody: 100}, &memServer{rooms: map[string]int{"lobby": 3, "b": 1, "a": 1}})
			w := request(t, a, tt.method, tt.path, tt.body, tt.header...)
			answered(t, w, tt.wantStatus, tt.wantBody)
			if w.Code == 405 && w.Header().Get("Allow") == "" {
				t.Error("405 without Allow")
			}
		})
	}
}

func wantError(t *testing.T, body []byte, code string) string {
	t.Helper()
	var got errorAnswer
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if got.Error.Code != code || got.Error.Message == "" {
		t.Errorf("error %+v, want code %s and a message", got.Error, code)
	}
	return got.Error.Message
}

func TestAllow(t *testing.T) {
	a := newAPI(t, Config{}, &memServer{})
	for path, want := range map[string]string{
		"/v1/rooms/r/messages":         "POST, GET, HEAD, DELETE",
		"/v1/rooms/messages":           "POST, GET, HEAD",
		"/v1/rooms/r/settings":         "GET, HEAD, PUT, DELETE",
		"/v1/rooms/%E5%BC%B9/kick":     "POST",
		"/v1/rooms/a%2Fb/kick":         "POST",
		"/health":                      "GET, HEAD",
		"/debug/pprof/heap":            "GET, HEAD, POST",
		"/v1/connections/c/disconnect": "POST",
	} {
		w := request(t, a, "PATCH", path, "")
		if got := w.Header().Get("Allow"); w.Code != 405 || got != want {
			t.Errorf("%s: %d, Allow %q, want %q", path, w.Code, got, want)
		}
	}
}

func TestReadyReasons(t *testing.T) {
	a := newAPI(t, Config{}, &memServer{reasons: []string{"draining"}, concerns: []string{"it evicts"}})
	w := request(t, a, "GET", "/readyz", "")
	if want := `{"ready":false,"reasons":["draining"]}` + "\n"; w.Code != 503 || w.Body.String() != want {
		t.Errorf("%d %s, want 503 %s", w.Code, w.Body, want)
	}
	a = newAPI(t, Config{}, &memServer{concerns: []string{"it evicts"}})
	w = request(t, a, "GET", "/readyz", "")
	if want := `{"ready":true,"reasons":["it evicts"]}` + "\n"; w.Code != 200 || w.Body.String() != want {
		t.Errorf("%d %s, want 200 %s", w.Code, w.Body, want)
	}
}

func TestToken(t *testing.T) {
	a := newAPI(t, Config{Tokens: []string{"s3cret"}, Pprof: true}, &memServer{})
	tests := []struct {
		name, path, auth string
		want             int
	}{
		{"right", "/v1/rooms", "Bearer s3cret", 200},
		{"scheme in lower case", "/v1/rooms", "bearer s3cret", 200},
		{"none", "/v1/rooms", "", 401},
		{"wrong", "/v1/rooms", "Bearer s3creT", 401},
		{"prefix", "/v1/rooms", "Bearer s3cre", 401},
		{"longer", "/v1/rooms", "Bearer s3crett", 401},
		{"empty", "/v1/rooms", "Bearer ", 401},
		{"no scheme", "/v1/rooms", "s3cret", 401},
		{"basic", "/v1/rooms", "Basic s3cret", 401},
		{"metrics", "/metrics", "", 401},
		{"openapi", "/openapi.yaml", "", 401},
		{"pprof", "/debug/pprof/", "", 401},
		{"unknown path tells nothing", "/nope", "", 401},
		{"unknown path", "/nope", "Bearer s3cret", 404},
		{"healthz", "/healthz", "", 200},
		{"health", "/health", "", 200},
		{"readyz", "/readyz", "", 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var header []string
			if tt.auth != "" {
				header = []string{"Authorization", tt.auth}
			}
			w := request(t, a, "GET", tt.path, "", header...)
			if w.Code != tt.want {
				t.Fatalf("status %d, want %d", w.Code, tt.want)
			}
			if (w.Code == 401) != (w.Header().Get("WWW-Authenticate") != "") {
				t.Errorf("WWW-Authenticate %q with %d", w.Header().Get("WWW-Authenticate"), w.Code)
			}
		})
	}
	changing := newAPI(t, Config{Tokens: []string{"newer", "s3cret"}}, &memServer{})
	for token, want := range map[string]int{"newer": 200, "s3cret": 200, "gone": 401, "newers3cret": 401, "newer,s3cret": 401, "": 401} {
		if w := request(t, changing, "GET", "/v1/rooms", "", "Authorization", "Bearer "+token); w.Code != want {
			t.Errorf("one of two tokens, %q: status %d, want %d", token, w.Code, want)
		}
	}
	if w := request(t, a, "GET", "/v1/rooms", "", "Authorization", "Bearer s3cret", "Authorization", "Bearer x"); w.Code != 401 {
		t.Errorf("two Authorization headers: %d", w.Code)
	}
}

func TestConfigValidate(t *testing.T) {
	tests := []struct {
		name   string
		cfg    Config
		naming string // empty: valid
	}{
		{"loopback", Config{Listen: "127.0.0.1:8081"}, ""},
		{"all of 127/8", Config{Listen: "127.1.2.3:0"}, ""},
		{"loopback v6", Config{Listen: "[::1]:8081"}, ""},
		{"localhost", Config{Listen: "localhost:0"}, ""},
		{"empty token", Config{Listen: "127.0.0.1:0", Tokens: []string{"t", ""}}, "admin_token"},
		{"five tokens", Config{Listen: "127.0.0.1:0", Tokens: []string{"a", "b", "c", "d", "e"}}, "admin_token"},
		{"any v4", Config{Listen: "0.0.0.0:8081"}, "admin_token"},
		{"any v6", Config{Listen: "[::]:8081"}, "admin_token"},
		{"any", Config{Listen: ":8081"}, "admin_token"},
		{"hostname", Config{Listen: "example.com:8081"}, "admin_token"},
		{"hostname that looks right", Config{Listen: "127.0.0.1.example.com:8081"}, "admin_token"},
		{"private", Config{Listen: "10.0.0.1:8081"}, "admin_token"},
		{"any with token", Config{Listen: "0.0.0.0:8081", Tokens: []string{"t"}}, ""},
		{"unix socket", Config{Listen: "unix:/run/x.sock"}, "admin"},
		{"empty", Config{}, "admin"},
		{"no port", Config{Listen: "127.0.0.1"}, "admin"},
		{"empty port", Config{Listen: "127.0.0.1:"}, "admin"},
		{"service port", Config{Listen: "127.0.0.1:http"}, "admin"},
		{"large port", Config{Listen: "127.0.0.1:65536"}, "admin"},
		{"negative body", Config{Listen: "127.0.0.1:0", MaxBody: -1}, "max_message_bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.cfg, &memServer{})
			if (err == nil) != (tt.naming == "") || err != nil && !strings.Contains(err.Error(), tt.naming+":") {
				t.Errorf("error %v, want one naming %q", err, tt.naming)
			}
		})
	}
}

func TestMetricsLint(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	a := newAPI(t, Config{Gatherer: reg, Registerer: reg}, &memServer{})
	request(t, a, "GET", "/v1/rooms/some-room", "")
	request(t, a, "GET", "/no/such/path", "")
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if text := f.String(); strings.Contains(text, "some-room") || strings.Contains(text, "no/such") {
			t.Errorf("a label from outside in %s", text)
		}
	}
	if got := testutil.ToFloat64(a.metrics.requests.WithLabelValues("other", "404")); got != 1 {
		t.Errorf("%v requests to other paths, want 1", got)
	}
	if _, err := New(Config{Listen: "127.0.0.1:0", Registerer: reg}, &memServer{}); err == nil {
		t.Error("registering twice succeeded")
	}
	bare, err := New(Config{Listen: "127.0.0.1:0"}, &memServer{})
	if err != nil {
		t.Fatal(err)
	}
	if w := request(t, bare, "GET", "/metrics", ""); w.Code != 404 {
		t.Errorf("/metrics without a gatherer: %d", w.Code)
	}
}

func TestTopRooms(t *testing.T) {
	for _, limit := range []int{1, 7, 100, 1000} {
		top := topRooms{limit: limit, by: orders["members"]}
		for i := range 500 {
			top.add(rankedRoom{roomAnswer: roomAnswer{Room: fmt.Sprintf("r%03d", i), Members: i * 7919 % 500 / 2}})
		}
		got := top.sorted()
		if len(got) != min(limit, 500) {
			t.Fatalf("limit %d: %d rooms", limit, len(got))
		}
		for i, room := range got {
			want := (499 - i) / 2 // two rooms of each size
			if room.Members != want || i > 0 && got[i-1].Members == want && got[i-1].Room > room.Room {
				t.Fatalf("limit %d: place %d is %+v", limit, i, room)
			}
		}
	}
}
