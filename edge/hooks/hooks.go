// The hooks of a node: their settings and their life.

package hooks

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"barrage/edge/events"
	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/fair"
	"barrage/internal/limits"
	"barrage/internal/quietlog"
	"barrage/internal/workers"
)

// What happens to who is asked about while the backend is away.
const (
	AwayRefuse    = "refuse"    // nothing: it is refused, and may be tried again
	AwayAllow     = "allow"     // joins, publishes: as if there were no hook
	AwayAnonymous = "anonymous" // connects: it is nobody's, with the rights of one without a token
	AwayLast      = "last"      // connects: what an equal question was answered last, for its time
)

// Rules are the hooks of one kind for rooms.
type Rules struct {
	URLs    map[string]string // by pattern, in which * stands for any bytes; of several that fit a room, the longest counts
	Timeout time.Duration     // default 2s
	Away    string            // AwayRefuse (default) or AwayAllow
}

// Config is what New needs.
type Config struct {
	Node       string // begins the ids of questions
	Secrets    []string
	Connect    ConnectConfig
	Join       Rules
	Publish    Rules
	MaxPublish int // bytes of a payload that an answer may have (default 64 KiB)
	Concurrent int // requests under way, by URL and kind (default 64)

	Logger *slog.Logger     // default: none
	Now    func() time.Time // default time.Now
}

// Hooks are a node's. A nil one asks nobody anything.
type Hooks struct {
	// Fixed.
	cfg           Config
	connect       *Connect // nil: nobody is asked who connections are
	urls          []*url
	join, publish *routes
	lines         *url // stands for what waits in lines, among those who share slots
	log           *quietlog.Log

	slots    *fair.Slots[*url] // bytes of questions under way
	ids      atomic.Uint64
	counters [numKinds]counters
}

// questionCost is what a question under way counts as, besides its bytes.
const questionCost = 1 << 10

// New returns hooks, which are to be closed; nil where nothing is to be asked. The error
// joins all problems.
func New(cfg Config) (*Hooks, error) {
	if cfg.Connect.URL == "" && len(cfg.Join.URLs) == 0 && len(cfg.Publish.URLs) == 0 {
		return nil, nil
	}
	cfg.setDefaults()
	h := &Hooks{cfg: cfg, lines: &url{}, log: quietlog.New(cfg.Logger)}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Connect.URL != "" {
		h.connect = newConnect(h, h.add(KindConnect, "", cfg.Connect.URL, cfg.Connect.Timeout, parseConnect))
	}
	h.join = newRoutes(h.addRules(KindJoin, &cfg.Join, parseJoin))
	h.publish = newRoutes(h.addRules(KindPublish, &cfg.Publish, func(text []byte) (any, error) { return parsePublish(text, cfg.MaxPublish) }))
	h.slots = fair.NewSlots[*url](bounds.HookBytes, len(h.urls)+1)
	return h, nil
}

func (c *Config) setDefaults() {
	c.Connect.setDefaults()
	for _, r := range []*Rules{&c.Join, &c.Publish} {
		r.Timeout, r.Away = cmp.Or(r.Timeout, 2*time.Second), cmp.Or(r.Away, AwayRefuse)
	}
	c.MaxPublish = cmp.Or(c.MaxPublish, 64<<10)
	c.Concurrent = cmp.Or(c.Concurrent, 64)
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	if c.Now == nil {
		c.Now = time.Now
	}
}

func (c *Config) check() error {
	http := events.HTTP{Secrets: c.Secrets, Timeout: time.Second}
	return errors.Join(http.Check("hooks: "), c.Connect.check(), c.Join.check("hooks: Join"), c.Publish.check("hooks: Publish"),
		limits.AtLeast("hooks: MaxPublish", c.MaxPublish, 1),
		limits.AtLeast("hooks: Concurrent", c.Concurrent, 1))
}

func (r *Rules) check(field string) error {
	var errs []error
	forms := make(map[string]string)
	for pattern, to := range r.URLs {
		normal, err := broker.RoomPattern(pattern)
		if other, again := forms[normal]; err == nil && again {
			err = fmt.Errorf("it is the same as %q", other)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %q: %w", field, pattern, err))
		}
		forms[normal] = pattern
		if err := events.CheckURL(to); err != nil {
			errs = append(errs, fmt.Errorf("%s: what %q leads to is %w", field, pattern, err))
		}
	}
	if r.Away != AwayRefuse && r.Away != AwayAllow {
		errs = append(errs, fmt.Errorf("%s: Away is %q, want %s or %s", field, r.Away, AwayRefuse, AwayAllow))
	}
	return errors.Join(append(errs, limits.AtLeast(field+": Timeout", r.Timeout, time.Millisecond))...)
}

// add makes a URL that is asked.
func (h *Hooks) add(kind Kind, pattern, to string, timeout time.Duration, parse func([]byte) (any, error)) *url {
	u := &url{
		hooks: h, kind: kind, pattern: pattern, url: to, timeout: timeout, parse: parse,
		client:  events.NewClient(events.HTTP{Secrets: h.cfg.Secrets, Timeout: timeout}, h.cfg.Concurrent),
		pool:    workers.New(h.cfg.Concurrent, 0, 1),
		breaker: breaker{now: h.cfg.Now}, waiting: map[string][]func(any, error){},
	}
	h.urls = append(h.urls, u)
	return u
}

// addRules makes those of a kind, the longest pattern first.
func (h *Hooks) addRules(kind Kind, r *Rules, parse func([]byte) (any, error)) (urls []*url) {
	for pattern, to := range r.URLs {
		pattern, _ = broker.RoomPattern(pattern) // it was checked
		urls = append(urls, h.add(kind, pattern, to, r.Timeout, parse))
	}
	slices.SortFunc(urls, func(a, b *url) int {
		return cmp.Or(len(b.pattern)-len(a.pattern), strings.Compare(a.pattern, b.pattern))
	})
	return urls
}

// Connect is who is asked whose connections are, nil if nobody is.
func (h *Hooks) Connect() *Connect {
	if h == nil {
		return nil
	}
	return h.connect
}

// Longest is how long the answer to a question about joining or publishing may take.
func (h *Hooks) Longest() time.Duration {
	if h == nil {
		return 0
	}
	return 2 * max(h.cfg.Join.Timeout, h.cfg.Publish.Timeout)
}

// id is a new question's.
func (h *Hooks) id() string { return h.cfg.Node + "-h" + strconv.FormatUint(h.ids.Add(1), 36) }

// count counts what became of a question.
func (h *Hooks) count(k Kind, r Result) { h.counters[k].results[r].Add(1) }

// Close ends what New started, and waits for it. Questions that wait get no answer.
func (h *Hooks) Close() {
	if h == nil {
		return
	}
	for _, u := range h.urls {
		u.pool.Close()
		u.client.Close()
	}
}
