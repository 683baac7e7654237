// Package config is the settings of the server: the one list of them, and what is
// wrong with them. Flags, environment variables, YAML keys, help texts, checks and
// the table in docs/configuration.md all come from the list (see settings.Table).
package config

import (
	"math"
	"time"

	"barrage/edge/auth/keyring"
	"barrage/edge/hooks"
	"barrage/edge/proxy"
	"barrage/edge/tcp"
	"barrage/fanout"
	"barrage/internal/settings"
)

// Config is the settings of the process. The tags are the settings' names.
type Config struct {
	Listen      string   `yaml:"listen"`
	ListenTCP   []string `yaml:"listen_tcp"`
	TCPFraming  string   `yaml:"tcp_framing"`
	SocketMode  string   `yaml:"tcp_socket_mode"`
	Admin       string   `yaml:"admin"`
	AdminTokens []string `yaml:"admin_token"`
	Pprof       bool     `yaml:"pprof"`

	Redis         string            `yaml:"redis"`
	RedisPrefix   string            `yaml:"redis_prefix"`
	RedisChannels map[string]string `yaml:"redis_channels"`
	RedisLinger   time.Duration     `yaml:"redis_linger"`
	RedisTimeout  time.Duration     `yaml:"redis_timeout"`
	RedisOutage   string            `yaml:"redis_outage"`
	RedisSharded  bool              `yaml:"redis_sharded"`

	RedisQueues    map[string]string `yaml:"redis_queues"`
	RedisStreams   map[string]string `yaml:"redis_streams"`
	RedisQueueRate int               `yaml:"redis_queue_rate"`

	Shards              int      `yaml:"shards"`
	MaxConnections      int      `yaml:"max_connections"`
	MaxConnectionsPerIP int      `yaml:"max_connections_per_ip"`
	IPv6PrefixLength    int      `yaml:"ipv6_prefix_length"`
	TargetConnections   int      `yaml:"target_connections"`
	MaxRoomsPerConn     int      `yaml:"max_rooms_per_connection"`
	DefaultRoom         string   `yaml:"default_room"`
	AllowedOrigins      []string `yaml:"allowed_origins"`
	RequireOrigin       bool     `yaml:"require_origin"`
	SocketPaths         []string `yaml:"ws_paths"`
	Echo                bool     `yaml:"echo"`

	TrustedProxies      []string `yaml:"trusted_proxies"`
	ProxyProtocol       bool     `yaml:"proxy_protocol"`
	ClientAddressHeader string   `yaml:"client_address_header"`

	MaxMessageBytes settings.Bytes `yaml:"max_message_bytes"`
	PublishRate     float64        `yaml:"publish_rate"`
	PublishBurst    int            `yaml:"publish_burst"`
	PublishBytes    settings.Bytes `yaml:"publish_bytes"`
	MaxPublishBytes settings.Bytes `yaml:"max_publish_bytes"`

	AuthSecrets    []string        `yaml:"auth_secret"`
	AuthPublicKeys string          `yaml:"auth_public_keys"`
	AuthJWKS       string          `yaml:"auth_jwks"`
	AuthAlgorithms []string        `yaml:"auth_algorithms"`
	AuthAudience   string          `yaml:"auth_audience"`
	AuthIssuer     string          `yaml:"auth_issuer"`
	AuthUserClaim  string          `yaml:"auth_user_claim"`
	AuthCookie     string          `yaml:"auth_cookie"`
	Keys           keyring.Entries `yaml:"keys"`
	AuthTimeout    time.Duration   `yaml:"auth_timeout"`
	Anonymous      bool            `yaml:"anonymous"`

	History      []string      `yaml:"history"`
	TargetRate   []string      `yaml:"target_rate"`
	Lanes        []string      `yaml:"lanes"`
	AckTimeout   time.Duration `yaml:"ack_timeout"`
	LastSeen     time.Duration `yaml:"last_seen"`
	Compression  bool          `yaml:"compression"`
	CompressWait time.Duration `yaml:"compress_wait"`

	WebhookURL       string            `yaml:"webhook_url"`
	WebhookSecrets   []string          `yaml:"webhook_secret"`
	EventStream      string            `yaml:"event_stream"`
	EventStreamBytes settings.Bytes    `yaml:"event_stream_bytes"`
	EventQueueBytes  settings.Bytes    `yaml:"event_queue_bytes"`
	EventTypes       []string          `yaml:"event_types"`
	EventRooms       []string          `yaml:"event_rooms"`
	RequestRoutes    map[string]string `yaml:"request_routes"`
	RequestTimeout   time.Duration     `yaml:"request_timeout"`

	ConnectURL      string            `yaml:"connect_url"`
	ConnectBy       string            `yaml:"connect_by"`
	ConnectHeaders  []string          `yaml:"connect_headers"`
	ConnectCookies  []string          `yaml:"connect_cookies"`
	ConnectQuery    []string          `yaml:"connect_query"`
	ConnectTries    int               `yaml:"connect_tries"`
	ConnectTimeout  time.Duration     `yaml:"connect_timeout"`
	ConnectAway     string            `yaml:"connect_away"`
	JoinHooks       map[string]string `yaml:"join_hooks"`
	JoinTimeout     time.Duration     `yaml:"join_timeout"`
	JoinAway        string            `yaml:"join_away"`
	PublishHooks    map[string]string `yaml:"publish_hooks"`
	PublishTimeout  time.Duration     `yaml:"publish_timeout"`
	PublishAway     string            `yaml:"publish_away"`
	HookConcurrency int               `yaml:"hook_concurrency"`

	HandshakeTimeout time.Duration `yaml:"handshake_timeout"`
	FrameTimeout     time.Duration `yaml:"frame_timeout"`
	PingInterval     time.Duration `yaml:"ping_interval"`
	PingTimeout      time.Duration `yaml:"ping_timeout"`
	CloseTimeout     time.Duration `yaml:"close_timeout"`
	DrainDelay       time.Duration `yaml:"drain_delay"`
	DrainWindow      time.Duration `yaml:"drain_window"`

	SlowPolicy   string         `yaml:"slow_policy"`
	SlowTimeout  time.Duration  `yaml:"slow_timeout"`
	RoomLogBytes settings.Bytes `yaml:"room_log_bytes"`
	LogBytes     settings.Bytes `yaml:"log_bytes"`
	UnreadBytes  settings.Bytes `yaml:"unread_bytes"`

	UnfinishedBytes settings.Bytes `yaml:"unfinished_bytes"`

	SendBufferBytes settings.Bytes `yaml:"send_buffer_bytes"`
	TCPUserTimeout  time.Duration  `yaml:"tcp_user_timeout"`
	Backlog         int            `yaml:"backlog"`

	LogLevel  string `yaml:"log_level"`
	LogFormat string `yaml:"log_format"`
}

