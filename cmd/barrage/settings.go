package main

// This file is the one list of settings. Config gives each a type and settings a
// meaning and bounds; flags, environment variables, YAML keys, help texts,
// checks and the table in docs/configuration.md are all derived from the two.

import (
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"barrage/fanout"
)

// Config is the settings of the process. The tags are the settings' names.
type Config struct {
	Listen      string   `koanf:"listen"`
	Admin       string   `koanf:"admin"`
	AdminTokens []string `koanf:"admin_token"`
	Pprof       bool     `koanf:"pprof"`

	Redis         string            `koanf:"redis"`
	RedisPrefix   string            `koanf:"redis_prefix"`
	RedisChannels map[string]string `koanf:"redis_channels"`
	RedisLinger   time.Duration     `koanf:"redis_linger"`
	RedisTimeout  time.Duration     `koanf:"redis_timeout"`
	RedisOutage   string            `koanf:"redis_outage"`
	RedisSharded  bool              `koanf:"redis_sharded"`

	Shards              int      `koanf:"shards"`
	MaxConnections      int      `koanf:"max_connections"`
	MaxConnectionsPerIP int      `koanf:"max_connections_per_ip"`
	TargetConnections   int      `koanf:"target_connections"`
	MaxRoomsPerConn     int      `koanf:"max_rooms_per_connection"`
	DefaultRoom         string   `koanf:"default_room"`
	AllowedOrigins      []string `koanf:"allowed_origins"`
	RequireOrigin       bool     `koanf:"require_origin"`
	Echo                bool     `koanf:"echo"`

	MaxMessageBytes Bytes   `koanf:"max_message_bytes"`
	PublishRate     float64 `koanf:"publish_rate"`
	PublishBurst    int     `koanf:"publish_burst"`

	AuthSecrets    []string      `koanf:"auth_secret"`
	AuthPublicKeys string        `koanf:"auth_public_keys"`
	AuthJWKS       string        `koanf:"auth_jwks"`
	AuthAlgorithms []string      `koanf:"auth_algorithms"`
	AuthAudience   string        `koanf:"auth_audience"`
	AuthIssuer     string        `koanf:"auth_issuer"`
	AuthTimeout    time.Duration `koanf:"auth_timeout"`
	Anonymous      bool          `koanf:"anonymous"`

	History      []string      `koanf:"history"`
	AckTimeout   time.Duration `koanf:"ack_timeout"`
	Compression  bool          `koanf:"compression"`
	CompressWait time.Duration `koanf:"compress_wait"`

	WebhookURL     string            `koanf:"webhook_url"`
	WebhookSecrets []string          `koanf:"webhook_secret"`
	EventStream    string            `koanf:"event_stream"`
	EventTypes     []string          `koanf:"event_types"`
	EventRooms     []string          `koanf:"event_rooms"`
	RequestRoutes  map[string]string `koanf:"request_routes"`
	RequestTimeout time.Duration     `koanf:"request_timeout"`

	HandshakeTimeout time.Duration `koanf:"handshake_timeout"`
	FrameTimeout     time.Duration `koanf:"frame_timeout"`
	PingInterval     time.Duration `koanf:"ping_interval"`
	PingTimeout      time.Duration `koanf:"ping_timeout"`
	CloseTimeout     time.Duration `koanf:"close_timeout"`
	DrainWindow      time.Duration `koanf:"drain_window"`

	SlowPolicy   string        `koanf:"slow_policy"`
	SlowTimeout  time.Duration `koanf:"slow_timeout"`
	RoomLogBytes Bytes         `koanf:"room_log_bytes"`
	LogBytes     Bytes         `koanf:"log_bytes"`

	SendBufferBytes Bytes         `koanf:"send_buffer_bytes"`
	TCPUserTimeout  time.Duration `koanf:"tcp_user_timeout"`
	Backlog         int           `koanf:"backlog"`

	LogLevel  string `koanf:"log_level"`
	LogFormat string `koanf:"log_format"`
}

