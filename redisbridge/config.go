package redisbridge

// The settings, their defaults and their validation.

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/random"
)

// What happens to a publish while Redis is out of reach (Config.Outage).
const (
	OutageLocal  = "local"
	OutageRefuse = "refuse"
)

const (
	defaultTimeout = time.Second // of all configurations
	defaultPrefix  = "room:"

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
	// Retention says what a room keeps. It is asked for every message: that may
	// change at any time, and does so with the next message. It must not call the
	// Bridge. Default: nothing.
	Retention func(room string) broker.Retention
	// Target is how many messages a second a room's viewers get of those that are sampled; 0
	// is all. It is asked as Retention is. Default: all.
	Target func(room string) float64
	// History says what rooms keep, in words: nodes of a deployment whose words differ tell.
	History string
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
	wrong := problems{of: "redisbridge"}
	addr, err := parseAddress(c)
	switch {
	case err != nil:
		wrong.add("URL", "%v", err)
	case c.Sharded && addr.kind != cluster:
		wrong.add("Sharded", "needs a redis+cluster:// URL")
	}
	if strings.HasPrefix(c.Prefix, ownNamespace) || strings.HasPrefix(ownNamespace, c.Prefix) {
		wrong.add("Prefix", "%q cannot be told from %q, which nodes use among themselves", c.Prefix, ownNamespace)
	}
	for channel, room := range c.Channels {
		switch {
		case channel == "" || room == "":
			wrong.add("Channels", "%q: %q: neither may be empty", channel, room)
		case strings.HasPrefix(channel, c.Prefix) || strings.HasPrefix(channel, ownNamespace):
			wrong.add("Channels", "%q has a meaning already (prefix %q or %q)", channel, c.Prefix, ownNamespace)
		}
	}
	wrong.node(c.Node)
	wrong.brief("Linger", c.Linger)
	wrong.brief("ProbeInterval", c.ProbeInterval)
	wrong.brief("ProbeTimeout", c.ProbeTimeout)
	wrong.brief("Timeout", c.Timeout)
	wrong.brief("IdempotencyTTL", c.IdempotencyTTL)
	if c.ProbeTimeout <= c.ProbeInterval {
		wrong.add("ProbeTimeout", "%v must be longer than ProbeInterval, %v", c.ProbeTimeout, c.ProbeInterval)
	}
	if c.QueueLen < 0 {
		wrong.add("QueueLen", "%d is negative", c.QueueLen)
	}
	if c.QueueBytes < 0 {
		wrong.add("QueueBytes", "%d is negative", c.QueueBytes)
	}
	if c.Outage != OutageLocal && c.Outage != OutageRefuse {
		wrong.add("Outage", "%q: want %q or %q", c.Outage, OutageLocal, OutageRefuse)
	}
	return addr, errors.Join(wrong.list...)
}

func (c *Config) setDefaults() {
	c.Linger = cmp.Or(c.Linger, 30*time.Second)
	c.ProbeInterval = cmp.Or(c.ProbeInterval, time.Second)
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	c.ProbeTimeout = cmp.Or(c.ProbeTimeout, max(3*time.Second, 2*c.Timeout))
	c.IdempotencyTTL = cmp.Or(c.IdempotencyTTL, bounds.KeyTime)
	c.Prefix = cmp.Or(c.Prefix, defaultPrefix)
	c.Node = cmp.Or(c.Node, random.Name())
	c.QueueLen = cmp.Or(c.QueueLen, bounds.QueueLen)
	c.QueueBytes = cmp.Or(c.QueueBytes, bounds.QueueBytes)
	c.Outage = cmp.Or(c.Outage, OutageLocal)
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	if c.Target == nil {
		c.Target = func(string) float64 { return 0 }
	}
	if c.Retention == nil {
		c.Retention = broker.Rules(nil).For
	}
}

// problems are what is wrong with a configuration, one error for each bad field.
type problems struct {
	of   string // begins each
	list []error
}

func (p *problems) add(field, format string, args ...any) {
	p.list = append(p.list, fmt.Errorf("%s: %s: %s", p.of, field, fmt.Sprintf(format, args...)))
}

// brief refuses what Redis, which counts milliseconds, cannot measure.
func (p *problems) brief(field string, d time.Duration) {
	if d < time.Millisecond {
		p.add(field, "%v is under 1ms", d)
	}
}

func (p *problems) node(name string) {
	if !validNode(name) {
		p.add("Node", "%q: want 1 to %d letters, digits, '.', '_' or '-'", name, maxNodeLen)
	}
}

// store checks what presence and orders have in common.
func (p *problems) store(client redis.UniversalClient, prefix string, timeout time.Duration) {
	if client == nil {
		p.list = append(p.list, fmt.Errorf("%s: no Client", p.of))
	}
	if strings.ContainsAny(prefix, "{}") {
		p.add("Prefix", "%q has braces, which choose a key's place in a cluster", prefix)
	}
	p.brief("Timeout", timeout)
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
