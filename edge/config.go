// Settings of the server.

package edge

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"runtime"
	"slices"
	"time"

	"barrage/edge/auth"
	"barrage/edge/auth/keyring"
	"barrage/edge/events"
	"barrage/edge/hooks"
	"barrage/edge/moderation/replica"
	"barrage/edge/node"
	"barrage/edge/presence"
	"barrage/edge/proxy"
	"barrage/edge/tcp"
	"barrage/fanout"
	"barrage/frame"
	"barrage/internal/broker"
	"barrage/internal/limits"
)

// SlowPolicy says what happens to a viewer for whom the bound of a room's log
// has passed.
type SlowPolicy string

// The slow-viewer policies.
const (
	SlowSkip  SlowPolicy = "skip"  // it goes on with the oldest message there is; the rest is counted as skipped
	SlowClose SlowPolicy = "close" // it is closed with code CloseSlow
)

// Asset is a file served to GET and HEAD on the public listener.
type Asset struct {
	Path        string // of the request, with its slash
	ContentType string
	Headers     string // header lines, CRLF after each, instead of Config.AssetHeaders
	Body        []byte
}

// Config holds the server's settings. It is copied by New. The zero value of a
// field means its default, except where "0 is" says otherwise.
type Config struct {
	Node   string // names this server among those that share a broker (default a random one)
	Listen string // public address (default 127.0.0.1:8080)
	Shards int    // event loops (default GOMAXPROCS, at most fanout.MaxShards)

	ListenTCP  []string    // addresses of barrage.v1 without WebSocket: host:port, or unix: and a path
	TCPFraming tcp.Framing // of all of them (default tcp.Lines)
	SocketMode fs.FileMode // permissions of the files of Unix sockets (default 0600)

	MaxConnections int      // WebSocket connections at a time (required)
	MaxSockets     int      // sockets at a time, those before and after their time as WebSocket connections included (default MaxConnections + 1024)
	MaxPerIP       int      // of them from one IPv4 address or IPv6 network; 0 is no limit
	IPv6Prefix     int      // bits of an IPv6 address that are the network of one viewer (default 64)
	MaxRooms       int      // rooms one connection may join (default 16)
	DefaultRoom    string   // for /ws without room; "" refuses
	AllowedOrigins []string // besides the server's own; see frame.ParseOrigins
	SocketPaths    []string // templates of paths that stand for /ws; see package paths
	RequireOrigin  bool     // refuse clients that send no Origin
	TokenCookie    string   // cookie that may have a token, of the pages that may connect; "": none
	Echo           bool     // serve /echo

	Proxies proxy.Config // who says for others whose connection it is (default nobody)

	Protocols []node.Protocol // that it speaks (default those of Protocols)

	MaxMessage       int           // bytes of a message from a socket (default 64 KiB)
	HandshakeTimeout time.Duration // from accept to a complete request head (default 10s)
	FrameTimeout     time.Duration // from the first byte of a message to its last (default 10s)
	PingInterval     time.Duration // between two pings of a connection (default 50s: below the usual idle timeout of proxies)
	PingTimeout      time.Duration // for any frame as an answer, from when the viewer last took some of what stands before the ping (default 10s)
	CloseTimeout     time.Duration // for the peer to finish a close (default 1s)
	PublishRate      float64       // messages a second that one connection may publish; 0 is none
	PublishBurst     int           // messages at once (default 20)
	PublishBytes     int           // bytes a second that one connection may publish; 0 is no limit
	MaxPublish       int           // bytes of a message that a connection publishes (default, and at most, MaxMessage)

	Auth         *auth.Verifier // checks tokens; nil, and no Keys: everybody is anonymous
	Keys         *keyring.Ring  // that are as good as tokens; nil: there are none
	Anonymous    bool           // with Auth or Keys: those without a token are let in too
	AuthTimeout  time.Duration  // for the first command of a barrage.v1 connection without a token (default 10s)
	AckTimeout   time.Duration  // until a message that is to be acknowledged is pushed again (default 30s)
	Compression  bool           // permessage-deflate for those who offer it
	CompressWait time.Duration  // how long messages wait for others of their room, to be compressed together for those who ask for batches; at most 1s, 0 is no batches

	Targets        broker.Targets  // how many comments a second viewers of rooms get (default all)
	Lanes          broker.Lanes    // which lane messages of a kind go by (default broker.DefaultLanes())
	History        broker.Rules    // what rooms remember (default broker.DefaultRules)
	Presence       presence.Store  // joins the presence of nodes; nil: a single node
	LastSeen       time.Duration   // how long it is remembered when users were here; 0: not at all
	Orders         replica.Store   // keeps persistent orders, for all nodes; nil: a single node, which forgets them with its process
	Events         *events.Emitter // tells backends; nil: nobody
	Caller         *events.Caller  // asks backends what clients request; nil: there are none
	RequestTimeout time.Duration   // the longest wait for the answer to a request (default 5s)

	Hooks *hooks.Hooks // asks backends who may come, join and publish; nil: nobody is asked

	SlowPolicy   SlowPolicy    // default SlowSkip
	SlowTimeout  time.Duration // a viewer that takes no byte for so long is closed; 0 is never
	RoomLogBytes int           // bound of a room's log, per shard (default 4 MiB)
	LogBytes     int           // bound of all logs together (default 256 MiB)

	UnreadBytes     int // queued of answers for all connections; past it the one with the most is closed (default 256 MiB)
	UnfinishedBytes int // bound of what messages and requests that have not ended hold, together (default 64 MiB, and at least four messages for each shard)

	SendBuffer  int           // SO_SNDBUF; 0 is the kernel's autotuning
	UserTimeout time.Duration // TCP_USER_TIMEOUT; 0 is off
	Backlog     int           // accept queue per shard (default 4096)

	Assets       []Asset
	AssetHeaders string // header lines sent with each asset that has none of its own, CRLF after each

	Tick time.Duration // resolution of the loops' timers (default 100ms; deadlines are seen up to ten ticks late)

	Logger  *slog.Logger    // default slog.Default()
	OnFatal func(err error) // a loop has gone deaf: the process should exit (default: panics)
}

