// The settings: their names, what they mean, and flags for them.

package plan

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"barrage/loadtest/stamp"
)

// setting is one field of Plan.
type setting struct {
	key   string // in YAML, and of the field
	flag  string // "" if it has none; of lists the singular, since flags are repeated
	group string // begins a group of related settings
	help  string
}

// settings lists all, in the order of the documentation.
func settings() []setting {
	list := []setting{
		{key: "name", help: "name of the scenario in reports"},

		{group: "The target", key: "url", help: "address of the server, ws://host:port/path, {room} being the connection's room, {user} and {token} its user's; repeat it to use several in turn"},
		{key: "preset", help: "server whose paths and protocol are used for what is not set: " + presetNames()},
		{key: "headers", flag: "header", help: "header of the upgrade request, \"Name: value\", with {room}, {user} and {token}; may be repeated"},
		{key: "subprotocols", flag: "subprotocol", help: "subprotocol to offer; may be repeated"},
		{key: "deflate", help: "offer permessage-deflate without context takeover; where the server agrees, viewers take and send compressed messages"},
		{key: "batch", help: "barrage.v1 with --deflate: ask for several pushes in one frame (batch=1)"},
		{key: "open_text", help: "text message that each connection sends when it is open, with {room}, {user} and {token}"},
		{key: "open_hex", help: "binary message that each connection sends when it is open, in hexadecimal"},
		{key: "answers", flag: "answer", help: "RECEIVED=ANSWER: text message that is answered whenever it comes, such as a server's own ping; may be repeated"},
		{key: "refusals", flag: "refusal", help: "beginning of a text message by which the server refuses, such as to join: the connection is closed, and counts as closed by the server; may be repeated"},
		{key: "user", help: "name of a connection's user, {n} being the connection's number"},
		{key: "token", help: "what {token} is, with {user}; with --auth-secret-file a signed one instead. If no text has {token}, it goes into the header Authorization: Bearer"},
		{key: "stamp", help: "where the stamp is in a message: search, or skip:N for one that N bytes come before (cheaper)"},

		{group: "Publishing", key: "publish", help: "how messages get to the server: http, redis, socket (viewers send them) or none; http with any preset but none"},
		{key: "publish_url", help: "http: where to, with {room}; default by the preset, on the host of --url"},
		{key: "publish_method", help: "http: POST, PUT or PATCH"},
		{key: "publish_headers", flag: "publish-header", help: "http: header of the request, \"Name: value\"; may be repeated"},
		{key: "publish_body", help: "http, redis: what is sent, with {room} and {payload}"},
		{key: "publishers", help: "http, redis: connections that publish at the same time"},
		{key: "redis", help: "redis: URL, redis://host:port"},
		{key: "redis_channel", help: "redis: channel, with {room}"},
		{key: "send_text", help: "socket: what a viewer sends, with {room} and {payload}"},
		{key: "binary", help: "socket: viewers send binary messages"},

		{group: "The load", key: "connections", help: "viewers"},
		{key: "connect_rate", help: "new connections per second; 0 is as many as --inflight allows"},
		{key: "inflight", help: "handshakes under way at the same time"},
		{key: "rooms", help: "rooms that the viewers are spread over"},
		{key: "room", help: "name of a room, {n} being its number"},
		{key: "zipf", help: "exponent of the rooms' sizes and rates, 1 as on real platforms; 0 makes all alike"},
		{key: "rate", help: "messages per second, over all rooms"},
		{key: "size", help: fmt.Sprintf("bytes of a message, %d or more", stamp.Len)},
		{key: "hold", help: "rest between the last connect and the first message, to measure the cost of idle connections"},
		{key: "duration", help: "how long messages are published"},
		{key: "drain", help: "longest wait for messages still on their way"},
		{key: "settle", help: "when a connection joins in between, messages due from this long after on must reach it"},
		{key: "late", help: "age from which a message that arrives counts as late, too"},

		{group: "The viewers", key: "echo", help: "socket: each connection is alone in its room, publishes, and expects its own messages back"},
		{key: "talkers", help: "socket: per cent of a room's viewers that publish, at least one"},
		{key: "slow", help: "per cent of viewers that read slowly; nothing is expected of them"},
		{key: "slow_rate", help: "bytes per second that slow viewers read"},
		{key: "stalled", help: "per cent of viewers that read nothing at all"},
		{key: "churn", help: "connections per second that leave and are replaced, while messages are published"},
		{key: "storms", help: "times that all connections drop and come back at once, spread over --duration"},
	}
	for i := range list {
		if s := &list[i]; s.flag == "" && s.key != "name" {
			s.flag = strings.ReplaceAll(s.key, "_", "-")
		}
	}
	return list
}