func defaultConfig() Config {
	return Config{
		Listen:           "127.0.0.1:8080",
		Admin:            "127.0.0.1:8081",
		Pprof:            true,
		RedisPrefix:      "room:",
		RedisLinger:      30 * time.Second,
		RedisTimeout:     time.Second,
		RedisOutage:      "local",
		AuthTimeout:      10 * time.Second,
		History:          []string{"user:*=1000/168h", "*=100/10m"},
		AckTimeout:       30 * time.Second,
		CompressWait:     50 * time.Millisecond,
		EventTypes:       []string{"connect", "disconnect", "join", "leave", "publish", "room_closed"},
		EventRooms:       []string{"*"},
		RequestTimeout:   5 * time.Second,
		MaxRoomsPerConn:  16,
		MaxMessageBytes:  64 * kib,
		PublishRate:      10,
		PublishBurst:     20,
		HandshakeTimeout: 10 * time.Second,
		FrameTimeout:     10 * time.Second,
		PingInterval:     50 * time.Second,
		PingTimeout:      10 * time.Second,
		CloseTimeout:     time.Second,
		DrainWindow:      10 * time.Second,
		SlowPolicy:       "skip",
		SlowTimeout:      time.Minute,
		RoomLogBytes:     4 * mib,
		LogBytes:         256 * mib,
		TCPUserTimeout:   time.Minute,
		Backlog:          4096,
		LogLevel:         "info",
		LogFormat:        "auto",
	}
}

// setting describes a field of Config.
type setting struct {
	key    string
	help   string   // what it does; a sentence without its full stop
	unit   string   // of a number or a text; durations and sizes have their own
	min    any      // of the field's type; nil: no bounds
	max    any      // of the field's type
	zero   string   // what 0 means, where it is not just a number; allowed below min
	oneOf  []string // the words allowed
	secret bool     // never shown; may come from a file named by BARRAGE_..._FILE
	kernel string   // the sysctl or ulimit that has the last word
}

// maxCount bounds numbers of connections; memory ends sooner.
const maxCount = 10_000_000

