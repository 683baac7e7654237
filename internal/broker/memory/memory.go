// Settings, life and counters.

package memory

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/broker/keys"
	"barrage/internal/fair"
	"barrage/internal/random"
	"barrage/internal/striped"
)

// Config are the settings of a [Broker]. Zero values mean the defaults.
type Config struct {
	// Rules say what rooms keep; nil: nothing. They may not be changed afterwards.
	Rules broker.Rules
	// Retention is asked instead of Rules, for every message: what a room keeps may
	// change at any time, and does so with its next message. nil: Rules.
	Retention func(room string) broker.Retention
	// Target is how many messages a second a room's viewers get of those that are sampled;
	// 0 is all. It is asked for every message. nil: all.
	Target func(room string) float64
	// Node begins every message's id and must differ among nodes; "": a random one.
	Node string
	// MaxRooms bounds the histories, MaxBytes the messages of all of them, each
	// counted with its overhead. Beyond either, those lose messages or histories who
	// have most: see evict. Defaults: 200,000 rooms, 256 MiB.
	MaxRooms int
	MaxBytes int64
	// IdempotencyTTL is how long a Publication.Key is remembered, IdempotencyKeys
	// how many are of backends, and as many of clients; beyond, publishes with a key
	// are refused. Defaults: 5 minutes, 100,000.
	IdempotencyTTL  time.Duration
	IdempotencyKeys int
	// Now is the clock, for tests; nil: time.Now. Ages are measured on the
	// monotonic part of its times, where they have one.
	Now func() time.Time
}

func (c *Config) setDefaults() {
	c.Node = cmp.Or(c.Node, random.Name())
	c.MaxRooms = cmp.Or(c.MaxRooms, bounds.HistoryRooms)
	c.MaxBytes = cmp.Or(c.MaxBytes, bounds.HistoryBytes)
	c.IdempotencyTTL = cmp.Or(c.IdempotencyTTL, bounds.KeyTime)
	c.IdempotencyKeys = cmp.Or(c.IdempotencyKeys, bounds.IdempotencyKeys)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Target == nil {
		c.Target = func(string) float64 { return 0 }
	}
	if c.Retention == nil {
		c.Retention = c.Rules.For
	}
}

func (c *Config) check() error {
	var wrong []error
	if c.MaxRooms < 0 || c.MaxBytes < 0 || c.IdempotencyKeys < 0 || c.IdempotencyTTL < 0 {
		wrong = append(wrong, errors.New("broker: a bound is negative"))
	}
	for _, rule := range c.Rules {
		if rule.Messages < 0 || rule.Age < 0 || rule.Bytes < 0 {
			wrong = append(wrong, fmt.Errorf("broker: rule %q: retention is negative", rule.Pattern))
		}
	}
	return errors.Join(wrong...)
}

const (
	// sweepEvery is how often sweepStripes are swept: what is too old is gone from
	// memory some 8 seconds later.
	sweepEvery   = time.Second
	sweepStripes = striped.N / 8
)

// A Broker is the [broker.Broker] of a single node. All is kept in the process and
// gone with it.
//
// Rooms are spread over stripes, each with a lock. A message is numbered and kept
// under its room's, and delivered under none: by whoever has the room's turn, so
// that the order is the one of the numbers. No function of the receiver or of the
// settings is called under a lock. Locks are taken in this order, and never two
// stripes at once, since a room that grows may cost one of another stripe its
// history: evicting, stripe.mu, the locks in keys and mail.
type Broker struct {
	cfg      Config
	receiver broker.Receiver
	start    time.Time
	prefix   string      // of ids
	closed   atomic.Bool // once set, nothing is accepted by a stripe that is locked later

	number   atomic.Uint64 // of the last message: in its id, and telling which room spoke last
	count    counters
	stripes  *striped.Set[stripe]
	keys     *keys.Set[keyID]
	mail     mail
	evicting sync.Mutex

	ending chan struct{}
	ended  sync.WaitGroup
	once   sync.Once
}

// Stats are gauges and, where named so, totals since the start.
type Stats struct {
	Rooms    int64 // with a history, perhaps empty
	Messages int64 // in histories
	Bytes    int64 // of those
	Keys     int64 // idempotency keys remembered

	EvictedTotal uint64 // histories dropped or cut because of MaxRooms or MaxBytes
	ReplaysTotal uint64 // publishes answered with an earlier receipt
}

type counters struct {
	rooms, messages, bytes atomic.Int64
	evicted, replays       atomic.Uint64
}

var _ broker.Broker = (*Broker)(nil)

// New returns a running Broker; receiver is called from then on.
func New(cfg Config, receiver broker.Receiver) (*Broker, error) {
	if receiver == nil {
		return nil, errors.New("broker: no receiver")
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	m := &Broker{
		cfg: cfg, receiver: receiver,
		start: cfg.Now(), prefix: cfg.Node + "-",
		stripes: striped.New[stripe](),
		keys:    keys.New[keyID](cfg.IdempotencyKeys, cfg.IdempotencyTTL),
		ending:  make(chan struct{}),
	}
	m.mail.places = fair.NewPlaces(cfg.MaxBytes / 2)
	// Not from 1, so that a node which is started again under its name does not
	// give the same ids again.
	m.number.Store(rand.Uint64() >> 24)
	for s := range m.stripes.All() {
		s.oldest.Store(none)
		s.idle.L = &s.mu
	}
	m.ended.Go(m.sweep) // until Close, which waits for it
	return m, nil
}

// Close ends the broker and forgets all histories. What was accepted is delivered
// before; when Close has returned, the receiver is not called any more.
func (m *Broker) Close() error {
	m.once.Do(func() {
		m.closed.Store(true)
		close(m.ending)
	})
	m.ended.Wait()
	for s := range m.stripes.All() {
		s.mu.Lock() // whoever gets it later sees closed
		for !s.turns.Idle() {
			s.idle.Wait()
		}
		for s.first() != nil {
			m.drop(s, s.first())
		}
		s.mu.Unlock()
	}
	return nil
}

// Want implements Broker: all messages are at hand always.
func (m *Broker) Want(string) (ready bool) { return true }

// Err implements Broker: there are no other nodes to lose.
func (m *Broker) Err() error {
	if m.closed.Load() {
		return broker.ErrClosed
	}
	return nil
}

// Stats returns what is kept at present, and counts since the start.
func (m *Broker) Stats() Stats {
	return Stats{
		Rooms:        m.count.rooms.Load(),
		Messages:     m.count.messages.Load(),
		Bytes:        m.count.bytes.Load(),
		Keys:         int64(m.keys.Len()),
		EvictedTotal: m.count.evicted.Load(),
		ReplaysTotal: m.count.replays.Load(),
	}
}

// age is a time as the histories count it.
func (m *Broker) age(t time.Time) time.Duration { return t.Sub(m.start) }

// none is the recency of no room, later than all.
const none = math.MaxUint64
