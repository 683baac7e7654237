// What is asked about rooms, users and connections, and done to them.

package api

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"barrage/internal/broker"
)

// TestQuestionsAndCommands: what is answered, and what the server was asked.
func TestQuestionsAndCommands(t *testing.T) {
	const reason = `"reason":"spam"`
	tests := []struct {
		name, method, path, body string
		status                   int
		want                     string
		calls                    []string
	}{
		{"members", "GET", "/v1/rooms/lobby/members", "", 200,
			`{"room":"lobby","users":[{"user":"7","name":"Ann","avatar":"https://x.example/a.png","status":"away","data":{"until":9}},{"user":"8"}],"total":5,"connections":9}`,
			[]string{"presence lobby limit 100"}},
		{"members of an empty room", "GET", "/v1/rooms/zz/members?limit=1000", "", 200, `{"room":"zz","users":[],"total":0,"connections":0}`, []string{"presence zz limit 1000"}},
		{"members limit", "GET", "/v1/rooms/lobby/members?limit=1001", "", 400, "invalid_limit", nil},
		{"clear", "DELETE", "/v1/rooms/lobby/messages", "", 200, `{"done":true}`, []string{"clear lobby"}},

		{"kick", "POST", "/v1/rooms/lobby/kick", `{"user":"7",` + reason + `,"for":"10m"}`, 200, `{"connections":3}`,
			[]string{"remove {Room:lobby User:7 Conn: Reason:spam For:10m0s Reconnect:false}"}},
		{"kick, least", "POST", "/v1/rooms/lobby/kick", `{"user":"7"}`, 200, `{"connections":3}`,
			[]string{"remove {Room:lobby User:7 Conn: Reason: For:0s Reconnect:false}"}},
		{"kick nobody", "POST", "/v1/rooms/lobby/kick", `{` + reason + `}`, 400, "bad_user", nil},
		{"kick null", "POST", "/v1/rooms/lobby/kick", `null`, 400, "bad_user", nil},
		{"kick without a body", "POST", "/v1/rooms/lobby/kick", ``, 400, "invalid_json", nil},
		{"kick mistyped", "POST", "/v1/rooms/lobby/kick", `{"user":"7","four":"10m"}`, 400, "invalid_json", nil},
		{"kick for ever", "POST", "/v1/rooms/lobby/kick", `{"user":"7","for":"721h"}`, 400, "invalid_for", nil},
		{"kick for a word", "POST", "/v1/rooms/lobby/kick", `{"user":"7","for":"long"}`, 400, "invalid_for", nil},
		{"kick with a long reason", "POST", "/v1/rooms/lobby/kick", `{"user":"7","reason":"` + strings.Repeat("x", 124) + `"}`, 400, "invalid_reason", nil},

		{"close", "POST", "/v1/rooms/lobby/close", `{` + reason + `}`, 200, `{"connections":3}`, []string{`close lobby "spam"`}},
		{"close without a body", "POST", "/v1/rooms/lobby/close", ``, 200, `{"connections":3}`, []string{`close lobby ""`}},
		{"close with a bad reason", "POST", "/v1/rooms/lobby/close", `{"reason":"\n"}`, 400, "invalid_reason", nil},

		{"user", "GET", "/v1/users/7", "", 200, `{"user":"7","online":true,"connections":2,"rooms":["lobby"]}`, nil},
		{"user offline", "GET", "/v1/users/8", "", 200, `{"user":"8","online":false,"connections":0,"rooms":[]}`, nil},
		{"user whose id is escaped", "GET", "/v1/users/auth0%3Ax%401", "", 200, `{"user":"auth0:x@1","online":false,"connections":0,"rooms":[]}`, nil},
		{"no user", "GET", "/v1/users/", "", 404, "not_found", nil},
		{"a user's room", "GET", "/v1/users/user:7", "", 400, "bad_user", nil},
		{"disconnect a user's room", "POST", "/v1/users/user:7/disconnect", "", 400, "bad_user", nil},
		{"kick a user's room", "POST", "/v1/rooms/lobby/kick", `{"user":"user:7"}`, 400, "bad_user", nil},
		{"user no token could name", "GET", "/v1/users/auth0%20x", "", 400, "bad_user", nil},
		{"disconnect a user", "POST", "/v1/users/7/disconnect", `{` + reason + `,"reconnect":true,"for":"90s"}`, 200, `{"connections":3}`,
			[]string{"remove {Room: User:7 Conn: Reason:spam For:1m30s Reconnect:true}"}},
		{"disconnect a user, least", "POST", "/v1/users/7/disconnect", ``, 200, `{"connections":3}`,
			[]string{"remove {Room: User:7 Conn: Reason: For:0s Reconnect:false}"}},
		{"disconnect a connection", "POST", "/v1/connections/c1/disconnect", `{` + reason + `}`, 200, `{"connections":3}`,
			[]string{"remove {Room: User: Conn:c1 Reason:spam For:0s Reconnect:false}"}},
		{"keep a connection out", "POST", "/v1/connections/c1/disconnect", `{"for":"10m"}`, 400, "invalid_for", nil},
		{"disconnect nothing", "POST", "/v1/connections//disconnect", ``, 400, "invalid_conn", nil},

		{"connections", "GET", "/v1/connections?user=7&room=lobby&limit=5", "", 200,
			`{"connections":[{"conn":"c1","user":"7","name":"Ann","address":"192.0.2.1:5","protocol":"barrage.v1","since":1700000000000,"rooms":["lobby"]},` +
				`{"conn":"c2","protocol":"raw","since":1700000000001,"rooms":[]}],"total":12}`,
			[]string{"connections {User:7 Room:lobby Limit:5}"}},
		{"connections of a user's room", "GET", "/v1/connections?user=user:7", "", 400, "bad_user", nil},
		{"connections in a bad room", "GET", "/v1/connections?room=*", "", 400, "bad_room", nil},
		{"workers", "GET", "/v1/workers?limit=2", "", 200,
			`{"workers":[{"conn":"c1","user":"7","address":"192.0.2.1:5","methods":["thumb.*"],"busy":1,"limit":4},{"conn":"c2","methods":[],"busy":0,"limit":16}],` +
				`"total":12,"elsewhere":[{"node":"n2","method":"thumb.*","busy":3,"limit":16}]}`,
			[]string{"workers 2"}},
		{"connections limit", "GET", "/v1/connections?limit=x", "", 400, "invalid_limit", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &memServer{rooms: map[string]int{"lobby": 3}, online: []string{"7"}}
			answered(t, request(t, newAPI(t, Config{}, s), tt.method, tt.path, tt.body), tt.status, tt.want)
			if got := s.noted(); !slices.Equal(got, tt.calls) {
				t.Errorf("the server was asked\n%q, want\n%q", got, tt.calls)
			}
		})
	}
}