// settings is in the order of Config's fields.
var settings = []setting{
	{key: "listen", unit: "address", help: "Public address: WebSocket and the viewer page"},
	{key: "admin", unit: "address", help: "Address for backends and operators; one that is not loopback needs admin_token"},
	{key: "admin_token", unit: "texts", secret: true, help: "Bearer tokens of the admin address, one of which is needed by all but the health checks; empty: none"},
	{key: "pprof", help: "Serve profiles at /debug/pprof/ of the admin address"},

	{key: "redis", unit: "URL", secret: true, help: "Redis that joins several nodes, redis://, rediss://, unix://, redis+sentinel://host,host/master or redis+cluster://host,host; empty: a single node"},
	{key: "redis_prefix", unit: "text", help: "A plain PUBLISH to this prefix and a room's name reaches that room"},
	{key: "redis_channels", unit: "channel=room", help: "Further Redis channels, each with the room it feeds"},
	{key: "redis_linger", min: time.Second, max: time.Hour, help: "How long a room without members stays subscribed"},
	{key: "redis_timeout", min: 10 * time.Millisecond, max: time.Minute, help: "Longest wait for Redis to answer"},
	{key: "redis_outage", oneOf: []string{"local", "refuse"}, help: "A publish while Redis is out of reach: deliver to the members here, or refuse"},
	{key: "redis_sharded", help: "Sharded pub/sub among the nodes, for a Redis Cluster of version 7 (redis+cluster://)"},

	{key: "shards", min: 1, max: fanout.MaxShards, zero: "as many as processors (GOMAXPROCS)", help: "Event loops"},
	{key: "max_connections", unit: "connections", min: 1, max: maxCount, zero: "what the file limit allows", help: "WebSocket connections at a time; further ones get 503", kernel: "nofile, fs.nr_open"},
	{key: "max_connections_per_ip", unit: "connections", min: 1, max: maxCount, zero: "no limit", help: "Of them from one IPv4 address or IPv6 /64"},
	{key: "target_connections", unit: "connections", min: 1, max: maxCount, zero: "none", help: "The number you want; barrage check tells whether this machine can hold it"},
	{key: "max_rooms_per_connection", unit: "rooms", min: 1, max: 1000, help: "Rooms that one connection may join"},
	{key: "default_room", unit: "room", help: "Room of a connection that names none; empty: it is refused"},
	{key: "allowed_origins", unit: "origins", help: "Pages that may connect beside the server's own: https://example.com, https://*.example.com, or * for all"},
	{key: "require_origin", help: "Refuse clients that send no Origin header, which only browsers must"},
	{key: "echo", help: "Serve /echo, which returns every message, for conformance suites and measurements"},

	{key: "max_message_bytes", min: Bytes(1), max: 16 * mib, help: "Longest message, from a socket or a backend"},
	{key: "publish_rate", unit: "messages/s", min: 0.01, max: 1e6, zero: "sockets may not publish", help: "Messages that one connection may publish, lastingly"},
	{key: "publish_burst", unit: "messages", min: 1, max: 1000000, help: "Messages that one connection may publish at once"},

	{key: "auth_secret", unit: "texts", secret: true, help: "Secrets of tokens signed with HS256, at least 32 bytes each; empty, as the next two: everybody is anonymous"},
	{key: "auth_public_keys", unit: "file", help: "PEM file with the public keys of tokens signed with RS256, ES256 or EdDSA"},
	{key: "auth_jwks", unit: "URL", help: "Where the issuer of tokens publishes its keys (JWKS)"},
	{key: "auth_algorithms", unit: "names", help: "Algorithms that are accepted, of HS256, RS256, ES256, EdDSA; empty: those that the keys can verify"},
	{key: "auth_audience", unit: "text", help: "Audience (aud) that tokens must be for; empty: any"},
	{key: "auth_issuer", unit: "text", help: "Issuer (iss) that tokens must be from; empty: any"},
	{key: "auth_timeout", min: 100 * time.Millisecond, max: 5 * time.Minute, help: "Longest wait of a barrage.v1 connection's first command, where that must be auth"},
	{key: "anonymous", help: "Where tokens are checked: let those in who have none, too"},

	{key: "history", unit: "pattern=messages/age", help: "What rooms remember: the first pattern that fits a room's name decides; 0/0 is nothing"},
	{key: "ack_timeout", min: 100 * time.Millisecond, max: time.Hour, help: "A message with qos 1 that its user has not acknowledged for this long is pushed again; the wait doubles, up to ten times"},
	{key: "compression", help: "Use permessage-deflate with clients that offer it"},
	{key: "compress_wait", min: time.Millisecond, max: time.Second, zero: "no batches", help: "With compression: how long messages wait for others of their room, to be compressed together, for clients that ask for it (batch=1)"},

	{key: "webhook_url", unit: "URL", help: "Where backends are told what happens; empty: nobody is told"},
	{key: "webhook_secret", unit: "texts", secret: true, help: "Secrets that sign what backends are told and asked, at least 16 bytes each; webhook_url and request_routes need one"},
	{key: "event_stream", unit: "key", help: "Redis stream to which backends' events are added, instead of webhook_url; empty: none"},
	{key: "event_types", unit: "types", help: "Events that backends are told of"},
	{key: "event_rooms", unit: "patterns", help: "Rooms that backends are told of"},
	{key: "request_routes", unit: "method=URL", help: "Where requests of clients go, by method; * stands for any bytes"},
	{key: "request_timeout", min: 100 * time.Millisecond, max: time.Minute, help: "Longest wait for a backend's answer"},

	{key: "handshake_timeout", min: 100 * time.Millisecond, max: 5 * time.Minute, help: "From accept to a complete request head"},
	{key: "frame_timeout", min: 100 * time.Millisecond, max: 5 * time.Minute, help: "From the first byte of a message to its last"},
	{key: "ping_interval", min: 100 * time.Millisecond, max: time.Hour, help: "Silence of a connection's rooms before it is pinged"},
	{key: "ping_timeout", min: 100 * time.Millisecond, max: 10 * time.Minute, help: "Longest wait for the pong"},
	{key: "close_timeout", min: 10 * time.Millisecond, max: time.Minute, help: "Longest wait for the peer to finish a close"},
	{key: "drain_window", min: time.Millisecond, max: 10 * time.Minute, zero: "at once", help: "At a stop, connections are closed spread over this time"},

	{key: "slow_policy", oneOf: []string{"skip", "close"}, help: "A viewer who falls behind by the bound of the room's log skips what is lost to it, or is closed"},
	{key: "slow_timeout", min: 100 * time.Millisecond, max: 24 * time.Hour, zero: "never", help: "A viewer that takes no byte for this long is closed"},
	{key: "room_log_bytes", min: 64 * kib, max: gib, help: "Bound of one room's log, in each shard"},
	{key: "log_bytes", min: mib, max: 1024 * gib, help: "Bound of all logs of the process"},

	{key: "send_buffer_bytes", min: 4 * kib, max: 64 * mib, zero: "the kernel's autotuning", help: "Socket send buffer (SO_SNDBUF)", kernel: "net.core.wmem_max; of autotuning, net.ipv4.tcp_wmem"},
	{key: "tcp_user_timeout", min: time.Second, max: time.Hour, zero: "the kernel's retries decide", help: "A peer that acknowledges nothing for this long is gone (TCP_USER_TIMEOUT)", kernel: "net.ipv4.tcp_retries2"},
	{key: "backlog", unit: "connections", min: 1, max: math.MaxUint16, help: "Accept queue of each shard", kernel: "net.core.somaxconn, net.ipv4.tcp_max_syn_backlog"},

	{key: "log_level", oneOf: []string{"debug", "info", "warn", "error"}, help: "Least severe line that is logged"},
	{key: "log_format", oneOf: []string{"auto", "text", "json"}, help: "Form of the log, on stderr; auto is text on a terminal and JSON elsewhere"},
}

