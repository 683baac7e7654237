// What a plan may be, rule by rule.

package plan

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// valid is a plan to spoil.
func valid(t *testing.T) Plan {
	t.Helper()
	p, err := FromFlags(new(pflag.FlagSet), "room")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestValidate(t *testing.T) {
	long := strings.Repeat("x", maxTextSize+1)
	for _, tt := range []struct {
		name  string
		spoil func(p *Plan)
		want  string
	}{
		{"name", func(p *Plan) { p.Name = "a\nb" }, "--name: "},
		{"no url", func(p *Plan) { p.URLs = nil }, "--url: is missing"},
		{"url not ws", func(p *Plan) { p.URLs[0] = "http://h/" }, "--url: http://h: does not begin with ws://"},
		{"url without scheme", func(p *Plan) { p.URLs[0] = "h:80" }, "--url: has no host"},
		{"wss", func(p *Plan) { p.URLs[0] = "wss://h/" }, "--url: wss://h: wss is not spoken here: point it at the plain port behind the TLS proxy"},
		{"url port", func(p *Plan) { p.URLs[0] = "ws://h:70000/" }, "--url: ws://h:70000: the port is not from 1 to 65535"},
		{"url empty port", func(p *Plan) { p.URLs[0] = "ws://h:/" }, "--url: ws://h:: the port"},
		{"url fragment", func(p *Plan) { p.URLs[0] = "ws://h/#x" }, "--url: ws://h: has a fragment"},
		{"url placeholder", func(p *Plan) { p.URLs[0] = "ws://h/{id}" }, "--url: ws://h: in the path and query"},
		{"url room in host", func(p *Plan) { p.URLs[0] = "ws://{room}.h/" }, "--url: ws://room.h: in the path and query"},
		{"url space", func(p *Plan) { p.URLs[0] = "ws://h/?a b" }, "--url: ws://h: has characters that must be written as %XX"},
		{"url user", func(p *Plan) { p.URLs[0] = "ws://u:secret@h/" }, "--url: ws://h: a user belongs in --header"},
		{"url control", func(p *Plan) { p.URLs[0] = "ws://h/\n" }, "--url: is not a URL"},
		{"many urls", func(p *Plan) { p.URLs = make([]string, maxListLength+1) }, "--url: 1001 is not from 0 to 1000"},
		{"preset", func(p *Plan) { p.Preset = "x" }, `--preset: "x" is not`},
		{"header", func(p *Plan) { p.Headers = []string{"x"} }, `--header: "x" is not "Name: value"`},
		{"header name", func(p *Plan) { p.Headers = []string{"a b: c"} }, `--header: "a b: c" is not "Name: value"`},
		{"header value", func(p *Plan) { p.Headers = []string{"a: b\r\nc: d"} }, "--header: a: its value has a control character"},
		{"header reserved", func(p *Plan) { p.Headers = []string{"sec-websocket-Key: d"} }, "--header: sec-websocket-Key: is set by the load test itself"},
		{"header host", func(p *Plan) { p.Headers = []string{"Host: d"} }, "--header: Host: is set by"},
		{"header placeholder", func(p *Plan) { p.Headers = []string{"X: {room}{payload}"} }, "--header: X: {payload} is not replaced here"},
		{"subprotocol", func(p *Plan) { p.Subprotocols = []string{"a,b"} }, `--subprotocol: "a,b" is not`},
		{"batch preset", func(p *Plan) { p.Batch, p.Deflate = true, true }, "--batch: needs --preset barrage.v1, not barrage"},
		{"stream that speaks", func(p *Plan) { p.Preset, p.OpenText = presetSSE, "x" }, "--open-text: viewers of --preset barrage.sse have nothing to say"},
		{"plain by WebSocket", func(p *Plan) { p.Preset, p.OpenText = presetTCP, `{"id":1,"cmd":"x"}` }, "--url: ws://127.0.0.1:8080: is not tcp://host:port, as --preset barrage.tcp wants it"},
		{"plain that does not join", func(p *Plan) { p.Preset, p.URLs, p.OpenText = presetTCP, []string{"tcp://127.0.0.1:1"}, "x" }, "--open-text: has no command with the id 1, whose answer tells --preset barrage.tcp that a viewer is in"},
		{"plain without a port", func(p *Plan) {
			p.Preset, p.URLs, p.OpenText = presetTCP, []string{"tcp://127.0.0.1"}, `{"id":1,"cmd":"x"}`
		}, "--url: tcp://127.0.0.1: is not tcp://host:port, as --preset barrage.tcp wants it"},
		{"plain with deflate", func(p *Plan) {
			p.Preset, p.URLs, p.OpenText, p.Deflate = presetTCP, []string{"tcp://127.0.0.1:1"}, `{"id":1,"cmd":"x"}`, true
		}, "--deflate: is WebSocket's: --preset barrage.tcp has no request"},
		{"stream with deflate", func(p *Plan) { p.Preset, p.Deflate = presetSSE, true }, "--deflate: is WebSocket's, not --preset barrage.sse's"},
		{"batch without deflate", func(p *Plan) { p.Batch, p.Preset = true, presetV1 }, "--batch: needs --deflate: "},
		{"batch stamp", func(p *Plan) { p.Batch, p.Preset, p.Deflate, p.Stamp = true, presetV1, true, "skip:9" }, "--batch: needs --stamp search: "},
		{"batch twice", func(p *Plan) {
			p.Batch, p.Preset, p.Deflate, p.URLs[0] = true, presetV1, true, "ws://h/?a={room}&batch=1"
		}, "--batch: adds the parameter batch to --url"},
		{"open text", func(p *Plan) { p.OpenText = "{rom}" }, "--open-text: {rom} means nothing here; there is {room} and {user} and {token}"},
		{"open text length", func(p *Plan) { p.OpenText = long }, "--open-text: "},
		{"open text UTF-8", func(p *Plan) { p.OpenText = "\xff" }, "--open-text: "},
		{"open hex", func(p *Plan) { p.OpenHex = "abc" }, `--open-hex: "abc" is not pairs of hexadecimal digits`},
		{"answer", func(p *Plan) { p.Answers = map[string]string{"\xff": ""} }, "--answer: "},
		{"refusal", func(p *Plan) { p.Refusals = []string{""} }, `--refusal: "" is not UTF-8 text of 1 to`},
		{"user", func(p *Plan) { p.User = "a b" }, "--user: has a space"},
		{"user placeholder", func(p *Plan) { p.User = "{room}" }, "--user: {room} means nothing here; there is {n}"},
		{"user length", func(p *Plan) { p.User = strings.Repeat("u", maxUserSize+1) }, "--user: has 101 bytes, more than 100"},
		{"token", func(p *Plan) { p.Token = "secret\n" }, "--token: has a space"},
		{"publish header placeholder", func(p *Plan) { p.PublishHeaders = []string{"X: {user}"} }, "--publish-header: X: {user} is not replaced here"},
		{"publish url placeholder", func(p *Plan) { p.PublishURL = "http://h/{user}" }, "--publish-url: http://h: in the path and query there may be {room};"},
		{"stamp", func(p *Plan) { p.Stamp = "find" }, `--stamp: "find" is not search or skip:N`},
		{"stamp skip", func(p *Plan) { p.Stamp = "skip:-1" }, `--stamp: "skip:-1" is not skip:N`},
		{"publish", func(p *Plan) { p.Publish = "mqtt" }, `--publish: "mqtt" is not http, redis, socket or none`},
		{"publish none", func(p *Plan) { p.Publish = PublishNone }, "--publish: none leaves nobody to send --rate 10"},
		{"publish url missing", func(p *Plan) { p.PublishURL = "" }, "--publish-url: is missing"},
		{"publish url", func(p *Plan) { p.PublishURL = "ws://h/" }, "--publish-url: ws://h: does not begin with http://"},
		{"publish method", func(p *Plan) { p.PublishMethod = "GET" }, `--publish-method: "GET" is not`},
		{"publish header", func(p *Plan) { p.PublishHeaders = []string{"content-length: 1"} }, "--publish-header: content-length: is set"},
		{"publish body", func(p *Plan) { p.PublishBody = "x" }, `--publish-body: "x" has no {payload}`},
		{"publish body placeholder", func(p *Plan) { p.PublishBody = "{payload}{x}" }, "--publish-body: {x} means nothing here; there is {room} and {payload}"},
		{"publishers", func(p *Plan) { p.Publishers = 0 }, "--publishers: 0 is not from 1 to 1024"},
		{"redis missing", func(p *Plan) { p.Publish = PublishRedis }, "--redis: is missing"},
		{"redis", func(p *Plan) { p.Publish, p.Redis = PublishRedis, "http://:secret@h" }, "--redis: http://h: is not redis://host:port"},
		{"redis channel", func(p *Plan) { p.Publish, p.Redis, p.RedisChannel = PublishRedis, "redis://h", "" }, "--redis-channel: is missing"},
		{"send text", func(p *Plan) { p.Publish, p.SendText = PublishSocket, "" }, `--send-text: "" has no {payload}`},
		{"connections", func(p *Plan) { p.Connections = 0 }, "--connections: 0 is not from 1 to 5000000"},
		{"connect rate", func(p *Plan) { p.ConnectRate = -1 }, "--connect-rate: -1 is not from 0 to 1000000"},
		{"inflight", func(p *Plan) { p.Inflight = 0 }, "--inflight: 0 is not from 1 to 65536"},
		{"rooms", func(p *Plan) { p.Rooms = 0 }, "--rooms: 0 is not from 1 to 1048576"},
		{"rooms over connections", func(p *Plan) { p.Rooms = 1001 }, "--rooms: 1001 are more than --connections, 1000"},
		{"room", func(p *Plan) { p.Room = "a b" }, `--room: "a b" has a space`},
		{"room empty", func(p *Plan) { p.Room = "" }, "--room: has 0 characters"},
		{"room same", func(p *Plan) { p.Rooms, p.Room = 2, "a" }, `--room: "a" has no {n}, so all 2 rooms`},
		{"zipf", func(p *Plan) { p.Zipf = 11 }, "--zipf: 11 is not from 0 to 10"},
		{"rate", func(p *Plan) { p.Rate = math.NaN() }, "--rate: NaN is not from 0 to 1000000"},
		{"rate infinite", func(p *Plan) { p.Rate = math.Inf(1) }, "--rate: +Inf is not from"},
		{"size small", func(p *Plan) { p.Size = 20 }, "--size: 20 is less than 43, the length of a stamp"},
		{"size large", func(p *Plan) { p.Size = 1<<20 + 1 }, "--size: 1048577 is more than 1048576"},
		{"hold", func(p *Plan) { p.Hold = -1 }, "--hold: -1ns is not from 0s to 168h0m0s"},
		{"duration", func(p *Plan) { p.Duration = maxTime + 1 }, "--duration: "},
		{"drain", func(p *Plan) { p.Drain = -1 }, "--drain: "},
		{"settle", func(p *Plan) { p.Settle = -1 }, "--settle: "},
		{"late", func(p *Plan) { p.Late = -1 }, "--late: "},
		{"messages", func(p *Plan) { p.Rate, p.Duration = 1e6, 2*time.Hour }, "--rate: 1000000 per second for 2h0m0s are 7200000000 messages, more than 4294967295"},
		{"talkers", func(p *Plan) { p.Talkers = 101 }, "--talkers: 101 is not from 0 to 100"},
		{"slow", func(p *Plan) { p.Slow = -1 }, "--slow: -1 is not from 0 to 100"},
		{"slow and stalled", func(p *Plan) { p.Slow, p.Stalled = 60, 50 }, "--slow: 60 and --stalled 50 are more than 100 per cent"},
		{"slow rate", func(p *Plan) { p.SlowRate = 0 }, "--slow-rate: 0 is not from 1"},
		{"churn", func(p *Plan) { p.Churn = -1 }, "--churn: -1"},
		{"storms", func(p *Plan) { p.Storms = -1 }, "--storms: -1"},
		{"storms without time", func(p *Plan) { p.Storms, p.Duration = 1, 0 }, "--storms: come within --duration, which is 0s"},
		{"echo", func(p *Plan) { p.Echo = true }, "--echo: needs --publish socket, not http"},
		{"echo rooms", func(p *Plan) { p.Echo, p.Publish, p.Rooms = true, PublishSocket, 5 }, "--echo: gives each connection a room of its own: leave out"},
		{"echo room", func(p *Plan) { p.Echo, p.Publish, p.Room = true, PublishSocket, "a" }, "--echo: gives each connection a room of its own: --room needs {n}"},
		{"tracks", func(p *Plan) { p.Publish, p.Connections, p.Talkers = PublishSocket, 100_000, 10 }, "--talkers: the viewers of all rooms times the senders they get messages of are 1000000000, more than 16000000; lower it"},
		{"tracks of publishers", func(p *Plan) { p.Connections, p.Publishers = 5_000_000, 8 }, "--publishers: the viewers of all rooms times"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := valid(t)
			tt.spoil(&p)
			err := p.Validate()
			if err == nil || !strings.Contains("\n"+err.Error(), "\n"+tt.want) {
				t.Fatalf("%v\nwant %s...", err, tt.want)
			}
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, "--") {
					t.Errorf("a line that names no setting: %s", line)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("tells a password: %v", err)
			}
		})
	}
}