func TestRoomDetails(t *testing.T) {
	s := &memServer{rooms: map[string]int{"r": 3}, detail: Room{
		Cluster: &Audience{Members: 30, Users: 20, Unique: 500},
		Head:    broker.Position{Epoch: "e1"}, Retention: broker.Retention{Messages: 100, Age: 10 * time.Minute},
	}}
	a := newAPI(t, Config{}, s)
	answered(t, request(t, a, "GET", "/v1/rooms/r", ""), 200, `{"room":"r","members":3,"rate":1.23,`+
		`"cluster":{"members":30,"users":20,"unique_viewers":500},"epoch":"e1","offset":0,"retention":{"messages":100,"age":"10m0s"}}`)
}

func TestHistory(t *testing.T) {
	head := broker.Position{Epoch: "e2", Offset: 9}
	messages := []*broker.Message{
		{ID: "a", Offset: 7, Time: 1700000000000, Format: broker.Text, Payload: []byte("hi <b>")},
		{ID: "b", Offset: 8, Time: 1700000000001, Format: broker.JSON, Payload: []byte(`{"x":null}`), Kind: "gift",
			Sender: broker.Sender{User: "7", Name: "Ann", Avatar: "u", Conn: "c1"}},
		{ID: "c", Offset: 9, Time: 1700000000002, Format: broker.Binary, Payload: nil, Confirm: true, TTL: 1000},
	}
	page := func(q broker.Query) broker.Page {
		if q.Bytes != maxPageBytes && q.Limit != 1 {
			t.Errorf("a page of %d messages is bounded to %d bytes", q.Limit, q.Bytes)
		}
		p := broker.Page{Messages: messages[len(messages)-min(q.Limit, 3):], Head: head}
		switch {
		case q.After == nil:
		case q.After.Epoch != head.Epoch && q.After.Offset > 0:
			p.Gap = &broker.Gap{Epoch: q.After.Epoch, From: q.After.Offset + 1, Reason: broker.GapEpoch}
		case q.After.Offset == 3:
			p.Gap = &broker.Gap{Epoch: head.Epoch, From: 4, To: 6, Reason: broker.GapTrimmed}
		case q.After.Offset == 8:
			p.Messages, p.More = messages[2:], true
		}
		return p
	}
	const a = `{"id":"a","offset":7,"time":1700000000000,"text":"hi \u003cb\u003e"}`
	const b = `{"id":"b","offset":8,"time":1700000000001,"sender":{"user":"7","name":"Ann","avatar":"u","conn":"c1"},"kind":"gift","data":{"x":null}}`
	const c = `{"id":"c","offset":9,"time":1700000000002,"base64":"","qos":1,"expires":1700000001002}`
	tests := []struct {
		name, query string
		status      int
		want        string // within the page; or the code
		calls       []string
	}{
		{"newest", "", 200, a + "," + b + "," + c + `],"epoch":"e2","offset":9`, []string{"history r limit 100"}},
		{"limited", "?limit=1", 200, c + `],"epoch":"e2","offset":9`, []string{"history r limit 1"}},
		{"from the beginning", "?after=0&limit=1000", 200, a + "," + b + "," + c + `],"epoch":"e2","offset":9`, []string{"history r after /0 limit 1000"}},
		{"after, in the present epoch", "?after=3", 200, a + "," + b + "," + c + `],"epoch":"e2","offset":9,"gap":{"epoch":"e2","from":4,"to":6,"reason":"trimmed"}`,
			[]string{"history r limit 1", "history r after e2/3 limit 100"}},
		{"more", "?after=8&epoch=e2", 200, c + `],"epoch":"e2","offset":9,"more":true`, []string{"history r after e2/8 limit 100"}},
		{"another epoch", "?after=5&epoch=e1", 200, a + "," + b + "," + c + `],"epoch":"e2","offset":9,"gap":{"epoch":"e1","from":6,"reason":"epoch"}`,
			[]string{"history r after e1/5 limit 100"}},
		{"epoch alone", "?epoch=e2", 400, "invalid_epoch", nil},
		{"long epoch", "?after=1&epoch=" + strings.Repeat("e", 65), 400, "invalid_epoch", nil},
		{"word", "?after=x", 400, "invalid_after", nil},
		{"too large", "?after=18446744073709551616", 400, "invalid_after", nil},
		{"limit", "?limit=1001", 400, "invalid_limit", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &memServer{page: page}
			want := tt.want
			if tt.status == 200 {
				want = `{"room":"r","messages":[` + tt.want + "}"
			}
			answered(t, request(t, newAPI(t, Config{}, s), "GET", "/v1/rooms/r/messages"+tt.query, ""), tt.status, want)
			if got := s.noted(); !slices.Equal(got, tt.calls) {
				t.Errorf("the server was asked %q, want %q", got, tt.calls)
			}
		})
	}
}

