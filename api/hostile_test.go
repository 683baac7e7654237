// Hostile room names, and hostile use of publishing, on a real listener where that can
// make a difference.

package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/text/unicode/norm"
)

// TestHostileRoomNames: one rule refuses them on every route, before anything
// else of the server is asked, and neither log nor metrics see them.
func TestHostileRoomNames(t *testing.T) {
	names := map[string]string{
		"empty": "", "10 KB": strings.Repeat("zzzzzzzzzz", 1000), "star": "*", "line feed": "zzz\r\nzzz", "NUL": "\x00zzz", "NUL inside": "zzz\x00",
		"dots": "..", "zero width": "zzz\u200b", "bidi": "zzz\u202e", "the server's": "@zzz", "mark first": "\u0301zzz", "not UTF-8": "zzz\xff", "space": "zzz zzz",
	}
	for name, room := range names {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			reg := prometheus.NewPedanticRegistry()
			s := &memServer{}
			a := newAPI(t, Config{Gatherer: reg, Registerer: reg, Logger: slog.New(slog.NewTextHandler(&log, nil))}, s)
			for _, e := range a.routes {
				if !strings.Contains(e.pattern, "{room}") {
					continue
				}
				target := strings.Replace(e.pattern, "{room}", url.PathEscape(room), 1)
				if target == "/v1/rooms/" {
					continue // nothing is there
				}
				answered(t, request(t, a, e.method, target, ""), 400, "bad_room")
			}
			query := url.QueryEscape(room)
			if room != "" {
				answered(t, request(t, a, "GET", "/v1/connections?room="+query, ""), 400, "bad_room")
			}
			if room != "*" && room != ".." {
				answered(t, request(t, a, "POST", "/v1/broadcast?pattern="+query, "hi"), 400, "invalid_pattern")
			}
			item := append(appendString([]byte(`[{"text":"hi","room":`), room), "}]"...)
			if w := request(t, a, "POST", "/v1/rooms/messages", string(item)); w.Code != 200 || !strings.Contains(w.Body.String(), `"bad_room"`) {
				t.Errorf("batch: %d %s", w.Code, w.Body)
			}
			if len(s.messages()) != 0 || len(s.noted()) != 0 || len(s.settings) != 0 {
				t.Errorf("the server was asked %v, sent %v", s.noted(), s.messages())
			}
			wantNoTrace(t, reg, &log)
		})
	}
}

// TestRoomNamesInAllPlaces: names as people and programs have them are taken by every
// route, in any form, and reach the server in one. Neither log nor metrics see them.
func TestRoomNamesInAllPlaces(t *testing.T) {
	for text, room := range map[string]string{
		"直播间zzz": "直播间zzz", "e\u0301mission-zzz": "\u00e9mission-zzz", "\u00e9mission-zzz": "\u00e9mission-zzz", "__proto__": "__proto__", "аdmin-zzz": "аdmin-zzz", "ｚｚｚ": "ｚｚｚ",
		"{}": "{}", "}zzz": "}zzz", "[zzz]": "[zzz]", "zzz?a=b": "zzz?a=b", "zzz#a": "zzz#a", "%7Azz": "%7Azz", `zzz"\`: `zzz"\`, "a/zzz": "a/zzz", "../zzz": "../zzz", "user:e\u0301|zzz": "user:\u00e9|zzz",
	} {
		t.Run(text, func(t *testing.T) {
			var log bytes.Buffer
			reg := prometheus.NewPedanticRegistry()
			s := &memServer{rooms: map[string]int{room: 1}}
			a := newAPI(t, Config{Gatherer: reg, Registerer: reg, Logger: slog.New(slog.NewTextHandler(&log, nil))}, s)
			at := "/v1/rooms/" + url.PathEscape(text)
			answered(t, request(t, a, "POST", at+"/messages", "hi"), 200, `{"id":"id-1","offset":1,"delivered_to":1}`)
			answered(t, request(t, a, "POST", "/v1/broadcast?pattern="+url.QueryEscape(text), "hi"), 200, `{"rooms":1,"delivered_to":1}`)
			for _, form := range []string{text, norm.NFD.String(text)} {
				item := append(appendString([]byte(`[{"text":"hi","room":`), form), "}]"...)
				if w := request(t, a, "POST", "/v1/rooms/messages", string(item)); w.Code != 200 || !strings.Contains(w.Body.String(), `"failed":0`) {
					t.Errorf("batch: %d %s", w.Code, w.Body)
				}
			}
			sent := s.messages()
			for _, p := range sent {
				if p.Room != room {
					t.Errorf("published to %q, want %q", p.Room, room)
				}
			}
			if len(sent) != 4 {
				t.Errorf("%d were published", len(sent))
			}
			named := string(appendString(nil, room))
			for _, prefix := range []string{text, text[:min(3, len(text))]} {
				if w := request(t, a, "GET", "/v1/rooms?prefix="+url.QueryEscape(prefix), ""); !strings.Contains(w.Body.String(), `{"room":`+named+`,`) {
					t.Errorf("rooms that begin with %q: %s", prefix, w.Body)
				}
			}
			answered(t, request(t, a, "GET", at, ""), 200, `{"room":`+named+`,"members":1,"rate":1.23}`)
			answered(t, request(t, a, "PUT", at+"/settings", `{"muted":true}`, "Content-Type", "application/json"), 200, `{"muted":true,"presence_events":true}`)
			answered(t, request(t, a, "GET", at+"/settings", ""), 200, `{"muted":true,"presence_events":true}`)
			answered(t, request(t, a, "POST", at+"/kick", appendJSONUser(text), "Content-Type", "application/json"), 200, `{"connections":3}`)
			if noted := strings.Join(s.noted(), "; "); !strings.Contains(noted, room) || text != room && strings.Contains(noted, text) {
				t.Errorf("the server was asked: %s", noted)
			}
			wantNoTrace(t, reg, &log)
		})
	}
}

