package redisbridge

// The settings, their defaults and their validation.

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"barrage/internal/broker"
	"barrage/internal/random"
)

// What happens to a publish while Redis is out of reach (Config.Outage).
const (
	OutageLocal  = "local"
	OutageRefuse = "refuse"
)

const (
	defaultPrefix        = "room:"
	defaultLinger        = 30 * time.Second
	defaultProbeInterval = time.Second
	defaultProbeTimeout  = 3 * time.Second
	defaultTimeout       = time.Second
	defaultQueueLen      = 16384
	defaultQueueBytes    = 16 << 20
	defaultIdempotency   = 5 * time.Minute

	maxNodeLen = 64
)

// Config is what New needs. It is copied and never changed afterwards. Zero
// values mean the default, where one is given.
type Config struct {
	// URL of Redis. Timeout and retry options are overruled by Timeout.
	//
	//	redis://user:password@host:port, unix://path
	//	redis+sentinel://user:password@host:port,host:port/MASTER: the hosts are
	//	the sentinels'; ?sentinel_username=&sentinel_password= if they want that
	//	redis+cluster://user:password@host:port,host:port: some of the nodes
	//	rediss://, rediss+sentinel:// (both kinds of connections) and
	//	rediss+cluster:// are the same over TLS; ?tls_ca_file= is who signed the
	//	certificates (default: the system's authorities), &tls_cert_file= and
	//	&tls_key_file= our own certificate, read for each connection; all PEM
	URL string
	// Sharded uses sharded pub/sub among the nodes: a message goes to those nodes
	// of Redis only that carry its room. It needs a Redis Cluster of version 7.
	Sharded bool
	// Rules say which rooms have a history. Default: none has.
	Rules broker.Rules
	// Retention is asked instead of Rules, for every message: what a room keeps may
	// change at any time, and does so with its next message. It must not call the
	// Bridge. Default: Rules.
	Retention func(room string) broker.Retention
	// IdempotencyTTL is how long a publication's key is remembered. Default 5m.
	IdempotencyTTL time.Duration
	// Prefix of the channels any program may publish to. Default "room:".
	Prefix string
	// Channels maps further channel names to rooms. They are always subscribed.
	Channels map[string]string
	// Node names this node in envelopes and in Redis's CLIENT LIST: letters,
	// digits, '.', '_' and '-', at most 64. Default: a random name.
	Node string
	// Linger is how long a room without members stays subscribed, at least; at
	// most two thirds longer. Default 30s.
	Linger time.Duration
	// ProbeInterval is the time between two end-to-end probes, ProbeTimeout the
	// age of the newest returned one at which the bridge counts as down.
	// Defaults 1s and 3s, or twice Timeout if that is longer: a probe that Redis
	// may answer so late must not look like an outage.
	ProbeInterval, ProbeTimeout time.Duration
	// Timeout bounds a dial, a read of a reply, a write, and a whole publish.
	// Default 1s.
	Timeout time.Duration
	// QueueLen and QueueBytes bound what TryPublish holds until Redis has
	// acknowledged it. Defaults 16384 messages and 16 MiB.
	QueueLen   int
	QueueBytes int
	// Outage is OutageLocal (default) or OutageRefuse.
	Outage string

	// Logger gets one line per change of state. Default: none.
	Logger *slog.Logger
}

// prepare fills in the defaults and reports every bad field in one error.
func (c *Config) prepare() (*address, error) {
	c.setDefaults()
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("redisbridge: %s: %s", field, fmt.Sprintf(format, args...)))
	}
	addr, err := parseAddress(c)
	switch {
	case err != nil:
		bad("URL", "%v", err)
	case c.Sharded && addr.kind != cluster:
		bad("Sharded", "needs a redis+cluster:// URL")
	}
	if strings.HasPrefix(c.Prefix, ownNamespace) || strings.HasPrefix(ownNamespace, c.Prefix) {
		bad("Prefix", "%q cannot be told from %q, which nodes use among themselves", c.Prefix, ownNamespace)
	}
	for channel, room := range c.Channels {
		switch {
		case channel == "" || room == "":
			bad("Channels", "%q: %q: neither may be empty", channel, room)
		case strings.HasPrefix(channel, c.Prefix) || strings.HasPrefix(channel, ownNamespace):
			bad("Channels", "%q has a meaning already (prefix %q or %q)", channel, c.Prefix, ownNamespace)
		}
	}
	if !validNode(c.Node) {
		bad("Node", "%q: want 1 to %d letters, digits, '.', '_' or '-'", c.Node, maxNodeLen)
	}
	c.checkNumbers(bad)
	if c.Outage != OutageLocal && c.Outage != OutageRefuse {
		bad("Outage", "%q: want %q or %q", c.Outage, OutageLocal, OutageRefuse)
	}
	return addr, errors.Join(errs...)
}

func (c *Config) setDefaults() {
	orDuration := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	orDuration(&c.Linger, defaultLinger)
	orDuration(&c.ProbeInterval, defaultProbeInterval)
	orDuration(&c.Timeout, defaultTimeout)
	orDuration(&c.ProbeTimeout, max(defaultProbeTimeout, 2*c.Timeout))
	orDuration(&c.IdempotencyTTL, defaultIdempotency)
	if c.Retention == nil {
		c.Retention = slices.Clone(c.Rules).For
	}
	if c.Prefix == "" {
		c.Prefix = defaultPrefix
	}
	if c.Node == "" {
		c.Node = random.Name()
	}
	if c.QueueLen == 0 {
		c.QueueLen = defaultQueueLen
	}
	if c.QueueBytes == 0 {
		c.QueueBytes = defaultQueueBytes
	}
	if c.Outage == "" {
		c.Outage = OutageLocal
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

func (c *Config) checkNumbers(bad func(field, format string, args ...any)) {
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"Linger", c.Linger}, {"ProbeInterval", c.ProbeInterval},
		{"ProbeTimeout", c.ProbeTimeout}, {"Timeout", c.Timeout}, {"IdempotencyTTL", c.IdempotencyTTL},
	} {
		if d.value < time.Millisecond {
			bad(d.field, "%v is under 1ms", d.value)
		}
	}
	if c.ProbeTimeout <= c.ProbeInterval {
		bad("ProbeTimeout", "%v must be longer than ProbeInterval, %v", c.ProbeTimeout, c.ProbeInterval)
	}
	if c.QueueLen < 0 {
		bad("QueueLen", "%d is negative", c.QueueLen)
	}
	if c.QueueBytes < 0 {
		bad("QueueBytes", "%d is negative", c.QueueBytes)
	}
	for _, r := range c.Rules {
		if r.Messages < 0 || r.Age < 0 || (r.On() && r.Age < time.Millisecond) {
			bad("Rules", "%q: %d messages for %v", r.Pattern, r.Messages, r.Age)
		}
	}
}

func validNode(node string) bool {
	for _, r := range []byte(node) {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
		default:
			return false
		}
	}
	return len(node) >= 1 && len(node) <= maxNodeLen
}
