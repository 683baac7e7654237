// Settings of the server.

package edge

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"barrage/edge/auth"
	"barrage/edge/events"
	"barrage/edge/moderation/replica"
	"barrage/edge/node"
	"barrage/edge/presence"
	"barrage/fanout"
	"barrage/internal/broker"
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
	Body        []byte
}

// Config holds the server's settings. It is copied by New. The zero value of a
// field means its default, except where "0 is" says otherwise.
type Config struct {
	Node   string // names this server among those that share a broker (default a random one)
	Listen string // public address (default 127.0.0.1:8080)
	Shards int    // event loops (default GOMAXPROCS, at most fanout.MaxShards)

	MaxConnections int      // WebSocket connections at a time (required)
	MaxSockets     int      // sockets at a time, those before and after their time as WebSocket connections included (default MaxConnections + 1024)
	MaxPerIP       int      // of them from one IPv4 address or IPv6 /64; 0 is no limit
	MaxRooms       int      // rooms one connection may join (default 16)
	DefaultRoom    string   // for /ws without room; "" refuses
	AllowedOrigins []string // besides the server's own; see frame.CheckOrigin
	RequireOrigin  bool     // refuse clients that send no Origin
	Echo           bool     // serve /echo

	Protocols []node.Protocol // that it speaks (default those of Protocols)

	MaxMessage       int           // bytes of a message from a socket (default 64 KiB)
	HandshakeTimeout time.Duration // from accept to a complete request head (default 10s)
	FrameTimeout     time.Duration // from the first byte of a message to its last (default 10s)
	PingInterval     time.Duration // silence of a connection's rooms before it is pinged (default 50s: below the usual idle timeout of proxies)
	PingTimeout      time.Duration // for the pong (default 10s)
	CloseTimeout     time.Duration // for the peer to finish a close (default 1s)
	PublishRate      float64       // messages a second that one connection may publish; 0 is none
	PublishBurst     int           // messages at once (default 20)

	Auth         *auth.Verifier // checks tokens; nil: everybody is anonymous
	Anonymous    bool           // with Auth: those without a token are let in too
	AuthTimeout  time.Duration  // for the first command of a barrage.v1 connection without a token (default 10s)
	AckTimeout   time.Duration  // until a message that is to be acknowledged is pushed again (default 30s)
	Compression  bool           // permessage-deflate for those who offer it
	CompressWait time.Duration  // how long messages wait for others of their room, to be compressed together for those who ask for batches; at most 1s, 0 is no batches

	History  broker.Rules    // what rooms remember (default broker.DefaultRules)
	Presence presence.Store  // joins the presence of nodes; nil: a single node
	Orders   replica.Store   // keeps orders that last, for all nodes; nil: a single node, which forgets them with its process
	Events   *events.Emitter // tells backends; nil: nobody
	Caller   *events.Caller  // asks backends what clients request; nil: there are none

	SlowPolicy   SlowPolicy    // default SlowSkip
	SlowTimeout  time.Duration // a viewer that takes no byte for so long is closed; 0 is never
	RoomLogBytes int           // bound of a room's log, per shard (default 4 MiB)
	LogBytes     int           // bound of all logs together (default 256 MiB)

	SendBuffer  int           // SO_SNDBUF; 0 is the kernel's autotuning
	UserTimeout time.Duration // TCP_USER_TIMEOUT; 0 is off
	Backlog     int           // accept queue per shard (default 4096)

	Assets       []Asset
	AssetHeaders string // header lines sent with each asset, CRLF after each

	Tick time.Duration // resolution of the loops' timers (default 100ms; deadlines are seen up to ten ticks late)

	Logger  *slog.Logger    // default slog.Default()
	OnFatal func(err error) // a loop has gone deaf: the process should exit (default: panics)

}

