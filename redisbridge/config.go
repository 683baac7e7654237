package redisbridge

// The settings, their defaults and their validation.

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
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

	ownNamespace  = "barrage:"
	messagePrefix = ownNamespace + "msg:"
	probePrefix   = ownNamespace + "probe:"
	maxNodeLen    = 64
)

// Config is what New needs. It is copied and never changed afterwards. Zero
// values mean the default, where one is given.
type Config struct {
	// URL of Redis: redis://, rediss:// (TLS) or unix://. Its timeout and retry
	// options are overruled by Timeout.
	URL string
	// Prefix of the channels any program may publish to. Default "room:".
	Prefix string
	// Channels maps further channel names to rooms. They are always subscribed.
	Channels map[string]string
	// Node names this node in envelopes and in Redis's CLIENT LIST: letters,
	// digits, '.', '_' and '-', at most 64. Default: 16 random hex digits.
	Node string
	// Linger is how long a room without members stays subscribed, at least; at
	// most two thirds longer. Default 30s.
	Linger time.Duration
	// ProbeInterval is the time between two end-to-end probes, ProbeTimeout the
	// age of the newest returned one at which the bridge counts as down.
	// Defaults 1s and 3s.
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

	// Deliver hands a message to the members of room on this node. It must not
	// block. Payload is valid during the call only and must not be changed.
	Deliver func(room string, binary bool, payload []byte)
	// Members is the number of members of room on this node: any goroutine,
	// cheap.
	Members func(room string) int
	// Ready says that a room for which Want returned false is subscribed now,
	// or that waiting for it has become pointless. It must not block.
	Ready func(room string)

	// Logger gets one line per change of state. Default: none.
	Logger *slog.Logger
}

// prepare fills in the defaults and reports every bad field in one error.
func (c *Config) prepare() (*clientOptions, error) {
	c.setDefaults()
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("redisbridge: %s: %s", field, fmt.Sprintf(format, args...)))
	}
	opt, err := newClientOptions(c)
	if err != nil {
		bad("URL", "%v", err)
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
	if c.Deliver == nil {
		bad("Deliver", "missing")
	}
	if c.Members == nil {
		bad("Members", "missing")
	}
	if c.Ready == nil {
		bad("Ready", "missing")
	}
	return opt, errors.Join(errs...)
}

func (c *Config) setDefaults() {
	orDuration := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	orDuration(&c.Linger, defaultLinger)
	orDuration(&c.ProbeInterval, defaultProbeInterval)
	orDuration(&c.ProbeTimeout, defaultProbeTimeout)
	orDuration(&c.Timeout, defaultTimeout)
	if c.Prefix == "" {
		c.Prefix = defaultPrefix
	}
	if c.Node == "" {
		c.Node = randomHex(8)
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
		{"ProbeTimeout", c.ProbeTimeout}, {"Timeout", c.Timeout},
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

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails: crypto/rand
	return hex.EncodeToString(b)
}