func TestHistoryOfNothing(t *testing.T) {
	a := newAPI(t, Config{}, &memServer{})
	for _, query := range []string{"", "?after=0", "?after=5", "?after=5&epoch=e"} {
		answered(t, request(t, a, "GET", "/v1/rooms/r/messages"+query, ""), 200, `{"room":"r","messages":[],"epoch":"","offset":0}`)
	}
}

// JSON that is none, left in the store by a stranger, is shown as text.
func TestHistoryOfBadJSON(t *testing.T) {
	s := &memServer{page: func(broker.Query) broker.Page {
		return broker.Page{Messages: []*broker.Message{{ID: "a", Format: broker.JSON, Payload: []byte("{")}}}
	}}
	answered(t, request(t, newAPI(t, Config{}, s), "GET", "/v1/rooms/r/messages", ""), 200,
		`{"room":"r","messages":[{"id":"a","offset":0,"time":0,"text":"{"}],"epoch":"","offset":0}`)
}

func TestSettings(t *testing.T) {
	s := &memServer{}
	a := newAPI(t, Config{}, s)
	const path = "/v1/rooms/r/settings"
	const unset = `{"muted":false,"presence_events":true}`
	answered(t, request(t, a, "GET", path, ""), 200, unset)
	// What is put is what is answered, at once and later.
	for _, x := range []struct {
		body, answer string
		set          broker.RoomSettings
	}{
		{`{"muted":true,"presence_events":false}`, `{"muted":true,"presence_events":false}`, broker.RoomSettings{Muted: true, Quiet: true}},
		{`{"presence_events":false}`, `{"muted":false,"presence_events":false}`, broker.RoomSettings{Quiet: true}},
		{`{"muted":true}`, `{"muted":true,"presence_events":true}`, broker.RoomSettings{Muted: true}},
		{`{"presence_events":true}`, unset, broker.RoomSettings{}},
		{`{"history":{"messages":5e2,"age":"1h"}}`, `{"muted":false,"presence_events":true,"history":{"messages":500,"age":"1h0m0s"}}`,
			broker.RoomSettings{History: &broker.Retention{Messages: 500, Age: time.Hour}}},
		{`{"muted":true,"history":{"messages":0}}`, `{"muted":true,"presence_events":true,"history":{"messages":0,"age":"0s"}}`,
			broker.RoomSettings{Muted: true, History: &broker.Retention{}}},
		{`{"history":{"messages":100000,"age":"8760h"}}`, `{"muted":false,"presence_events":true,"history":{"messages":100000,"age":"8760h0m0s"}}`,
			broker.RoomSettings{History: &broker.Retention{Messages: 100_000, Age: 8760 * time.Hour}}},
		{`{"history":{"messages":100,"age":"10m","bytes":1048576}}`, `{"muted":false,"presence_events":true,"history":{"messages":100,"age":"10m0s","bytes":1048576}}`,
			broker.RoomSettings{History: &broker.Retention{Messages: 100, Age: 10 * time.Minute, Bytes: 1 << 20}}},
		{`{"target_rate":25}`, `{"muted":false,"presence_events":true,"target_rate":25}`, broker.RoomSettings{Rate: 25}},
		{`{}`, unset, broker.RoomSettings{}},
	} {
		answered(t, request(t, a, "PUT", path, x.body), 200, x.answer)
		answered(t, request(t, a, "GET", path, ""), 200, x.answer)
		if got := s.settings["r"]; !reflect.DeepEqual(got, x.set) {
			t.Errorf("%s sets %+v, want %+v", x.body, got, x.set)
		}
	}
	s.settings["r"] = broker.RoomSettings{Muted: true, Quiet: true}
	answered(t, request(t, a, "DELETE", path, ""), 200, unset)
	if got := s.settings["r"]; got != (broker.RoomSettings{}) {
		t.Errorf("deleted, and %+v is set", got)
	}
	for body, code := range map[string]string{
		`{"target_rate":0.5}`: "invalid_target_rate", `{"target_rate":10001}`: "invalid_target_rate", `{"target_rate":"25"}`: "invalid_json",
		"": "invalid_json", "[]": "invalid_json", `{"muted":1}`: "invalid_json", `{"mute":true}`: "invalid_json", `{} {}`: "invalid_json", "{\"\xff\":1}": "invalid_json",
		`{"retention":{"messages":5,"age":"1h"}}`: "invalid_json", `{"history":{"messages":"5","age":"1h"}}`: "invalid_json", `{"history":5}`: "invalid_json",
		`{"history":{"messages":-1,"age":"1h"}}`: "invalid_history", `{"history":{"messages":100001,"age":"1h"}}`: "invalid_history",
		`{"history":{"messages":5,"age":"1h","bytes":-1}}`: "invalid_history", `{"history":{"messages":5,"age":"1h","bytes":4095}}`: "invalid_history",
		`{"history":{"messages":5,"age":"1h","bytes":1073741825}}`: "invalid_history", `{"history":{"messages":5,"age":"1h","bytes":"4MiB"}}`: "invalid_json",
		`{"history":{"messages":5}}`: "invalid_history", `{"history":{"messages":5,"age":"999ms"}}`: "invalid_history",
		`{"history":{"messages":5,"age":"8761h"}}`: "invalid_history", `{"history":{"messages":5,"age":"soon"}}`: "invalid_history",
	} {
		answered(t, request(t, a, "PUT", path, body), 400, code)
	}
}