func TestValidateAccepts(t *testing.T) {
	for name, change := range map[string]func(p *Plan){
		"million in a room": func(p *Plan) { p.Connections = 1_000_000 },
		"most connections":  func(p *Plan) { p.Connections = maxConnections },
		"most echoes":       func(p *Plan) { p.Connections, p.Publish, p.Echo = maxConnections, PublishSocket, true },
		"most rooms":        func(p *Plan) { p.Connections, p.Rooms = maxRooms, maxRooms },
		"IPv6":              func(p *Plan) { p.URLs[0] = "ws://[::1]:80/x" },
		"https":             func(p *Plan) { p.PublishURL = "https://user:pass@h/{room}?x={room}" },
		"JSON braces":       func(p *Plan) { p.PublishBody = `{"a":{},"b":"{payload}"}` },
		"batch":             func(p *Plan) { p.Preset, p.Deflate, p.Batch = presetV1, true, true },
		"unix redis":        func(p *Plan) { p.Publish, p.Redis = PublishRedis, "unix:///run/redis.sock" },
	} {
		p := valid(t)
		change(&p)
		if err := p.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestZeroPlan: what an agent gets from a peer that says nothing.
func TestZeroPlan(t *testing.T) {
	if err := new(Plan).Validate(); err == nil {
		t.Error("valid")
	}
}

func TestJSON(t *testing.T) {
	p := valid(t)
	p.Answers = map[string]string{"{}": "{}"}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var got Plan
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got.Answers, p.Answers) || got.URLs[0] != p.URLs[0] || got.Duration != p.Duration {
		t.Errorf("%+v, %v", got, err)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
}