// maxCount bounds numbers of connections; memory ends sooner.
const maxCount = 10_000_000

// rows is in the order of Config's fields.
var rows = []settings.Setting{
	{Key: "listen", Default: "127.0.0.1:8080", Unit: "address", Help: "Public address: WebSocket and the viewer page"},
	{Key: "listen_tcp", Default: []string(nil), Unit: "addresses", Help: "Addresses of barrage.v1 without WebSocket, for devices and old clients: host:port, or unix: and the path of a Unix socket; empty: none"},
	{Key: "tcp_framing", Default: string(tcp.Lines), OneOf: []string{string(tcp.Lines), string(tcp.Lengths)}, Help: "How messages stand there: lines, or each behind its length, in four bytes, big-endian"},
	{Key: "tcp_socket_mode", Default: "0600", Unit: "octal digits", Help: "Permissions of the files of listen_tcp's Unix sockets, which are all that says who may connect"},
	{Key: "admin", Default: "127.0.0.1:8081", Unit: "address", Help: "Address for backends and operators; one that is not loopback needs admin_token"},
	{Key: "admin_token", Default: []string(nil), Unit: "texts", Secret: true, Filled: true, Help: "Bearer tokens of the admin address, one of which is needed by all but the health checks; not set: none"},
	{Key: "pprof", Default: true, Help: "Serve profiles at /debug/pprof/ of the admin address"},

	{Key: "redis", Default: "", Unit: "URL", Secret: true, Filled: true, Help: "Redis that joins several nodes, redis://, rediss://, unix://, redis+sentinel://host,host/master or redis+cluster://host,host; not set: a single node"},
	{Key: "redis_prefix", Default: "room:", Unit: "text", Help: "A plain PUBLISH to this prefix and a room's name reaches that room"},
	{Key: "redis_channels", Default: map[string]string(nil), Unit: "channel=room", Help: "Further Redis channels, each with the room it feeds"},
	{Key: "redis_linger", Default: 30 * time.Second, Min: time.Second, Max: time.Hour, Help: "How long a room without members stays subscribed"},
	{Key: "redis_timeout", Default: time.Second, Min: 10 * time.Millisecond, Max: time.Minute, Help: "Longest wait for Redis to answer"},
	{Key: "redis_outage", Default: "local", OneOf: []string{"local", "refuse"}, Help: "A publish while Redis is out of reach: deliver to the members here, or refuse"},
	{Key: "redis_sharded", Default: false, Help: "Sharded pub/sub among the nodes, for a Redis Cluster of version 7 (redis+cluster://)"},
	{Key: "redis_queues", Default: map[string]string(nil), Unit: "list=room", Help: "Redis lists, each with the room that its entries are published to, and behind a space: drop (while nobody is there), dead (keep what cannot be published in LIST:dead)"},
	{Key: "redis_streams", Default: map[string]string(nil), Unit: "stream=room", Help: "Redis streams, likewise; behind a space: drop, and where a new group begins, $ (what comes) or 0 (the oldest)"},
	{Key: "redis_queue_rate", Default: 1000, Min: 1, Max: 1_000_000, Help: "Entries a second that are published of each list and stream, at most"},

	{Key: "shards", Default: 0, Unit: "number", Min: 1, Max: fanout.MaxShards, Zero: "as many as processors (GOMAXPROCS)", Help: "Event loops"},
	{Key: "max_connections", Default: 0, Unit: "connections", Min: 1, Max: maxCount, Zero: "what the file limit allows", Help: "WebSocket connections at a time; further ones get 503", Kernel: "nofile, fs.nr_open"},
	{Key: "max_connections_per_ip", Default: 0, Unit: "connections", Min: 1, Max: maxCount, Zero: "no limit", Help: "Of them from one IPv4 address or IPv6 network (ipv6_prefix_length); behind a proxy, see trusted_proxies"},
	{Key: "ipv6_prefix_length", Default: 64, Unit: "bits", Min: 1, Max: 128, Help: "Leading bits of an IPv6 address that tell viewers apart: all that share them count as one address"},
	{Key: "target_connections", Default: 0, Unit: "connections", Min: 1, Max: maxCount, Zero: "none", Help: "The number you want; barrage check tells whether this machine can hold it"},
	{Key: "max_rooms_per_connection", Default: 16, Unit: "rooms", Min: 1, Max: 1000, Help: "Rooms that one connection may join"},
	{Key: "default_room", Default: "", Unit: "room", Help: "Room of a connection that names none; empty: it is refused"},
	{Key: "allowed_origins", Default: []string(nil), Unit: "origins", Help: "Pages that may connect beside the server's own: https://example.com, https://*.example.com, or * for all"},
	{Key: "require_origin", Default: false, Help: "Refuse clients that send no Origin header, which only browsers must"},
	{Key: "ws_paths", Default: []string(nil), Unit: "paths", Help: "Further paths that stand for /ws, such as /ws/chat/{room}/{token}/, with a room or a token in place of a segment"},
	{Key: "echo", Default: false, Help: "Serve /echo, which returns every message, for conformance suites and measurements"},

	{Key: "trusted_proxies", Default: []string(nil), Unit: "networks", Help: "Addresses and networks, such as 127.0.0.1 or 10.0.0.0/8, that proxies connect from, and no viewers, and unix: for those that connect to Unix sockets: they are believed whose connections they make; empty: nobody is"},
	{Key: "proxy_protocol", Default: false, Help: "Connections from trusted_proxies begin with a PROXY header, of version 1 or 2, with the viewer's address"},
	{Key: "client_address_header", Default: noHeader, OneOf: append([]string{noHeader}, proxy.Headers()...), Help: "Header in which requests from trusted_proxies have the viewer's address; one that the proxy itself sets or adds to"},

	{Key: "max_message_bytes", Default: 64 * settings.KiB, Min: settings.Bytes(1), Max: 16 * settings.MiB, Help: "Longest message, from a socket or a backend"},
	{Key: "publish_rate", Default: 10.0, Unit: "messages/s", Min: 0.01, Max: 1e6, Zero: "sockets may not publish", Help: "Messages that one connection may publish, lastingly"},
	{Key: "publish_burst", Default: 20, Unit: "messages", Min: 1, Max: 1000000, Help: "Messages that one connection may publish at once"},
	{Key: "publish_bytes", Default: 16 * settings.KiB, Min: settings.Bytes(1), Max: settings.GiB, Zero: "no limit", Help: "Bytes a second that one connection may publish, lastingly; a message counts as one of publish_rate, or by its bytes if that is more"},
	{Key: "max_publish_bytes", Default: settings.Bytes(0), Min: settings.Bytes(1), Max: 16 * settings.MiB, Zero: "as max_message_bytes", Help: "Longest message that a connection may publish; commands, requests and backends keep max_message_bytes"},

	{Key: "auth_secret", Default: []string(nil), Unit: "texts", Secret: true, Filled: true, Help: "Secrets of tokens signed with HS256, at least 32 bytes each; not set, as the next two: everybody is anonymous"},
	{Key: "auth_public_keys", Default: "", Unit: "file", Filled: true, Help: "PEM file with the public keys of tokens signed with RS256, ES256 or EdDSA"},
	{Key: "auth_jwks", Default: "", Unit: "URL", URL: true, Filled: true, Help: "Where the issuer of tokens publishes its keys (JWKS)"},
	{Key: "auth_algorithms", Default: []string(nil), Unit: "names", Help: "Algorithms that are accepted, of HS256, RS256, ES256, EdDSA; empty: those that the keys can verify"},
	{Key: "auth_audience", Default: "", Unit: "text", Filled: true, Help: "Audience (aud) that tokens must be for; not set: any"},
	{Key: "auth_issuer", Default: "", Unit: "text", Filled: true, Help: "Issuer (iss) that tokens must be from; not set: any"},
	{Key: "auth_user_claim", Default: "sub", Unit: "claim", Help: "Claim of tokens that has the user: a text, or if it is not sub a whole number"},
	{Key: "auth_cookie", Default: "", Unit: "name", Help: "Cookie that may have a token, in requests of the server's own pages and of allowed_origins; empty: none"},
	{Key: "keys", Default: keyring.Entries(nil), Unit: "list", Secret: true, Filled: true, Form: "a list of keys, each with name, hash, rooms, and publish or subscribe", Help: "Keys that are as good as tokens, each with `name`, `hash`, `rooms`, `publish`, `subscribe`, and where wanted `serve`, `get`, `origins`, `rate`, `expires`: see [keys](interfaces.md#keys-instead-of-tokens); by flag or variable as YAML in one text"},
	{Key: "auth_timeout", Default: 10 * time.Second, Min: 100 * time.Millisecond, Max: 5 * time.Minute, Help: "Longest wait of a barrage.v1 connection's first command, where that must be auth"},
	{Key: "anonymous", Default: false, Help: "Where tokens are checked: let those in who have none, too"},

	{Key: "history", Default: []string{"user:*=1000/168h", "*=100/10m"}, Unit: "pattern=messages/age/bytes", Help: "What rooms remember: the first pattern that fits a room's name decides; 0/0 is nothing; bytes may be left out and are then 4 MiB, for `user:*` 16 MiB"},
	{Key: "target_rate", Default: []string(nil), Unit: "pattern=rate", Help: "Comments a second that viewers of a room get at most, of a hot one a fair share from each sender: the first pattern that fits a room's name decides; 0 is all; 1 to 10000"},
	{Key: "lanes", Default: []string{"system=system", "notice=system", "gift=gift", "superchat=gift", "like=low", "enter=low"}, Unit: "kind=lane", Help: "What goes first where there is too much: the lane of messages of a kind, `system`, `gift`, `normal` or `low`; all others are normal. Only those two are left out of hot rooms, and what clients send goes by no higher one"},
	{Key: "ack_timeout", Default: 30 * time.Second, Min: 100 * time.Millisecond, Max: time.Hour, Help: "A message with qos 1 that its user has not acknowledged for this long is pushed again; the wait doubles, up to ten times"},
	{Key: "last_seen", Default: 24 * time.Hour, Min: time.Minute, Max: 720 * time.Hour, Zero: "off", Help: "How long it is remembered when users were here last, for those who may know"},
	{Key: "compression", Default: false, Help: "Use permessage-deflate with clients that offer it"},
	{Key: "compress_wait", Default: 50 * time.Millisecond, Min: time.Millisecond, Max: time.Second, Zero: "no batches", Help: "With compression: how long messages wait for others of their room, to be compressed together, for clients that ask for it (batch=1)"},

	{Key: "webhook_url", Default: "", Unit: "URL", URL: true, Help: "Where backends are told what happens; empty: nobody is told"},
	{Key: "webhook_secret", Default: []string(nil), Unit: "texts", Secret: true, Filled: true, Help: "Secrets that sign what backends are told and asked, at least 16 bytes each; webhook_url, request_routes and hooks need one"},
	{Key: "event_stream", Default: "", Unit: "key", Help: "Redis stream to which backends' events are added, instead of webhook_url; empty: none"},
	{Key: "event_stream_bytes", Default: 256 * settings.MiB, Min: settings.MiB, Max: 1024 * settings.GiB, Help: "Memory of Redis that event_stream takes, about: beyond, the oldest events go"},
	{Key: "event_queue_bytes", Default: 32 * settings.MiB, Min: settings.MiB, Max: 64 * settings.GiB, Help: "Memory of events that wait for backends; one room alone has half of it at most, and beyond, the oldest go"},
	{Key: "event_types", Default: []string{"connect", "disconnect", "join", "leave", "publish", "room_closed"}, Unit: "types", Help: "Events that backends are told of"},
	{Key: "event_rooms", Default: []string{"*"}, Unit: "patterns", Help: "Rooms that backends are told of"},
	{Key: "request_routes", Default: map[string]string(nil), Unit: "method=URL", URL: true, Help: "Where requests of clients go, by method; * stands for any bytes"},
	{Key: "request_timeout", Default: 5 * time.Second, Min: 100 * time.Millisecond, Max: time.Minute, Help: "Longest wait for the answer of a backend or a worker"},

	{Key: "connect_url", Default: "", Unit: "URL", URL: true, Help: "Backend that is asked whose a connection without a token is; empty: nobody is asked"},
	{Key: "connect_by", Default: "request", OneOf: []string{"request", "message"}, Help: "What it is asked by: the connection's request, or its first message, such as user:password"},
	{Key: "connect_headers", Default: []string(nil), Unit: "names", Help: "Headers of the request that it gets; cookies are connect_cookies"},
	{Key: "connect_cookies", Default: []string(nil), Unit: "patterns", Help: "Names of cookies that it gets; * stands for any bytes"},
	{Key: "connect_query", Default: []string(nil), Unit: "names", Help: "Parameters of the request's URL that it gets"},
	{Key: "connect_tries", Default: 5, Unit: "messages", Min: 1, Max: 100, Help: "First messages of a connection that may be refused; then it is closed"},
	{Key: "connect_timeout", Default: 5 * time.Second, Min: 10 * time.Millisecond, Max: time.Minute, Help: "Longest wait for its answer, and as long again for the question's turn"},
	{Key: "connect_away", Default: hooks.AwayRefuse, OneOf: []string{hooks.AwayRefuse, hooks.AwayAnonymous, hooks.AwayLast}, Help: "While it is away: refuse, let in as nobody's, or go by what an equal question was answered last, until that expires, an hour at most"},
	{Key: "join_hooks", Default: map[string]string(nil), Unit: "pattern=URL", URL: true, Help: "Backends that are asked who may join rooms; of several patterns that fit, the longest counts"},
	{Key: "join_timeout", Default: 2 * time.Second, Min: 10 * time.Millisecond, Max: time.Minute, Help: "Longest wait for their answer, and as long again for the question's turn"},
	{Key: "join_away", Default: hooks.AwayRefuse, OneOf: []string{hooks.AwayRefuse, hooks.AwayAllow}, Help: "A join while the backend is away"},
	{Key: "publish_hooks", Default: map[string]string(nil), Unit: "pattern=URL", URL: true, Help: "Backends that are asked what connections publish to rooms, and may change it; patterns as for join_hooks"},
	{Key: "publish_timeout", Default: 2 * time.Second, Min: 10 * time.Millisecond, Max: time.Minute, Help: "Longest wait for their answer, and as long again for the question's turn"},
	{Key: "publish_away", Default: hooks.AwayRefuse, OneOf: []string{hooks.AwayRefuse, hooks.AwayAllow}, Help: "A publish while the backend is away"},
	{Key: "hook_concurrency", Default: 64, Unit: "requests", Min: 1, Max: 1000, Help: "Requests under way at a time to each URL of connect_url, join_hooks and publish_hooks"},

	{Key: "handshake_timeout", Default: 10 * time.Second, Min: 100 * time.Millisecond, Max: 5 * time.Minute, Help: "From accept to a complete request head"},
	{Key: "frame_timeout", Default: 10 * time.Second, Min: 100 * time.Millisecond, Max: 5 * time.Minute, Help: "From the first byte of a message to its last"},
	{Key: "ping_interval", Default: 50 * time.Second, Min: 100 * time.Millisecond, Max: time.Hour, Help: "Time between two pings of a connection, whatever its rooms say"},
	{Key: "ping_timeout", Default: 10 * time.Second, Min: 100 * time.Millisecond, Max: 10 * time.Minute, Help: "Longest wait for any frame after a ping; it begins anew while the viewer takes what stands before the ping"},
	{Key: "close_timeout", Default: time.Second, Min: 10 * time.Millisecond, Max: time.Minute, Help: "Longest wait for the peer to finish a close"},
	{Key: "drain_delay", Default: time.Duration(0), Min: time.Millisecond, Max: 10 * time.Minute, Zero: "none", Help: "At a stop, viewers are still let in for this time while /readyz says 503, so that balancers notice first"},
	{Key: "drain_window", Default: 10 * time.Second, Min: time.Millisecond, Max: 10 * time.Minute, Zero: "at once", Help: "At a stop, connections are closed spread over this time"},

	{Key: "slow_policy", Default: "skip", OneOf: []string{"skip", "close"}, Help: "A viewer who falls behind by the bound of the room's log skips what is lost to it, or is closed"},
	{Key: "slow_timeout", Default: time.Minute, Min: 100 * time.Millisecond, Max: 24 * time.Hour, Zero: "never, if it answers pings", Help: "A viewer that takes no byte for this long is closed"},
	{Key: "room_log_bytes", Default: 4 * settings.MiB, Min: 64 * settings.KiB, Max: settings.GiB, Help: "Bound of one room's log, in each shard"},
	{Key: "log_bytes", Default: 256 * settings.MiB, Min: settings.MiB, Max: 1024 * settings.GiB, Help: "Bound of all logs of the process"},
	{Key: "unread_bytes", Default: 256 * settings.MiB, Min: 4 * settings.MiB, Max: 1024 * settings.GiB, Help: "Bound of what all clients together have not read of their answers; from half of it on large answers are refused, past it the client with the most is closed"},

	{Key: "unfinished_bytes", Default: 64 * settings.MiB, Min: settings.MiB, Max: 1024 * settings.GiB, Help: "Bound of all messages and requests that have begun and not ended, but at least four messages for each shard; past it the largest are closed"},

	{Key: "send_buffer_bytes", Default: settings.Bytes(0), Min: 4 * settings.KiB, Max: 64 * settings.MiB, Zero: "the kernel's autotuning", Help: "Socket send buffer (SO_SNDBUF)", Kernel: "net.core.wmem_max; of autotuning, net.ipv4.tcp_wmem"},
	{Key: "tcp_user_timeout", Default: time.Minute, Min: time.Second, Max: time.Hour, Zero: "the kernel's retries decide", Help: "A peer that acknowledges nothing for this long is gone (TCP_USER_TIMEOUT)", Kernel: "net.ipv4.tcp_retries2"},
	{Key: "backlog", Default: 4096, Unit: "connections", Min: 1, Max: math.MaxUint16, Help: "Accept queue of each shard", Kernel: "net.core.somaxconn, net.ipv4.tcp_max_syn_backlog"},

	{Key: "log_level", Default: "info", OneOf: []string{"debug", "info", "warn", "error"}, Help: "Least severe line that is logged"},
	{Key: "log_format", Default: "auto", OneOf: []string{"auto", "text", "json"}, Help: "Form of the log, on stderr; auto is text on a terminal and JSON elsewhere"},
}