// defaults is what holds where nobody says anything.
func defaults() Plan {
	return Plan{
		URLs:          []string{"ws://127.0.0.1:8080"},
		Preset:        presetRaw,
		User:          "user-{n}",
		Stamp:         "search",
		Publish:       PublishNone,
		PublishMethod: "POST",
		PublishBody:   "{payload}",
		Publishers:    1,
		RedisChannel:  "room:{room}",
		SendText:      "{payload}",
		Connections:   1000,
		Inflight:      256,
		Rooms:         1,
		Room:          "room-{n}",
		Rate:          10,
		Size:          64,
		Hold:          3 * time.Second,
		Duration:      10 * time.Second,
		Drain:         30 * time.Second,
		Settle:        time.Second,
		Late:          time.Second,
		SlowRate:      1024,
	}
}

// usual is what holds for who sets nothing: the defaults, and over them those of
// the default's preset.
func usual() Plan {
	p := defaults()
	if known, ok := findPreset(p.Preset); ok {
		known.settings().apply(&p)
	}
	return p
}

// field is the setting's field in p.
func (s *setting) field(p *Plan) reflect.Value {
	v := reflect.ValueOf(p).Elem()
	for f := range v.Type().Fields() {
		if f.Tag.Get("yaml") == s.key {
			return v.FieldByIndex(f.Index)
		}
	}
	return reflect.Value{} // a test looks that there is none such
}

// layer is settings from one source, by key. Of those from several sources, the
// last one's holds.
type layer map[string]any

func (l layer) apply(p *Plan) {
	for _, s := range settings() {
		if value, ok := l[s.key]; ok {
			s.field(p).Set(reflect.ValueOf(clone(value)))
		}
	}
}

// AddFlags declares a flag for each setting. The values are for FromFlags.
func AddFlags(fs *pflag.FlagSet) {
	p := usual()
	for _, s := range settings() {
		if s.flag == "" {
			continue
		}
		f := fs.VarPF(&flagValue{value: s.field(&p).Interface()}, s.flag, "", s.help)
		if _, ok := s.field(&p).Interface().(bool); ok {
			f.NoOptDefVal = "true"
		}
	}
}

// flagValue is a pflag.Value of any setting.
type flagValue struct {
	value any
	set   bool // by the command line: further values of a list are added
}

func (f *flagValue) String() string { return format(f.value) }

func (f *flagValue) Type() string { return kindOf(f.value) }

func (f *flagValue) Set(text string) error {
	value, err := parse(f.value, text)
	if err != nil {
		return err
	}
	if f.set {
		value = join(f.value, value)
	}
	f.value, f.set = value, true
	return nil
}

// SettingsTable is a Markdown table of all settings.
func SettingsTable() string {
	var b strings.Builder
	p := usual()
	b.WriteString("| flag | key in YAML | default | meaning |\n|---|---|---|---|\n")
	for _, s := range settings() {
		if s.group != "" {
			fmt.Fprintf(&b, "| **%s** | | | |\n", s.group)
		}
		flag, value := "", format(s.field(&p).Interface())
		if s.flag != "" {
			flag = "`--" + s.flag + "`"
		}
		if value != "" {
			value = "`" + value + "`"
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", flag, s.key, value, s.help)
	}
	return b.String()
}
