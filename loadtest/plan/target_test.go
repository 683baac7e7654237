package plan

import (
	"encoding/binary"
	"encoding/json"
	"testing"
)

func TestTarget(t *testing.T) {
	for _, tt := range []struct {
		url, room string
		want      Target
	}{
		{"ws://h:8080/ws?room={room}", "a", Target{"h:8080", "/ws?room=a", "h:8080"}},
		{"ws://h", "a", Target{"h:80", "/", "h"}},
		{"ws://h?x=1", "a", Target{"h:80", "/?x=1", "h"}},
		{"ws://[::1]/x", "a", Target{"[::1]:80", "/x", "[::1]"}},
		{"ws://[::1]:9/x", "a", Target{"[::1]:9", "/x", "[::1]:9"}},
		{"ws://h/{room}/x?r={room}&s={room}", "a/b&c d", Target{"h:80", "/a%2Fb&c%20d/x?r=a%2Fb%26c+d&s=a%2Fb%26c+d", "h"}},
	} {
		p := Plan{URLs: []string{tt.url}}
		if got := p.Target(7, tt.room); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.url, got, tt.want)
		}
	}
	p := Plan{URLs: []string{"ws://a", "ws://b"}}
	if p.Target(2, "").Host != "a" || p.Target(3, "").Host != "b" {
		t.Error("the URLs are not taken in turn")
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
	got := p.OpenMessages("a")
	if len(got) != 2 || got[0].Binary || string(got[0].Payload) != "join a" || !got[1].Binary || string(got[1].Payload) != "\x00\xff" {
		t.Errorf("%v", got)
	}
	if got := new(Plan).OpenMessages("a"); got != nil {
		t.Errorf("%v", got)
	}
}

// TestGoim checks the packet as goim's comet reads it (api/protocol).
func TestGoim(t *testing.T) {
	p := Plan{Preset: presetGoim}
	got := p.OpenMessages(`a"b`)
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
	if got := p.OpenMessages("a"); len(got) != 1 || got[0].Binary {
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
