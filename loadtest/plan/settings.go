// The settings: their names, defaults, limits, and what they mean.

package plan

import (
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/spf13/pflag"

	"barrage/internal/settings"
	"barrage/loadtest/stamp"
)

// Limits. Some keep sums in their types, the others keep a mistyped digit from
// eating the machine.
const (
	maxConnections = 5_000_000
	maxRooms       = 1 << 20
	maxRate        = 1e6
	maxTime        = 7 * 24 * time.Hour
	maxSize        = 1 << 20
	maxInflight    = 1 << 16
	maxPublishers  = 1024
	maxZipf        = 10.0
	maxSlowRate    = 1 << 30
	maxStorms      = 1000
	maxMessages    = math.MaxUint32 // a lane numbers its own in 32 bits
	maxTracks      = 16_000_000     // viewers × the lanes they get, 8 bytes each
	maxTextSize    = 64 << 10
	maxListLength  = 1000
	maxRoomSize    = 128
	maxUserSize    = 100
	maxTokenSize   = 8 << 10
)

// table is all settings. What holds where nobody says anything is the defaults,
// and over them what the default preset knows.
var table = settings.Table{
	Settings:   rows,
	Single:     true,
	HideBounds: true,
	Name:       func(key, source string) string { return source + ": " + key },
}

