// Publishing many messages: batches, broadcasts.

package api

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"barrage/internal/broker"
)

func TestBatch(t *testing.T) {
	s := &memServer{rooms: map[string]int{"a": 2}, epoch: "e"}
	a := newAPI(t, Config{}, s)
	w := request(t, a, "POST", "/v1/rooms/messages", ` [
		{"room":"a","text":"hi","kind":"gift","user":"7","name":"Ann","avatar":"https://x.example/u"},
		{"room":"b","data":{ "x" : 1 },"key":"k","history":false},
		{"room":"b","data":null,"history":true,"ttl":"90s","qos":1.0},
		{"room":"b","base64":"AP8="},
		{"room":"b","base64":""},
		{"room":"b","data":2,"key":"k"}
	] `)
	answered(t, w, 200, `{"results":[`+
		`{"id":"id-1","offset":1,"delivered_to":2,"epoch":"e"},`+
		`{"id":"id-1","offset":2,"delivered_to":0,"epoch":"e"},`+
		`{"id":"id-1","offset":3,"delivered_to":0,"epoch":"e"},`+
		`{"id":"id-1","offset":4,"delivered_to":0,"epoch":"e"},`+
		`{"id":"id-1","offset":5,"delivered_to":0,"epoch":"e"},`+
		`{"id":"id-1","offset":2,"delivered_to":0,"epoch":"e","replayed":true}],"failed":0}`)
	want := []broker.Publication{
		{Room: "a", Format: broker.Text, Payload: []byte("hi"), Kind: "gift", Sender: broker.Sender{User: "7", Name: "Ann", Avatar: "https://x.example/u"}},
		{Room: "b", Format: broker.JSON, Payload: []byte(`{"x":1}`), Key: "k", Forget: true},
		{Room: "b", Format: broker.JSON, Payload: []byte("null"), TTL: 90_000, Confirm: true},
		{Room: "b", Format: broker.Binary, Payload: []byte{0, 0xff}},
		{Room: "b", Format: broker.Binary, Payload: []byte{}},
	}
	if got := s.messages(); !reflect.DeepEqual(got, want) {
		t.Errorf("sent %+v, want %+v", got, want)
	}
}

// What is wrong with one message does not stop the others.
func TestBatchItems(t *testing.T) {
	tests := []struct{ name, item, code string }{
		{"no room", `{"text":"x"}`, "bad_room"},
		{"bad room", `{"room":"*","text":"x"}`, "bad_room"},
		{"no payload", `{"room":"r"}`, "invalid_message"},
		{"two payloads", `{"room":"r","text":"","data":1}`, "invalid_message"},
		{"null is no text", `{"room":"r","text":null}`, "invalid_message"},
		{"kind", `{"room":"r","text":"x","kind":"` + strings.Repeat("k", 65) + `"}`, "bad_kind"},
		{"name", `{"room":"r","text":"x","name":"\u0007"}`, "invalid_name"},
		{"avatar", `{"room":"r","text":"x","avatar":"javascript:alert(1)"}`, "invalid_avatar"},
		{"key", `{"room":"r","text":"x","key":"\u0001"}`, "invalid_key"},
		{"long key", `{"room":"r","text":"x","key":"` + strings.Repeat("k", 129) + `"}`, "invalid_key"},
		{"base64", `{"room":"r","base64":"!"}`, "invalid_json"},
		{"ttl", `{"room":"r","text":"x","ttl":"8d"}`, "invalid_ttl"},
		{"ttl of a number", `{"room":"r","text":"x","ttl":1000}`, "invalid_json"},
		{"qos", `{"room":"r","text":"x","qos":2}`, "invalid_qos"},
		{"mistyped", `{"room":"r","txt":"x"}`, "invalid_json"},
		{"wrong type", `{"room":7,"text":"x"}`, "invalid_json"},
		{"no object", `"r"`, "invalid_json"},
		{"too large", `{"room":"r","text":"` + strings.Repeat("x", 101) + `"}`, "message_too_large"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &memServer{}
			a := newAPI(t, Config{MaxBody: 100}, s)
			// Not by request: the description forbids such items, and they are answered.
			w := rawRequest(a, "POST", "/v1/rooms/messages", "["+tt.item+`,{"room":"r","text":"good"}]`)
			var got struct {
				Results []struct{ Error *errorBody }
				Failed  int
			}
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 || len(got.Results) != 2 {
				t.Fatalf("%d %s %v", w.Code, w.Body, err)
			}
			if e := got.Results[0].Error; e == nil || e.Code != tt.code || e.Message == "" || got.Failed != 1 || got.Results[1].Error != nil {
				t.Errorf("%s, want code %s", w.Body, tt.code)
			}
			if sent := s.messages(); len(sent) != 1 || string(sent[0].Payload) != "good" {
				t.Errorf("sent %+v", sent)
			}
		})
	}
}

func TestBatchWhole(t *testing.T) {
	tests := []struct {
		name, body string
		status     int
		want       string
	}{
		{"none", "[]", 200, `{"results":[],"failed":0}`},
		{"empty", "", 400, "invalid_json"},
		{"object", "{}", 400, "invalid_json"},
		{"cut", `[{"room":"r","text":"x"}`, 400, "invalid_json"},
		{"cut within", `[{"room":`, 400, "invalid_json"},
		{"comma", `[{"room":"r","text":"x"},]`, 400, "invalid_json"},
		{"more behind", `[] []`, 400, "invalid_json"},
		{"not UTF-8", "[\"\xff\"]", 400, "invalid_json"},
		{"deep", strings.Repeat("[", 20000), 400, "invalid_json"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &memServer{}
			answered(t, request(t, newAPI(t, Config{}, s), "POST", "/v1/rooms/messages", tt.body), tt.status, tt.want)
			if len(s.messages()) != 0 {
				t.Errorf("sent %+v", s.messages())
			}
		})
	}
}