func (c Config) withDefaults() (Config, error) {
	setDefault(&c.Node, NewNode())
	setDefault(&c.Listen, "127.0.0.1:8080")
	setDefault(&c.Shards, min(runtime.GOMAXPROCS(0), fanout.MaxShards))
	setDefault(&c.MaxSockets, c.MaxConnections+1024)
	setDefault(&c.MaxRooms, 16)
	setDefault(&c.MaxMessage, 64<<10)
	setDefault(&c.HandshakeTimeout, 10*time.Second)
	setDefault(&c.FrameTimeout, 10*time.Second)
	setDefault(&c.PingInterval, 50*time.Second)
	setDefault(&c.PingTimeout, 10*time.Second)
	setDefault(&c.CloseTimeout, time.Second)
	setDefault(&c.PublishBurst, 20)
	setDefault(&c.AuthTimeout, 10*time.Second)
	setDefault(&c.AckTimeout, 30*time.Second)
	if c.History == nil {
		c.History = broker.DefaultRules()
	}
	setDefault(&c.SlowPolicy, SlowSkip)
	setDefault(&c.RoomLogBytes, 4<<20)
	setDefault(&c.LogBytes, 256<<20)
	setDefault(&c.Tick, 100*time.Millisecond)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Protocols == nil {
		c.Protocols = Protocols()
	}
	if c.OnFatal == nil {
		c.OnFatal = func(err error) { panic(err) }
	}
	return c, c.check()
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (c *Config) check() error {
	var errs []error
	bad := func(field string, v any, want string) {
		errs = append(errs, fmt.Errorf("edge: %s is %v, want %s", field, v, want))
	}
	if c.Shards < 1 || c.Shards > fanout.MaxShards {
		bad("Shards", c.Shards, fmt.Sprintf("1 to %d", fanout.MaxShards))
	}
	if c.MaxConnections < 1 {
		bad("MaxConnections", c.MaxConnections, "at least 1")
	}
	if c.MaxSockets < c.MaxConnections {
		bad("MaxSockets", c.MaxSockets, "at least MaxConnections")
	}
	if c.MaxPerIP < 0 {
		bad("MaxPerIP", c.MaxPerIP, "0 or more")
	}
	if c.DefaultRoom != "" {
		if err := broker.CheckRoom(c.DefaultRoom); err != nil {
			errs = append(errs, fmt.Errorf("edge: DefaultRoom: %w", err))
		}
	}
	for _, p := range []struct {
		field string
		v     int
		min   int
	}{{"MaxRooms", c.MaxRooms, 1}, {"MaxMessage", c.MaxMessage, 1}, {"PublishBurst", c.PublishBurst, 1}} {
		if p.v < p.min {
			bad(p.field, p.v, fmt.Sprintf("at least %d", p.min))
		}
	}
	for _, p := range []struct {
		field string
		v     time.Duration
	}{
		{"HandshakeTimeout", c.HandshakeTimeout}, {"FrameTimeout", c.FrameTimeout}, {"PingInterval", c.PingInterval},
		{"PingTimeout", c.PingTimeout}, {"CloseTimeout", c.CloseTimeout}, {"AuthTimeout", c.AuthTimeout}, {"AckTimeout", c.AckTimeout},
		{"Tick", c.Tick},
	} {
		if p.v < time.Millisecond {
			bad(p.field, p.v, "at least 1ms")
		}
	}
	if c.CompressWait < 0 || c.CompressWait > time.Second {
		bad("CompressWait", c.CompressWait, "0 to 1s")
	}
	if c.PublishRate < 0 || c.PublishRate > 1e6 {
		bad("PublishRate", c.PublishRate, "0 to 1000000")
	}
	if c.SlowPolicy != SlowSkip && c.SlowPolicy != SlowClose {
		bad("SlowPolicy", c.SlowPolicy, `"skip" or "close"`)
	}
	return errors.Join(errs...)
}

// maxFragments bounds the frames of one message: tiny or empty fragments cost
// the server much more than the peer.
const maxFragments = 1024