func TestBanAddress(t *testing.T) {
	s := &memServer{}
	a := newAPI(t, Config{}, s)
	answered(t, request(t, a, "POST", "/v1/bans", `{"address":"192.0.2.7","reason":"spam","for":"1h"}`), 200, `{"address":"192.0.2.7/32","reason":"spam","until":1700000000003}`)
	if want := []string{`ban 192.0.2.7 "spam" for 1h0m0s`}; !slices.Equal(s.noted(), want) {
		t.Errorf("%q, want %q", s.noted(), want)
	}
	for body, code := range map[string]string{
		`{}`: "invalid_address", `{"address":"192.0.2.256","for":"1h"}`: "invalid_address", `{"address":"10.0.0.0/7","for":"1h"}`: "invalid_address",
		`{"address":"2000::/15","for":"1h"}`: "invalid_address", `{"address":"192.0.2.7"}`: "invalid_for", `{"address":"192.0.2.7","for":"0s"}`: "invalid_for",
		`{"address":"192.0.2.7","for":"721h"}`: "invalid_for", `{"address":"192.0.2.7","for":"1h","reason":"\n"}`: "invalid_reason", `{"address":7}`: "invalid_json",
	} {
		answered(t, request(t, a, "POST", "/v1/bans", body), 400, code)
	}
}