func TestBatchServerFails(t *testing.T) {
	n := 0
	s := &memServer{onSend: func(context.Context) error {
		if n++; n == 2 {
			return coded(429, "srv_too_fast", "slow down", 1500*time.Millisecond)
		}
		return nil
	}}
	w := request(t, newAPI(t, Config{}, s), "POST", "/v1/rooms/messages", `[{"room":"r","text":"1"},{"room":"r","text":"2"},{"room":"r","text":"3"}]`)
	for _, part := range []string{
		`{"results":[{"id":"id-1","offset":1,"delivered_to":0},{"error":{"code":"srv_too_fast","message":"slow down","retry_after":`,
		`}},{"id":"id-1","offset":2,"delivered_to":0}],"failed":1}`,
	} {
		if w.Code != 200 || !strings.Contains(w.Body.String(), part) {
			t.Errorf("%d %s, want %s", w.Code, w.Body, part)
		}
	}
	spread(t, w, `"retry_after":`, 2)
}

func TestBroadcast(t *testing.T) {
	rooms := map[string]int{"live:1": 2, "live:2": 3, "lobby": 4}
	tests := []struct {
		name, query string
		status      int
		want        string
		sentTo      []string
	}{
		{"all", "?pattern=*", 200, `{"rooms":3,"delivered_to":9}`, []string{"live:1", "live:2", "lobby"}},
		{"some", "?pattern=live:*", 200, `{"rooms":2,"delivered_to":5}`, []string{"live:1", "live:2"}},
		{"one", "?pattern=lobby", 200, `{"rooms":1,"delivered_to":4}`, []string{"lobby"}},
		{"none", "?pattern=zz*", 200, `{"rooms":0,"delivered_to":0}`, nil},
		{"at the limit", "?pattern=*&limit=3", 200, `{"rooms":3,"delivered_to":9}`, []string{"live:1", "live:2", "lobby"}},
		{"over the limit", "?pattern=*&limit=2", 422, "too_many_rooms", nil},
		{"limit 0", "?pattern=*&limit=0", 400, "invalid_limit", nil},
		{"limit 10001", "?pattern=*&limit=10001", 400, "invalid_limit", nil},
		{"no pattern", "", 400, "invalid_pattern", nil},
		{"two patterns", "?pattern=a&pattern=b", 400, "invalid_pattern", nil},
		{"Redis pattern", "?pattern=[a-z]%3F", 200, `{"rooms":0,"delivered_to":0}`, nil},
		{"long pattern", "?pattern=" + strings.Repeat("*", 129), 400, "invalid_pattern", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &memServer{rooms: rooms}
			answered(t, request(t, newAPI(t, Config{}, s), "POST", "/v1/broadcast"+tt.query, "hi"), tt.status, tt.want)
			var got []string
			for _, m := range s.messages() {
				if string(m.Payload) != "hi" || m.Format != broker.Text {
					t.Errorf("sent %+v", m)
				}
				got = append(got, m.Room)
			}
			if !slices.Equal(got, tt.sentTo) {
				t.Errorf("sent to %v, want %v", got, tt.sentTo)
			}
			if tt.status == 400 && len(s.noted()) != 0 {
				t.Errorf("the server was asked %v", s.noted())
			}
		})
	}
}

func TestBroadcastDefaultLimit(t *testing.T) {
	s := &memServer{rooms: map[string]int{}}
	for i := range defaultBroadcast + 1 {
		s.rooms["r"+strconv.Itoa(i)] = 1
	}
	a := newAPI(t, Config{}, s)
	answered(t, request(t, a, "POST", "/v1/broadcast?pattern=r*", "hi"), 422, "too_many_rooms")
	answered(t, request(t, a, "POST", "/v1/broadcast?pattern=r*&limit=10000", "hi"), 200, `{"rooms":1001,"delivered_to":1001}`)
}

// Repeating a broadcast with its key sends it where it failed, and only there.
func TestBroadcastFails(t *testing.T) {
	failing := map[int]bool{1: true}
	n := 0
	s := &memServer{rooms: map[string]int{"a": 1, "b": 1}, local: true, onSend: func(context.Context) error {
		if n++; failing[n] {
			return broker.ErrUnavailable
		}
		return nil
	}}
	a := newAPI(t, Config{}, s)
	w := request(t, a, "POST", "/v1/broadcast?pattern=*", "hi", keyHeader, "k")
	if want := `{"rooms":1,"delivered_to":1,"local_only":true,"failed":1,"error":{"code":"unavailable","message":"` + errUnavailable.Error() + `","retry_after":`; w.Code != 200 || !strings.HasPrefix(w.Body.String(), want) {
		t.Errorf("%d %s, want %s", w.Code, w.Body, want)
	}
	spread(t, w, `"retry_after":`, 1)
	answered(t, request(t, a, "POST", "/v1/broadcast?pattern=*", "hi", keyHeader, "k"), 200, `{"rooms":2,"delivered_to":2,"local_only":true}`)
	if sent := s.messages(); len(sent) != 2 {
		t.Errorf("sent %+v", sent)
	}
	failing = map[int]bool{5: true, 6: true}
	answered(t, request(t, a, "POST", "/v1/broadcast?pattern=*", "hi", keyHeader, "k"), 503, "unavailable")
	s.err = coded(503, "srv_down", "down", 0)
	answered(t, request(t, a, "POST", "/v1/broadcast?pattern=*", "hi"), 503, "srv_down")
}