// rows is in the order of the documentation.
var rows = []settings.Setting{
	{Key: "name", Flag: settings.NoFlag, Default: "", Help: "name of the scenario in reports"},

	{Group: "The target", Key: "url", Default: []string{"ws://127.0.0.1:8080"}, Help: "address of the server, ws://host:port/path, {room} being the connection's room, {user} and {token} its user's; repeat it to use several in turn"},
	{Key: "preset", Default: presetRaw, Help: "server whose paths and protocol are used for what is not set: " + presetNames()},
	{Key: "headers", Flag: "header", Default: []string(nil), Help: "header of the upgrade request, \"Name: value\", with {room}, {user} and {token}; may be repeated"},
	{Key: "subprotocols", Flag: "subprotocol", Default: []string(nil), Help: "subprotocol to offer; may be repeated"},
	{Key: "deflate", Default: false, Help: "offer permessage-deflate without context takeover; where the server agrees, viewers take and send compressed messages"},
	{Key: "batch", Default: false, Help: "barrage.v1 with --deflate: ask for several pushes in one frame (batch=1)"},
	{Key: "open_text", Default: "", Help: "text message that each connection sends when it is open, with {room}, {user} and {token}"},
	{Key: "open_hex", Default: "", Help: "binary message that each connection sends when it is open, in hexadecimal"},
	{Key: "answers", Flag: "answer", Default: map[string]string(nil), Form: "a pair RECEIVED=ANSWER", Help: "RECEIVED=ANSWER: text message that is answered whenever it comes, such as a server's own ping; may be repeated"},
	{Key: "refusals", Flag: "refusal", Default: []string(nil), Help: "beginning of a text message by which the server refuses, such as to join: the connection is closed, and counts as closed by the server; may be repeated"},
	{Key: "user", Default: "user-{n}", Help: "name of a connection's user, {n} being the connection's number"},
	{Key: "token", Default: "", Help: "what {token} is, with {user}; with --auth-secret-file a signed one instead. If no text has {token}, it goes into the header Authorization: Bearer"},
	{Key: "stamp", Default: "search", Help: "where the stamp is in a message: search, or skip:N for one that N bytes come before (cheaper)"},

	{Group: "Publishing", Key: "publish", Default: PublishHTTP, Help: "how messages get to the server: http, redis, socket (viewers send them) or none; http with any preset but none"},
	{Key: "publish_url", Default: "", Help: "http: where to, with {room}; default by the preset, on the host of --url"},
	{Key: "publish_method", Default: "POST", Help: "http: POST, PUT or PATCH"},
	{Key: "publish_headers", Flag: "publish-header", Default: []string(nil), Help: "http: header of the request, \"Name: value\"; may be repeated"},
	{Key: "publish_body", Default: "{payload}", Help: "http, redis: what is sent, with {room} and {payload}"},
	{Key: "publishers", Default: 1, Min: 1, Max: maxPublishers, Help: "http, redis: connections that publish at the same time"},
	{Key: "redis", Default: "", Help: "redis: URL, redis://host:port"},
	{Key: "redis_channel", Default: "room:{room}", Help: "redis: channel, with {room}"},
	{Key: "send_text", Default: "{payload}", Help: "socket: what a viewer sends, with {room} and {payload}"},
	{Key: "binary", Default: false, Help: "socket: viewers send binary messages"},

	{Group: "The load", Key: "connections", Default: 1000, Min: 1, Max: maxConnections, Help: "viewers"},
	{Key: "connect_rate", Default: 0.0, Min: 0.0, Max: maxRate, Help: "new connections per second; 0 is as many as --inflight allows"},
	{Key: "inflight", Default: 256, Min: 1, Max: maxInflight, Help: "handshakes under way at the same time"},
	{Key: "rooms", Default: 1, Min: 1, Max: maxRooms, Help: "rooms that the viewers are spread over"},
	{Key: "room", Default: "room-{n}", Help: "name of a room, {n} being its number"},
	{Key: "zipf", Default: 0.0, Min: 0.0, Max: maxZipf, Help: "exponent of the rooms' sizes and rates, 1 as on real platforms; 0 makes all alike"},
	{Key: "rate", Default: 10.0, Min: 0.0, Max: maxRate, Help: "messages per second, over all rooms"},
	{Key: "size", Default: 64, Help: fmt.Sprintf("bytes of a message, %d or more", stamp.Len)},
	{Key: "hold", Default: 3 * time.Second, Min: time.Duration(0), Max: maxTime, Help: "rest between the last connect and the first message, to measure the cost of idle connections"},
	{Key: "duration", Default: 10 * time.Second, Min: time.Duration(0), Max: maxTime, Help: "how long messages are published"},
	{Key: "drain", Default: 30 * time.Second, Min: time.Duration(0), Max: maxTime, Help: "longest wait for messages still on their way"},
	{Key: "settle", Default: time.Second, Min: time.Duration(0), Max: maxTime, Help: "when a connection joins in between, messages due from this long after on must reach it"},
	{Key: "late", Default: time.Second, Min: time.Duration(0), Max: maxTime, Help: "age from which a message that arrives counts as late, too"},

	{Group: "The viewers", Key: "echo", Default: false, Help: "socket: each connection is alone in its room, publishes, and expects its own messages back"},
	{Key: "talkers", Default: 0.0, Min: 0.0, Max: 100.0, Help: "socket: per cent of a room's viewers that publish, at least one"},
	{Key: "slow", Default: 0.0, Min: 0.0, Max: 100.0, Help: "per cent of viewers that read slowly; nothing is expected of them"},
	{Key: "slow_rate", Default: 1024, Min: 1, Max: maxSlowRate, Help: "bytes per second that slow viewers read"},
	{Key: "stalled", Default: 0.0, Min: 0.0, Max: 100.0, Help: "per cent of viewers that read nothing at all"},
	{Key: "churn", Default: 0.0, Min: 0.0, Max: maxRate, Help: "connections per second that leave and are replaced, while messages are published"},
	{Key: "storms", Default: 0, Min: 0, Max: maxStorms, Help: "times that all connections drop and come back at once, spread over --duration"},
}

// AddFlags declares a flag for each setting. The values are for FromFlags.
func AddFlags(fs *pflag.FlagSet) { table.AddFlags(fs) }

// Settings are the settings that have flags and are not at their type's zero, in the
// order of the documentation.
func (p *Plan) Settings() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for i := range rows {
			v := rows[i].Field(p)
			if rows[i].Flag != settings.NoFlag && !v.IsZero() && !yield(rows[i].FlagName(), settings.Format(v.Interface())) {
				return
			}
		}
	}
}