// appendJSONUser is a kick of a user who has the room's name, as far as a user may.
func appendJSONUser(room string) string {
	return `{"user":` + string(appendString(nil, strings.TrimPrefix(room, "user:"))) + `}`
}

// wantNoTrace looks for what all names have that could leave one.
func wantNoTrace(t *testing.T, reg *prometheus.Registry, log *bytes.Buffer) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if text := f.String(); strings.Contains(text, "zzz") || strings.Contains(text, "proto__") {
			t.Errorf("a label from outside in %.300s", text)
		}
	}
	if log.Len() > 0 {
		t.Errorf("log: %.300s", log)
	}
}

// TestHostileRoomNamesOnTheWire: the same through net/http, which sees the path
// first. Nothing is redirected.
func TestHostileRoomNamesOnTheWire(t *testing.T) {
	s := &memServer{}
	base := serve(t, newAPI(t, Config{}, s))
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	for _, path := range []string{"", "..", ".", "*", "%2e%2e", "%0d%0a", "%00", "%40control", "%E2%80%AEzzz", strings.Repeat("z", 10<<10)} {
		w, err := client.Post(base+"/v1/rooms/"+path+"/messages", "text/plain", strings.NewReader("hi"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(w.Body)
		w.Body.Close()
		if err != nil || w.StatusCode != 400 {
			t.Errorf("%.20q: %d %s %v", path, w.StatusCode, body, err)
		}
	}
	if len(s.messages()) != 0 {
		t.Errorf("sent %v", s.messages())
	}
}

// TestHostilePublish: none of it is sent, all of it is refused for its own
// reason. That keys are compared in constant time is the doing of
// crypto/subtle on hashes of equal length; a test by the clock would prove
// nothing here.
func TestHostilePublish(t *testing.T) {
	const room, batch = "/v1/rooms/r/messages", "/v1/rooms/messages"
	items := func(n int, item string) string { return "[" + strings.Repeat(item+",", n-1) + item + "]" }
	asJSON := []string{"Content-Type", "application/json"}
	good := `{"room":"r","text":"x"}`
	tests := []struct {
		name, path, body, token string
		header                  []string
		status                  int
		code                    string
	}{
		{"no key", room, "hi", "", nil, 401, "unauthorized"},
		{"bad key", room, "hi", "Bearer s3creT", nil, 401, "unauthorized"},
		{"10 KB key", room, "hi", "Bearer " + strings.Repeat("s", 10<<10), nil, 401, "unauthorized"},
		{"no key, huge body", room, strings.Repeat("x", 8<<20), "", nil, 401, "unauthorized"},
		{"huge body", room, strings.Repeat("x", 8<<20), "Bearer s3cret", nil, 413, "message_too_large"},
		{"huge JSON body", room, strings.Repeat("[", 8<<20), "Bearer s3cret", asJSON, 413, "message_too_large"},
		{"a million messages", batch, items(1_000_000, good), "Bearer s3cret", nil, 413, "batch_too_large"},
		{"a million empty ones", batch, items(1_000_000, "{}"), "Bearer s3cret", nil, 413, "batch_too_large"},
		{"one over the bound", batch, items(1001, good), "Bearer s3cret", nil, 413, "batch_too_large"},
		{"batch of the wrong type", batch, items(1, good), "Bearer s3cret", []string{"Content-Type", "text/plain"}, 415, "unsupported_media_type"},
		{"batch as a form", batch, items(1, good), "Bearer s3cret", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"},
		{"JSON that is none", room, "hi", "Bearer s3cret", asJSON, 400, "invalid_json"},
		{"settings of the wrong type", "PUT /v1/rooms/r/settings", "{}", "Bearer s3cret", []string{"Content-Type", "text/yaml"}, 415, "unsupported_media_type"},
		{"huge command", "/v1/rooms/r/kick", strings.Repeat("x", 8<<20), "Bearer s3cret", nil, 413, "body_too_large"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &memServer{}
			a := newAPI(t, Config{Tokens: []string{"s3cret"}}, s)
			header := tt.header
			if tt.token != "" {
				header = append([]string{"Authorization", tt.token}, header...)
			}
			method, path, found := strings.Cut(tt.path, " ")
			if !found {
				method, path = "POST", tt.path
			}
			answered(t, request(t, a, method, path, tt.body, header...), tt.status, tt.code)
			if len(s.messages()) != 0 || len(s.noted()) != 0 {
				t.Errorf("the server was asked %v, sent %d", s.noted(), len(s.messages()))
			}
		})
	}
}

func TestFullBatch(t *testing.T) {
	s := &memServer{}
	w := request(t, newAPI(t, Config{}, s), "POST", "/v1/rooms/messages", "["+strings.Repeat(`{"room":"r","text":"x"},`, 999)+`{"room":"r","text":"x"}]`)
	if w.Code != 200 || len(s.messages()) != 1000 || strings.Count(w.Body.String(), `"id":`) != 1000 {
		t.Errorf("%d, %d sent", w.Code, len(s.messages()))
	}
}

// TestTooFast: where the server limits rates, the client learns for how long.
func TestTooFast(t *testing.T) {
	s := &memServer{onSend: func(context.Context) error { return coded(429, "srv_rate", "slow down", 7*time.Second) }}
	a := newAPI(t, Config{}, s)
	for _, path := range []string{"/v1/rooms/r/messages", "/v1/users/7/messages"} {
		w := request(t, a, "POST", path, "hi")
		answered(t, w, 429, "srv_rate")
		spread(t, w, "", 7)
	}
}

// TestReplay: a hundred times the same publish at once is delivered once.
func TestReplay(t *testing.T) {
	s := &memServer{rooms: map[string]int{"r": 5}}
	a := newAPI(t, Config{}, s)
	base := serve(t, a)
	// One connection each: one that was dialled and never used would hold up
	// Shutdown.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var wg sync.WaitGroup
	bodies := make(chan string, 100)
	for range 100 {
		wg.Go(func() { // ends when its request is answered; waited for below
			bodies <- publishWithKey(&client, base, "k")
		})
	}
	wg.Wait()
	close(bodies)
	for body := range bodies {
		if body != `200 {"id":"id-1","offset":1,"delivered_to":5}`+"\n" {
			t.Errorf("answer %s", body)
		}
	}
	if got := s.messages(); len(got) != 1 {
		t.Errorf("published %d times", len(got))
	}
	if got := testutil.ToFloat64(a.routes[0].ok); got != 100 {
		t.Errorf("%v requests counted", got)
	}
}

func publishWithKey(client *http.Client, base, key string) string {
	r, err := http.NewRequest("POST", base+"/v1/rooms/r/messages", strings.NewReader("hi"))
	if err != nil {
		return err.Error()
	}
	r.Header.Set(keyHeader, key)
	w, err := client.Do(r)
	if err != nil {
		return err.Error()
	}
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s", w.StatusCode, body)
}