func (s *setting) flag() string { return strings.ReplaceAll(s.key, "_", "-") }
func (s *setting) env() string  { return envPrefix + strings.ToUpper(s.key) }

// field finds the setting's field in cfg, which must point to a Config.
func (s *setting) field(cfg *Config) reflect.Value {
	v := reflect.ValueOf(cfg).Elem()
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("koanf") == s.key {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

func findSetting(key string) *setting {
	for i := range settings {
		if settings[i].key == key {
			return &settings[i]
		}
	}
	return nil
}

// describe is the setting's help text: meaning, bounds, zero, kernel limit.
func (s *setting) describe() string {
	text := s.help
	if bounds := s.bounds(); bounds != "" {
		text += "; " + bounds
	}
	if s.kernel != "" {
		text += " (kernel: " + s.kernel + ")"
	}
	return text
}

// bounds says which values are allowed.
func (s *setting) bounds() string {
	switch {
	case s.oneOf != nil:
		return strings.Join(s.oneOf, " or ")
	case s.min == nil:
		return ""
	}
	text := format(s.min) + " to " + format(s.max)
	if s.zero != "" {
		text += ", or 0: " + s.zero
	}
	return text
}

// addFlags declares a flag for each setting.
func addFlags(flags *pflag.FlagSet) {
	defaults := defaultConfig()
	for i := range settings {
		s := &settings[i]
		field := s.field(&defaults)
		f := flags.VarPF(&textFlag{
			text:  format(field.Interface()),
			kind:  s.kind(field.Type()),
			joins: field.Kind() == reflect.Slice || field.Kind() == reflect.Map,
		}, s.flag(), "", s.describe())
		if field.Kind() == reflect.Bool {
			f.NoOptDefVal = "true"
		}
	}
}

// kind names the form of the setting's value in help and docs.
func (s *setting) kind(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case t == reflect.TypeFor[Bytes]():
		return "size"
	case t.Kind() == reflect.Bool:
		return "bool"
	case s.oneOf != nil:
		return "word"
	case s.unit != "":
		return s.unit
	}
	return "number"
}

// textFlag keeps a flag's text for convert, so that flags, environment and file
// are all read by one set of rules and complain in one voice.
type textFlag struct {
	text  string
	kind  string
	joins bool // a list or map: flags given again add to it
	given bool
}

func (f *textFlag) String() string { return f.text }
func (f *textFlag) Type() string   { return f.kind }

func (f *textFlag) Set(text string) error {
	if f.joins && f.given {
		text = f.text + "," + text
	}
	f.text, f.given = text, true
	return nil
}