func TestLists(t *testing.T) {
	s := &memServer{settings: map[string]broker.RoomSettings{"lobby": {Muted: true}, "live": {History: &broker.Retention{}}, "aula": {Quiet: true}}}
	a := newAPI(t, Config{}, s)
	const (
		aula  = `{"room":"aula","settings":{"muted":false,"presence_events":false}}`
		live  = `{"room":"live","settings":{"muted":false,"presence_events":true,"history":{"messages":0,"age":"0s"}}}`
		lobby = `{"room":"lobby","settings":{"muted":true,"presence_events":true}}`
		ann   = `{"user":"7","reason":"spam","until":1700000000000}`
		ann2  = `{"user":"7","room":"lobby","until":1700000000001}`
		bob   = `{"user":"8","room":"lobby","until":1700000000002}`
		net   = `{"address":"203.0.113.0/24","until":1700000000003}`
	)
	for target, want := range map[string]string{
		"/v1/settings":                       `{"rooms":[` + aula + `,` + live + `,` + lobby + `],"total":3}`,
		"/v1/settings?prefix=l":              `{"rooms":[` + live + `,` + lobby + `],"total":2}`,
		"/v1/settings?limit=1":               `{"rooms":[` + aula + `],"total":3}`,
		"/v1/settings?prefix=x":              `{"rooms":[],"total":0}`,
		"/v1/bans":                           `{"bans":[` + ann + `,` + ann2 + `,` + bob + `,` + net + `],"total":4}`,
		"/v1/bans?user=7":                    `{"bans":[` + ann + `,` + ann2 + `],"total":2}`,
		"/v1/bans?room=lobby&limit=1":        `{"bans":[` + ann2 + `],"total":2}`,
		"/v1/bans?user=9":                    `{"bans":[],"total":0}`,
		"/v1/bans?address=203.0.113.9":       `{"bans":[` + net + `],"total":1}`,
		"/v1/bans?address=203.0.113.8/29":    `{"bans":[` + net + `],"total":1}`,
		"/v1/bans?address=203.0.112.0/23":    `{"bans":[],"total":0}`,
		"/v1/bans?user=8&room=lobby&limit=1": `{"bans":[` + bob + `],"total":1}`,
	} {
		answered(t, request(t, a, "GET", target, ""), 200, want)
	}
	answered(t, request(t, a, "GET", "/v1/bans?room=-*", ""), 400, "bad_room")
	answered(t, request(t, a, "GET", "/v1/settings?limit=0", ""), 400, "invalid_limit")

	answered(t, request(t, a, "DELETE", "/v1/bans/7", ""), 200, `{"done":true}`)
	answered(t, request(t, a, "DELETE", "/v1/bans/7?room=lobby", ""), 200, `{"done":true}`)
	answered(t, request(t, a, "DELETE", "/v1/bans/7?room=-*", ""), 400, "bad_room")
	answered(t, request(t, a, "DELETE", "/v1/bans/user:7", ""), 400, "bad_user")
	answered(t, request(t, a, "DELETE", "/v1/bans?address=203.0.113.0/24", ""), 200, `{"done":true}`)
	for _, bad := range []string{"", "?address=", "?address=x", "?address=0.0.0.0/0", "?address=::/0", "?address=fe80::1%25eth0", "?address=1.2.3.4&address=1.2.3.4"} {
		answered(t, request(t, a, "DELETE", "/v1/bans"+bad, ""), 400, "invalid_address")
	}
	if want := []string{`lift 7 from ""`, `lift 7 from "lobby"`, "lift 203.0.113.0/24"}; !slices.Equal(s.noted(), want) {
		t.Errorf("%q, want %q", s.noted(), want)
	}
}