func (c Config) withDefaults() (Config, error) {
	c.Node = cmp.Or(c.Node, NewNode())
	c.Listen = cmp.Or(c.Listen, "127.0.0.1:8080")
	c.Shards = cmp.Or(c.Shards, min(runtime.GOMAXPROCS(0), fanout.MaxShards))
	c.MaxSockets = cmp.Or(c.MaxSockets, c.MaxConnections+1024)
	c.IPv6Prefix = cmp.Or(c.IPv6Prefix, 64)
	c.MaxRooms = cmp.Or(c.MaxRooms, 16)
	c.MaxMessage = cmp.Or(c.MaxMessage, 64<<10)
	c.HandshakeTimeout = cmp.Or(c.HandshakeTimeout, 10*time.Second)
	c.FrameTimeout = cmp.Or(c.FrameTimeout, 10*time.Second)
	c.PingInterval = cmp.Or(c.PingInterval, 50*time.Second)
	c.PingTimeout = cmp.Or(c.PingTimeout, 10*time.Second)
	c.CloseTimeout = cmp.Or(c.CloseTimeout, time.Second)
	c.PublishBurst = cmp.Or(c.PublishBurst, 20)
	c.MaxPublish = cmp.Or(c.MaxPublish, c.MaxMessage)
	c.AuthTimeout = cmp.Or(c.AuthTimeout, 10*time.Second)
	c.RequestTimeout = cmp.Or(c.RequestTimeout, 5*time.Second)
	c.AckTimeout = cmp.Or(c.AckTimeout, 30*time.Second)
	if c.Lanes == nil {
		c.Lanes = broker.DefaultLanes()
	}
	if c.History == nil {
		c.History = broker.DefaultRules()
	}
	c.SlowPolicy = cmp.Or(c.SlowPolicy, SlowSkip)
	c.RoomLogBytes = cmp.Or(c.RoomLogBytes, 4<<20)
	c.LogBytes = cmp.Or(c.LogBytes, 256<<20)
	c.UnreadBytes = cmp.Or(c.UnreadBytes, 256<<20)
	c.UnfinishedBytes = cmp.Or(c.UnfinishedBytes, 64<<20)
	c.Tick = cmp.Or(c.Tick, 100*time.Millisecond)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.Protocols == nil {
		c.Protocols = Protocols()
	}
	c.TCPFraming = cmp.Or(c.TCPFraming, tcp.Lines)
	c.SocketMode = cmp.Or(c.SocketMode, 0o600)
	if len(c.ListenTCP) > 0 {
		c.Protocols = append(slices.Clip(c.Protocols), tcp.Protocol(tcp.Config{Framing: c.TCPFraming, MaxMessage: c.MaxMessage}))
	}
	if c.OnFatal == nil {
		c.OnFatal = func(err error) { panic(err) }
	}
	return c, c.check()
}

