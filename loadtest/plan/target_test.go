// What connections say and where messages go.

package plan

import (
	"encoding/binary"
	"encoding/json"
	"slices"
	"testing"
)

func TestTarget(t *testing.T) {
	for _, tt := range []struct {
		url, room string
		want      [3]string // address, path, host
	}{
		{"ws://h:8080/ws?room={room}", "a", [3]string{"h:8080", "/ws?room=a", "h:8080"}},
		{"ws://h", "a", [3]string{"h:80", "/", "h"}},
		{"ws://h?x=1", "a", [3]string{"h:80", "/?x=1", "h"}},
		{"ws://[::1]/x", "a", [3]string{"[::1]:80", "/x", "[::1]"}},
		{"ws://[::1]:9/x", "a", [3]string{"[::1]:9", "/x", "[::1]:9"}},
		{"ws://h/{room}/x?r={room}&s={room}", "a/b&c d", [3]string{"h:80", "/a%2Fb&c%20d/x?r=a%2Fb%26c+d&s=a%2Fb%26c+d", "h"}},
	} {
		g := NewGreeter(&Plan{URLs: []string{tt.url}})
		who := g.Who(7, tt.room)
		path, _ := g.Request(7, &who)
		if at := g.Targets[0]; [3]string{at.Address, path, at.Host} != tt.want {
			t.Errorf("%s: %+v %s, want %+v", tt.url, at, path, tt.want)
		}
	}
	for text, want := range map[string]string{"ws://h/ws?room={room}": "/ws?room=a&batch=1", "ws://h/ws": "/ws?batch=1"} {
		g := NewGreeter(&Plan{URLs: []string{text}, Batch: true})
		who := g.Who(7, "a")
		if path, _ := g.Request(7, &who); path != want {
			t.Errorf("%s in batches: %s, want %s", text, path, want)
		}
	}
	g := NewGreeter(&Plan{URLs: []string{"ws://a", "ws://b"}})
	if g.Targets[g.Which(2)].Host != "a" || g.Targets[g.Which(3)].Host != "b" {
		t.Error("the URLs are not taken in turn")
	}
}

// TestWho: each connection has its own user, and its token is where a text says,
// or else in the usual header.
func TestWho(t *testing.T) {
	for _, tt := range []struct {
		name    string
		plan    Plan
		path    string
		headers []string
		opens   string
	}{
		{"none", Plan{URLs: []string{"ws://h/{user}"}, User: "u{n}"}, "/u8", nil, ""},
		{"usual header", Plan{URLs: []string{"ws://h/"}, User: "u{n}", Token: "t.{user}", Headers: []string{"X: {room}"}},
			"/", []string{"X: r&", "Authorization: Bearer t.u8"}, ""},
		{"header", Plan{URLs: []string{"ws://h/"}, User: "u{n}", Token: "t.{user}", Headers: []string{"X: {user} {token}"}},
			"/", []string{"X: u8 t.u8"}, ""},
		{"URL", Plan{URLs: []string{"ws://h/?r={room}&t={token}"}, User: "u{n}", Token: "a&b"}, "/?r=r%26&t=a%26b", nil, ""},
		{"first message", Plan{URLs: []string{"ws://h/"}, User: "u{n}", Token: "t.{user}", OpenText: `{"token":"{token}"}`},
			"/", nil, `{"token":"t.u8"}`},
	} {
		g := NewGreeter(&tt.plan)
		who := g.Who(7, "r&")
		path, headers := g.Request(7, &who)
		opens := ""
		for _, m := range g.Messages(&who) {
			opens += string(m.Payload)
		}
		if path != tt.path || !slices.Equal(headers, tt.headers) || opens != tt.opens {
			t.Errorf("%s: %s %q %s", tt.name, path, headers, opens)
		}
	}
}

func TestRefused(t *testing.T) {
	p := Plan{Refusals: []string{"no", `{"error`}}
	for text, want := range map[string]bool{"no": true, "nothing": true, "n": false, "": false, `{"errors"`: true, " no": false} {
		if p.Refused([]byte(text)) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

func TestTemplates(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"{payload}", "P"},
		{`{"room":"{room}","m":"{payload}"}`, `{"room":"R","m":"P"}`},
		{"{{room}}{", "{R}{"},
		{"{room{payload}", "{roomP"},
		{"", ""},
	} {
		p := Plan{SendText: tt.text, PublishBody: tt.text}
		if got := string(p.AppendSocketMessage([]byte("x"), "R", []byte("P"))); got != "x"+tt.want {
			t.Errorf("%s: %q", tt.text, got)
		}
		if got := string(p.AppendPublishBody(nil, "R", []byte("P"))); got != tt.want {
			t.Errorf("%s: %q", tt.text, got)
		}
	}
	p := Plan{PublishURL: "http://h/{room}", RedisChannel: "c:{room}"}
	if p.PublishTarget("a b") != "http://h/a%20b" || p.PublishChannel("a b") != "c:a b" {
		t.Error(p.PublishTarget("a b"), p.PublishChannel("a b"))
	}
}

func TestSocketMessageAllocatesNothing(t *testing.T) {
	p := Plan{SendText: `{"room":"{room}","m":"{payload}"}`}
	buf, payload := make([]byte, 0, 256), []byte("payload")
	if n := testing.AllocsPerRun(100, func() { buf = p.AppendSocketMessage(buf[:0], "room", payload) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestOpenMessages(t *testing.T) {
	p := Plan{OpenText: "join {room}", OpenHex: "00ff"}
	got := NewGreeter(&p).Messages(&Who{Room: "a"})
	if len(got) != 2 || got[0].Binary || string(got[0].Payload) != "join a" || !got[1].Binary || string(got[1].Payload) != "\x00\xff" {
		t.Errorf("%v", got)
	}
	if got := NewGreeter(new(Plan)).Messages(&Who{Room: "a"}); got != nil {
		t.Errorf("%v", got)
	}
}

// TestGoim checks the packet as goim's comet reads it (api/protocol).
func TestGoim(t *testing.T) {
	p := Plan{Preset: presetGoim}
	got := NewGreeter(&p).Messages(&Who{Room: `a"b`})
	if len(got) != 1 || !got[0].Binary {
		t.Fatalf("%v", got)
	}
	b := got[0].Payload
	if binary.BigEndian.Uint32(b) != uint32(len(b)) || string(b[4:16]) != "\x00\x10\x00\x01\x00\x00\x00\x07\x00\x00\x00\x01" {
		t.Errorf("header % x", b[:16])
	}
	var body struct {
		Mid     int64   `json:"mid"`
		RoomID  string  `json:"room_id"`
		Accepts []int32 `json:"accepts"`
	}
	if err := json.Unmarshal(b[16:], &body); err != nil || body.RoomID != `live://a"b` || body.Accepts[0] != 1000 {
		t.Errorf("%s: %v", b[16:], err)
	}
	p.OpenText = "other"
	if got := NewGreeter(&p).Messages(&Who{Room: "a"}); len(got) != 1 || got[0].Binary {
		t.Errorf("a setting does not replace the preset's: %v", got)
	}
}

func TestSkip(t *testing.T) {
	for text, want := range map[string]int{"search": -1, "skip:0": 0, "skip:16": 16, "": -1, "skip:x": -1} {
		if got := (&Plan{Stamp: text}).Skip(); got != want {
			t.Errorf("%s: %d", text, got)
		}
	}
}