// A server that cannot do something says so by its error, wherever it is asked.
func TestServerRefuses(t *testing.T) {
	refusal := fmt.Errorf("edge: %w", coded(503, "srv_not_here", "presence is turned off", 5*time.Second))
	for _, e := range newAPI(t, Config{}, &memServer{}).routes {
		body := map[string]string{"kick": `{"user":"7"}`, "settings": `{}`, "bans": `{"address":"192.0.2.7","for":"1h"}`}[e.pattern[strings.LastIndexByte(e.pattern, '/')+1:]]
		switch {
		case e.open, !strings.HasPrefix(e.pattern, "/v1/"), e.pattern == "/v1/rooms", e.method == "POST" && strings.HasSuffix(e.pattern, "/messages"):
			continue // asks nothing that can be refused, or is tested above
		}
		if e.method != "POST" && e.method != "PUT" {
			body = ""
		}
		t.Run(e.method+" "+e.pattern, func(t *testing.T) {
			a := newAPI(t, Config{}, &memServer{err: refusal, rooms: map[string]int{"x": 1}})
			target := strings.NewReplacer("{room}", "x", "{user}", "x", "{conn}", "x", "{key}", "x").Replace(e.pattern)
			switch {
			case e.pattern == "/v1/broadcast":
				target += "?pattern=x"
			case e.pattern == "/v1/trace":
				target += "?user=x"
			case e.pattern == "/v1/bans" && e.method == "DELETE":
				target += "?address=192.0.2.7"
			}
			w := request(t, a, e.method, target, body)
			answered(t, w, 503, "srv_not_here")
			spread(t, w, "", 5)
			if !strings.Contains(w.Body.String(), "presence is turned off") {
				t.Errorf("%v %s", w.Header(), w.Body)
			}
		})
	}
}

func TestKeys(t *testing.T) {
	s := new(memServer)
	a := newAPI(t, Config{}, s)
	answered(t, request(t, a, "GET", "/v1/keys", ""), 200,
		`{"keys":[{"key":"shop","rooms":["a"],"publish":true,"subscribe":false,"get":true,"origins":["https://a.example"],"rate":2,"expires":1700000000000,"revoked":false},`+
			`{"key":"gone","rooms":[],"publish":false,"subscribe":false,"get":false,"rate":0,"revoked":true}]}`)
	answered(t, request(t, a, "POST", "/v1/keys/shop/revoke", `{"reason":"it leaked"}`), 200, `{"done":true}`)
	answered(t, request(t, a, "POST", "/v1/keys/shop/revoke", ""), 200, `{"done":true}`)
	answered(t, request(t, a, "DELETE", "/v1/keys/shop/revoke", ""), 200, `{"done":true}`)
	answered(t, request(t, a, "POST", "/v1/keys/shop/revoke", `{"why":"x"}`), 400, "invalid_json")
	answered(t, request(t, a, "POST", "/v1/keys/shop/revoke", `{"reason":"`+strings.Repeat("x", 124)+`"}`), 400, "invalid_reason")
	if want := []string{`revoke shop "it leaked"`, `revoke shop ""`, "restore shop"}; !slices.Equal(s.noted(), want) {
		t.Errorf("%q, want %q", s.noted(), want)
	}
}

// TestRoomsByCost: the list is by what was asked for.
func TestRoomsByCost(t *testing.T) {
	a := newAPI(t, Config{}, &memServer{rooms: map[string]int{"big": 9, "small": 1, "silent": 2}})
	const big, small, silent = `{"room":"big","members":9,"rate":0.5,"bytes":5,"skipped":0}`, `{"room":"small","members":1,"rate":0.5,"bytes":7,"skipped":1}`, `{"room":"silent","members":2,"rate":0.5,"bytes":0,"skipped":0}`
	for by, want := range map[string]string{
		"members": big + "," + silent + "," + small, "rate": big + "," + silent + "," + small,
		"bytes": small + "," + big + "," + silent, "skipped": small + "," + big + "," + silent,
	} {
		answered(t, request(t, a, "GET", "/v1/rooms?by="+by, ""), 200, `{"rooms":[`+want+`],"total":3}`)
	}
}