func (c *Config) check() error {
	var room, policy, origins error
	if c.DefaultRoom != "" {
		name, err := broker.RoomName(c.DefaultRoom)
		if c.DefaultRoom = name; err != nil {
			room = fmt.Errorf("edge: DefaultRoom: %w", err)
		}
	}
	if c.SlowPolicy != SlowSkip && c.SlowPolicy != SlowClose {
		policy = fmt.Errorf(`edge: SlowPolicy is %v, want "skip" or "close"`, c.SlowPolicy)
	}
	if allowed, err := frame.ParseOrigins(c.AllowedOrigins); err != nil {
		origins = fmt.Errorf("edge: AllowedOrigins: %w", err)
	} else if c.TokenCookie != "" && allowed.OfAnybody() {
		origins = errors.New("edge: TokenCookie: AllowedOrigins has pages that anybody may make, which would act as whoever visits them")
	}
	return errors.Join(room, policy, origins, c.Proxies.Check(), c.TCPFraming.Check(),
		limits.Within("edge: Shards", c.Shards, 1, fanout.MaxShards),
		limits.AtLeast("edge: MaxConnections", c.MaxConnections, 1),
		limits.AtLeast("edge: MaxSockets", c.MaxSockets, c.MaxConnections),
		limits.AtLeast("edge: MaxPerIP", c.MaxPerIP, 0),
		limits.Within("edge: IPv6Prefix", c.IPv6Prefix, 1, 128),
		limits.AtLeast("edge: MaxRooms", c.MaxRooms, 1),
		limits.AtLeast("edge: MaxMessage", c.MaxMessage, 1),
		limits.Within("edge: PublishRate", c.PublishRate, 0, 1e6),
		limits.AtLeast("edge: PublishBurst", c.PublishBurst, 1),
		limits.AtLeast("edge: PublishBytes", c.PublishBytes, 0),
		limits.Within("edge: MaxPublish", c.MaxPublish, 1, c.MaxMessage),
		limits.AtLeast("edge: UnfinishedBytes", c.UnfinishedBytes, 1),
		limits.AtLeast("edge: HandshakeTimeout", c.HandshakeTimeout, time.Millisecond),
		limits.AtLeast("edge: FrameTimeout", c.FrameTimeout, time.Millisecond),
		limits.AtLeast("edge: PingInterval", c.PingInterval, time.Millisecond),
		limits.AtLeast("edge: PingTimeout", c.PingTimeout, time.Millisecond),
		limits.AtLeast("edge: CloseTimeout", c.CloseTimeout, time.Millisecond),
		limits.AtLeast("edge: AuthTimeout", c.AuthTimeout, time.Millisecond),
		limits.AtLeast("edge: RequestTimeout", c.RequestTimeout, time.Millisecond),
		limits.AtLeast("edge: AckTimeout", c.AckTimeout, time.Millisecond),
		limits.AtLeast("edge: Tick", c.Tick, time.Millisecond),
		limits.Within("edge: CompressWait", c.CompressWait, 0, time.Second),
	)
}
