// Publishing one message: to a room, to a user.

package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"barrage/internal/broker"
)

func TestPublishPassesThrough(t *testing.T) {
	s := &memServer{local: true}
	a := newAPI(t, Config{}, s)
	w := request(t, a, "POST", "/v1/rooms/r/messages", "\x00\xff", "Content-Type", "Application/Octet-Stream; x=y")
	answered(t, w, 200, `{"id":"id-1","offset":1,"delivered_to":0,"local_only":true}`)
	request(t, a, "POST", "/v1/rooms/a%3Ab/messages", "hi")
	want := []broker.Publication{
		{Room: "r", Format: broker.Binary, Payload: []byte("\x00\xff")},
		{Room: "a:b", Format: broker.Text, Payload: []byte("hi")},
	}
	if got := s.messages(); !reflect.DeepEqual(got, want) {
		t.Errorf("sent %+v, want %+v", got, want)
	}
	if msg := wantError(t, request(t, a, "POST", "/v1/rooms/r/messages", strings.Repeat("x", 65537)).Body.Bytes(), "message_too_large"); !strings.Contains(msg, "65536") {
		t.Errorf("message %q does not name the limit", msg)
	}
}

func TestPublishOptions(t *testing.T) {
	sender := broker.Sender{User: "7", Name: "安", Avatar: "https://x.example/a"}
	tests := []struct {
		name, query, body string
		header            []string
		want              broker.Publication // but for the room
	}{
		{"by query", "?user=7&name=%E5%AE%89&avatar=https%3A%2F%2Fx.example%2Fa&kind=gift&history=false", "hi", nil,
			broker.Publication{Sender: sender, Kind: "gift", Format: broker.Text, Payload: []byte("hi"), Forget: true}},
		{"by header", "", "hi", []string{"Barrage-Sender", "7", "Barrage-Sender-Name", "安", "Barrage-Sender-Avatar", "https://x.example/a", "Barrage-Kind", "gift", "Barrage-History", "false"},
			broker.Publication{Sender: sender, Kind: "gift", Format: broker.Text, Payload: []byte("hi"), Forget: true}},
		{"history said", "?history=true", "", nil, broker.Publication{Format: broker.Text}},
		{"ttl and qos by query", "?ttl=1m0.5s&qos=1", "", nil, broker.Publication{Format: broker.Text, TTL: 60500, Confirm: true}},
		{"ttl and qos by header", "", "", []string{"Barrage-TTL", "168h", "Barrage-QoS", "1"}, broker.Publication{Format: broker.Text, TTL: 7 * 24 * 3600_000, Confirm: true}},
		{"least ttl, no qos", "?ttl=1ns&qos=0", "", nil, broker.Publication{Format: broker.Text, TTL: 1}},
		{"no ttl", "?ttl=0s", "", nil, broker.Publication{Format: broker.Text}},
		{"key", "", "hi", []string{"Idempotency-Key", "k 1"}, broker.Publication{Format: broker.Text, Payload: []byte("hi"), Key: "k 1"}},
		{"JSON object", "", " { \"a\" : [ 1 , \"b c\" ] } \n", []string{"Content-Type", "application/json"},
			broker.Publication{Format: broker.JSON, Payload: []byte(`{"a":[1,"b c"]}`)}},
		{"JSON scalar", "", "null", []string{"Content-Type", "Application/JSON; charset=utf-8"}, broker.Publication{Format: broker.JSON, Payload: []byte("null")}},
		{"JSON keeps numbers", "", "12345678901234567890.10", []string{"Content-Type", "application/json"}, broker.Publication{Format: broker.JSON, Payload: []byte("12345678901234567890.10")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &memServer{}
			w := request(t, newAPI(t, Config{}, s), "POST", "/v1/rooms/r/messages"+tt.query, tt.body, tt.header...)
			answered(t, w, 200, `{"id":"id-1","offset":1,"delivered_to":0}`)
			got := s.messages()[0]
			tt.want.Room = "r"
			if len(got.Payload) == 0 {
				got.Payload = nil
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("sent %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestPublishRefusals(t *testing.T) {
	asJSON := []string{"Content-Type", "application/json"}
	tests := []struct {
		name, query, body string
		header            []string
		status            int
		code              string
	}{
		{"twice", "?kind=a", "hi", []string{"Barrage-Kind", "b"}, 400, "bad_kind"},
		{"kind too long", "?kind=" + strings.Repeat("k", 65), "hi", nil, 400, "bad_kind"},
		{"kind with a line feed", "?kind=a%0Ab", "hi", nil, 400, "bad_kind"},
		{"user not UTF-8", "", "hi", []string{"Barrage-Sender", "\xff"}, 400, "bad_user"},
		{"bad query", "?kind=%", "hi", nil, 400, "invalid_query"},
		{"ttl too long", "?ttl=168h0m0.000000001s", "hi", nil, 400, "invalid_ttl"},
		{"ttl before now", "?ttl=-1s", "hi", nil, 400, "invalid_ttl"},
		{"ttl without a unit", "?ttl=1000", "hi", nil, 400, "invalid_ttl"},
		{"ttl twice", "?ttl=1s", "hi", []string{"Barrage-TTL", "1s"}, 400, "invalid_ttl"},
		{"qos 2", "", "hi", []string{"Barrage-QoS", "2"}, 400, "invalid_qos"},
		{"qos true", "?qos=true", "hi", nil, 400, "invalid_qos"},
		{"JSON empty", "", "", asJSON, 400, "invalid_json"},
		{"JSON cut", "", `{"a":`, asJSON, 400, "invalid_json"},
		{"JSON twice", "", `1 2`, asJSON, 400, "invalid_json"},
		{"JSON not UTF-8", "", "\"\xff\"", asJSON, 400, "invalid_json"},
		{"JSON too deep", "", strings.Repeat("[", 20000), asJSON, 400, "invalid_json"},
		{"JSON too large", "", `"` + strings.Repeat("x", 65535) + `"`, asJSON, 413, "message_too_large"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &memServer{}
			a := newAPI(t, Config{}, s)
			answered(t, request(t, a, "POST", "/v1/rooms/r/messages"+tt.query, tt.body, tt.header...), tt.status, tt.code)
			answered(t, request(t, a, "POST", "/v1/users/7/messages"+tt.query, tt.body, tt.header...), tt.status, tt.code)
			if len(s.messages()) != 0 {
				t.Errorf("sent %+v", s.messages())
			}
		})
	}
}

// TestUsersOfIssuers: ids as issuers of tokens have them, escaped as URLs want it.
func TestUsersOfIssuers(t *testing.T) {
	for _, id := range []string{"auth0|5f7c8ec7", "-x7Qk", "_Zp3", "ann@example.com", "https://accounts.example/u/1?a=b&c#d", "+8613800000000", `{a}"b\%2F`, strings.Repeat("u", 256)} {
		s := &memServer{}
		a := newAPI(t, Config{}, s)
		answered(t, request(t, a, "POST", "/v1/users/"+url.PathEscape(id)+"/messages", "hi"), 200, `{"id":"id-1","offset":1,"delivered_to":0,"online":false}`)
		answered(t, request(t, a, "POST", "/v1/rooms/"+url.PathEscape("user:"+id)+"/messages", "hi"), 200, `{"id":"id-1","offset":2,"delivered_to":0}`)
		for _, m := range s.messages() {
			if m.Room != "user:"+id {
				t.Errorf("%s: sent to %s", id, m.Room)
			}
		}
	}
}

// TestByteOrderMark: JSON may begin with one. Of a text it is a part.
func TestByteOrderMark(t *testing.T) {
	const mark = "\ufeff"
	s := &memServer{}
	a := newAPI(t, Config{}, s)
	for _, r := range []struct{ method, path, body, media string }{
		{"POST", "/v1/rooms/r/messages", mark + `{"a":1}`, jsonMedia},
		{"POST", "/v1/rooms/r/messages", mark + "hi", "text/plain"},
		{"POST", "/v1/rooms/messages", mark + `[{"room":"r","text":"` + mark + `one"}]`, jsonMedia},
		{"PUT", "/v1/rooms/r/settings", mark + `{"muted":true}`, jsonMedia},
	} {
		if w := rawRequest(a, r.method, r.path, r.body, "Content-Type", r.media); w.Code != 200 || strings.Contains(w.Body.String(), "error") {
			t.Errorf("%s %s: %d %s", r.method, r.path, w.Code, w.Body)
		}
	}
	var got []string
	for _, m := range s.messages() {
		got = append(got, string(m.Payload))
	}
	if want := []string{`{"a":1}`, mark + "hi", mark + "one"}; !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
}

func TestPublishTellsEpoch(t *testing.T) {
	a := newAPI(t, Config{}, &memServer{epoch: "e1", local: true})
	answered(t, request(t, a, "POST", "/v1/rooms/r/messages", "hi"), 200,
		`{"id":"id-1","offset":1,"delivered_to":0,"epoch":"e1","local_only":true}`)
}

func TestRetryIsHarmless(t *testing.T) {
	s := &memServer{}
	a := newAPI(t, Config{}, s)
	tests := []struct {
		name, path, key string
		wantSent        int
		replayed        bool
	}{
		{"first", "/v1/rooms/r/messages", "k", 1, false},
		{"again", "/v1/rooms/r/messages", "k", 1, true},
		{"other room", "/v1/rooms/q/messages", "k", 2, false},
		{"other sender", "/v1/rooms/r/messages?user=7", "k", 3, false},
		{"other key", "/v1/rooms/r/messages", "l", 4, false},
		{"to a user", "/v1/users/7/messages", "k", 5, false},
		{"to a user again", "/v1/users/7/messages", "k", 5, true},
		{"first once more", "/v1/rooms/r/messages", "k", 5, true},
	}
	answers := map[string]string{}
	for _, tt := range tests {
		w := request(t, a, "POST", tt.path, "hi", keyHeader, tt.key)
		if w.Code != 200 || len(s.messages()) != tt.wantSent {
			t.Fatalf("%s: %d and %d sent, want %d", tt.name, w.Code, len(s.messages()), tt.wantSent)
		}
		if got := w.Header().Get("Idempotent-Replayed") == "true"; got != tt.replayed {
			t.Errorf("%s: replayed %v", tt.name, got)
		}
		if first := answers[tt.path+tt.key]; tt.replayed && w.Body.String() != first {
			t.Errorf("%s: %s, want %s", tt.name, w.Body, first)
		}
		answers[tt.path+tt.key] = w.Body.String()
	}
}

func TestPublishToUser(t *testing.T) {
	down := coded(503, "srv_down", "down", 0)
	tests := []struct {
		name, path string
		server     memServer
		status     int
		want       string
	}{
		{"online here", "/v1/users/7/messages", memServer{rooms: map[string]int{"user:7": 2}, online: []string{"7"}}, 200, `{"id":"id-1","offset":1,"delivered_to":2,"online":true}`},
		{"online elsewhere", "/v1/users/7/messages", memServer{online: []string{"7"}}, 200, `{"id":"id-1","offset":1,"delivered_to":0,"online":true}`},
		{"hidden here", "/v1/users/7/messages", memServer{rooms: map[string]int{"user:7": 2}}, 200, `{"id":"id-1","offset":1,"delivered_to":2,"online":false}`},
		{"offline", "/v1/users/7/messages", memServer{online: []string{"8"}, epoch: "e"}, 200, `{"id":"id-1","offset":1,"delivered_to":0,"epoch":"e","online":false}`},
		{"cannot be told", "/v1/users/7/messages", memServer{err: down}, 200, `{"id":"id-1","offset":1,"delivered_to":0}`},
		{"no user", "/v1/users//messages", memServer{}, 400, "bad_user"},
		{"no room for it", "/v1/users/a%20b/messages", memServer{}, 400, "bad_user"},
		{"a user's room", "/v1/users/user:7/messages", memServer{}, 400, "bad_user"},
		{"too long", "/v1/users/" + strings.Repeat("u", 257) + "/messages", memServer{}, 400, "bad_user"},
		{"control character", "/v1/users/a%00/messages", memServer{}, 400, "bad_user"},
	}
	for i := range tests {
		tt := &tests[i]
		t.Run(tt.name, func(t *testing.T) {
			answered(t, request(t, newAPI(t, Config{}, &tt.server), "POST", tt.path, "hi"), tt.status, tt.want)
			if sent := tt.server.messages(); tt.status == 200 && (len(sent) != 1 || sent[0].Room != "user:7") {
				t.Errorf("sent %+v", sent)
			}
		})
	}
}

// TestPublishToOne: messages for one connection or one device name it, and are answered
// without what is a user's.
func TestPublishToOne(t *testing.T) {
	for _, tt := range []struct {
		path   string
		status int
		want   string
		sent   broker.Publication
	}{
		{"/v1/users/7/messages?device=e%CC%81", 200, `{"id":"id-1","offset":1,"delivered_to":2}`, broker.Publication{Room: "user:7", Device: "\u00e9"}},
		{"/v1/users/7/messages?device=my%20phone", 400, "bad_device", broker.Publication{}},
		{"/v1/users/7/messages?device=a&device=b", 400, "bad_device", broker.Publication{}},
		{"/v1/users/7/messages?device=" + strings.Repeat("a", 129), 400, "bad_device", broker.Publication{}},
		{"/v1/connections/n-1/messages", 200, `{"id":"id-1","offset":1,"delivered_to":0}`, broker.Publication{Conn: "n-1"}},
		{"/v1/connections//messages", 400, "invalid_conn", broker.Publication{}},
		{"/v1/connections/" + strings.Repeat("a", 65) + "/messages", 400, "invalid_conn", broker.Publication{}},
	} {
		s := &memServer{rooms: map[string]int{"user:7": 2}, online: []string{"7"}}
		answered(t, request(t, newAPI(t, Config{}, s), "POST", tt.path, "hi"), tt.status, tt.want)
		if sent := s.messages(); tt.status == 200 && (len(sent) != 1 || sent[0].Room != tt.sent.Room || sent[0].Device != tt.sent.Device || sent[0].Conn != tt.sent.Conn) {
			t.Errorf("%s: sent %+v", tt.path, sent)
		}
	}
}

// A repeated answer tells who was reached then, but who is online now.
func TestReplayTellsOnlineNow(t *testing.T) {
	s := &memServer{rooms: map[string]int{"user:7": 2}, online: []string{"7"}}
	a := newAPI(t, Config{}, s)
	answered(t, request(t, a, "POST", "/v1/users/7/messages", "hi", keyHeader, "k"), 200, `{"id":"id-1","offset":1,"delivered_to":2,"online":true}`)
	s.online = nil
	answered(t, request(t, a, "POST", "/v1/users/7/messages", "hi", keyHeader, "k"), 200, `{"id":"id-1","offset":1,"delivered_to":2,"online":false}`)
}

func TestPublishErrors(t *testing.T) {
	tests := []struct {
		name       string
		err        error
		wantStatus int
		wantCode   string
		retryAfter int
	}{
		{"coded", coded(503, "srv_down", "redis: no answer within 1s", 0), 503, "srv_down", 1},
		{"wrapped", fmt.Errorf("edge: %w", coded(429, "srv_too_fast", "slow down", 0)), 429, "srv_too_fast", 1},
		{"with its own wait", fmt.Errorf("edge: %w", coded(429, "srv_too_fast", "slow down", 2100*time.Millisecond)), 429, "srv_too_fast", 3},
		{"a wait that means nothing", coded(400, "srv_odd", "x", time.Minute), 400, "srv_odd", 0},
		{"silly status", coded(200, "srv_odd", "x", 0), 500, "internal", 0},
		{"plain", errors.New("secret detail"), 500, "internal", 0},
		{"broker unavailable", fmt.Errorf("redisbridge: secret: %w", broker.ErrUnavailable), 503, "unavailable", 1},
		{"broker closed", broker.ErrClosed, 503, "unavailable", 1},
		{"broker overloaded", broker.ErrOverloaded, 503, "overloaded", 1},
		{"deadline", context.DeadlineExceeded, 503, "timeout", 1},
		{"canceled, but not by the client", context.Canceled, 500, "internal", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAPI(t, Config{}, &memServer{onSend: func(context.Context) error { return tt.err }})
			w := request(t, a, "POST", "/v1/rooms/r/messages", "hi")
			answered(t, w, tt.wantStatus, tt.wantCode)
			if strings.Contains(w.Body.String(), "secret") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if tt.retryAfter > 0 {
				spread(t, w, "", tt.retryAfter)
			} else if got := w.Header().Get("Retry-After"); got != "" {
				t.Errorf("Retry-After %q with %d", got, w.Code)
			}
		})
	}
}

// A client that left is counted and not answered.
func TestClientLeaves(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &memServer{onSend: func(ctx context.Context) error {
		cancel()
		return ctx.Err()
	}}
	a := newAPI(t, Config{}, s)
	for _, path := range []string{"/v1/rooms/r/messages", "/v1/rooms/messages"} {
		w := &discard{header: http.Header{}}
		r := newRequest("POST", path, `[{"room":"r","text":"hi"}]`).WithContext(ctx)
		a.ServeHTTP(w, r)
		if w.written != 0 {
			t.Errorf("%s: %d bytes for a client that left", path, w.written)
		}
	}
}

// stuckBody is a body that stops arriving, as net/http reports it.
type stuckBody struct{}

func (stuckBody) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }
func (stuckBody) Close() error             { return nil }

func TestBodySlow(t *testing.T) {
	a := newAPI(t, Config{}, &memServer{})
	for _, path := range []string{"/v1/rooms/r/messages", "/v1/rooms/messages", "/v1/rooms/r/kick"} {
		r := newRequest("POST", path, "")
		r.Body, r.ContentLength = stuckBody{}, -1
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		answered(t, w, 408, "body_timeout")
		checkContract(t, a, r, w)
	}
}

func TestPanicIs500(t *testing.T) {
	a := newAPI(t, Config{}, &memServer{onSend: func(context.Context) error { panic("boom") }})
	for range 2 {
		answered(t, request(t, a, "POST", "/v1/rooms/r/messages", "hi", "Idempotency-Key", "k"), 500, "internal")
	}
	if w := request(t, a, "GET", "/healthz", ""); w.Code != 200 {
		t.Errorf("health after a panic: %d", w.Code)
	}
}
