package redisbridge

// The Bridge: construction, start, end, and the counters.

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/broker/keys"
	"barrage/internal/random"
	"barrage/internal/striped"
)

// A Bridge is a broker.Broker on Redis. It is made by New, runs from Start to
// Close, and is safe for use by any goroutine.
type Bridge struct {
	// Fixed at construction.
	cfg          Config
	receiver     broker.Receiver
	address      *address
	names        *layout
	client       *client // nil before Start
	log          *slog.Logger
	probeChannel string
	helloChannel string
	instance     string   // begins our probes; tells them from a namesake's
	fixed        []string // channels subscribed whatever the rooms
	born         time.Time
	ctx          context.Context // ends with Close
	cancel       context.CancelFunc

	rooms      *interest
	inflight   *inflight
	local      *keys.Set[string] // of messages that were delivered locally, by outgoing.result
	queue      queue
	health     health
	count      counters
	outgoing   outgoingPool
	number     atomic.Uint64        // of the newest message
	closeBy    atomic.Int64         // when the publisher must be done; 0 before Close
	link       atomic.Pointer[link] // set by the reader; nil between two links
	catch      catchup
	shards     shards
	writes     writes
	inspection inspection
	neighbours neighbours

	stripes *striped.Set[stripe]
	held    atomic.Int64 // bytes held in all tracks

	// Wake-ups, each of capacity one.
	write    chan struct{} // the subscriber: something to subscribe
	probeNow chan struct{} // the prober
	toSend   chan struct{} // the publisher
	greet    chan struct{} // the inspector: say hello

	goroutines sync.WaitGroup
	calls      sync.WaitGroup // methods under way that use the client; callRest

	mu      sync.Mutex // guards what follows
	started bool
	closed  bool
}

// New checks the whole Config and builds a Bridge that delivers to receiver. It
// does not dial. The error joins one error per bad field.
func New(cfg Config, receiver broker.Receiver) (*Bridge, error) {
	addr, err := cfg.prepare()
	if err != nil {
		return nil, err
	}
	if receiver == nil {
		return nil, errors.New("redisbridge: no receiver")
	}
	b := &Bridge{
		cfg:      cfg,
		receiver: receiver,
		address:  addr,
		names:    newLayout(cfg.Prefix),
		log:      cfg.Logger.With("component", "redisbridge", "node", cfg.Node),
		instance: random.Name() + " ",
		born:     time.Now(),
		rooms:    newInterest(cfg.Sharded, cfg.ProbeTimeout),
		catch:    catchup{wake: make(chan struct{}, 1)},
		inflight: newInflight(),
		local:    keys.New[string](bounds.OutageKeys, cfg.IdempotencyTTL),
		stripes:  striped.New[stripe](),
		queue:    queue{maxLen: cfg.QueueLen, maxBytes: cfg.QueueBytes},
		write:    make(chan struct{}, 1),
		probeNow: make(chan struct{}, 1),
		toSend:   make(chan struct{}, 1),
		greet:    make(chan struct{}, 1),
	}
	b.shards.wake = make(chan struct{}, 1)
	b.writes.kept = cfg.History != ""
	b.probeChannel = b.names.probe(0, cfg.Node)
	b.helloChannel = b.names.hello()
	b.cfg.Channels = maps.Clone(cfg.Channels)
	b.fixed = slices.Sorted(maps.Keys(cfg.Channels))
	// Numbers start anywhere, so that those of a restarted node with a configured
	// name do not meet late messages of its predecessor.
	b.number.Store(rand.Uint64() >> 1)
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b, nil
}

// Start starts the goroutines. Redis being out of reach is not an error: the
// bridge is down until it answers. Only the first call does anything.
func (b *Bridge) Start() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.started || b.closed {
		return
	}
	b.started = true
	b.client = newClient(b.address, b.names, b.cfg.Sharded, b.cfg.Timeout)
	// All end with b.ctx; Close waits.
	b.goroutines.Go(b.read)
	b.goroutines.Go(b.subscribe)
	b.goroutines.Go(b.probe)
	b.goroutines.Go(b.publish)
	b.goroutines.Go(b.catchUp)
	b.goroutines.Go(b.tryWriting)
	b.goroutines.Go(b.inspect)
	if b.address.kind == sentinel {
		b.goroutines.Go(b.watchMaster)
	}
	if b.cfg.Sharded {
		b.goroutines.Go(b.route)
	}
}

// Close publishes what TryPublish has accepted, as far as that takes no longer
// than Config.Timeout, ends everything and waits for it. No callback runs once
// it has returned. Closing again is harmless. The error is nil.
func (b *Bridge) Close() error {
	b.mu.Lock()
	first, started := !b.closed, b.started
	b.closed = true
	b.mu.Unlock()

	b.queue.close()
	if first {
		b.closeBy.Store(int64(b.now() + b.cfg.Timeout))
	}
	b.cancel()
	if l := b.link.Load(); l != nil {
		l.cut(broker.ErrClosed)
	}
	b.shards.cut(broker.ErrClosed)
	b.goroutines.Wait()
	b.calls.Wait()
	if !first {
		return nil
	}
	b.goDown(true) // keeps the promise of Ready to those who still wait
	if !started {
		b.abandon()
		return nil
	}
	b.client.close()
	return nil
}

// enter registers a call that uses the client; Close waits for calls.Done.
func (b *Bridge) enter() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.started || b.closed {
		return false
	}
	b.calls.Add(1)
	return true
}

// now is the time since New on the monotonic clock, never 0.
func (b *Bridge) now() time.Duration {
	return time.Since(b.born) + 1
}
