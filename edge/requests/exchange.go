// The exchange: what both halves share.

package requests

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"barrage/edge/events"
	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/fair"
)

// Config is what New needs.
type Config struct {
	Node      string
	Clustered bool           // there are other nodes
	Caller    *events.Caller // whose routes go first; nil: there are none
	Timeout   time.Duration  // the longest that anybody waits for an answer. Default 5s
}

// Exchange is a node's part. Its methods may be called from any goroutine.
type Exchange struct {
	// Fixed.
	cfg    Config
	seed   maphash.Seed
	broker broker.Broker       // from Start on
	bytes  *fair.Slots[string] // of requests that are asked or served here, by pattern
	wake   chan struct{}       // Run has something to do
	counts counts

	mu       sync.Mutex // guards what follows, and all that it leads to; nothing is called under it
	calls    []func()   // see do
	methods  map[string]*method
	patterns []*method // those with *, in the order of byLength
	idle     []idle    // methods that nobody serves any more, the longest first, and perhaps some that are served again

	// The asking half.
	asked  map[uint64]*asking
	number uint64 // of the last placement

	// The serving half.
	workers  map[*Worker]bool
	places   *fair.Places    // of workers
	served   *fair.Places    // of methods, each its first worker's
	foreign  map[origin]*job // other nodes'
	job      uint64          // the last one's number
	draining bool

	// Other nodes.
	peers  map[string]*peer
	outbox []letter
	told   telling
}

// New returns a node's exchange.
func New(cfg Config) *Exchange {
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	return &Exchange{
		cfg: cfg, seed: maphash.MakeSeed(), wake: make(chan struct{}, 1),
		// There are more routes than one, as far as anybody knows.
		bytes:   fair.NewSlots[string](bounds.RequestBytes, 2),
		methods: make(map[string]*method), asked: make(map[uint64]*asking),
		workers: make(map[*Worker]bool), places: fair.NewPlaces(bounds.Workers), served: fair.NewPlaces(bounds.WorkerPatterns),
		foreign: make(map[origin]*job), peers: make(map[string]*peer),
	}
}

// do runs f under the lock, and then what it wants called.
func (x *Exchange) do(f func()) {
	x.mu.Lock()
	f()
	calls := x.calls
	x.calls = nil
	x.mu.Unlock()
	for _, call := range calls {
		call()
	}
}

// runLocked has Run look what there is to do.
func (x *Exchange) runLocked() {
	select {
	case x.wake <- struct{}{}:
	default: // it will
	}
}

// lookEvery is how often Run looks what has its time.
const lookEvery = 500 * time.Millisecond

// Run does what has its time, and speaks with other nodes, until ctx ends.
func (x *Exchange) Run(ctx context.Context) {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	x.enter()
	for {
		x.do(func() { x.lookLocked(time.Now()) })
		x.post()
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-x.wake:
		}
	}
}

// lookLocked ends what has had its time.
func (x *Exchange) lookLocked(now time.Time) {
	for w := range x.workers {
		w.forgetLocked(now)
	}
	for _, j := range x.foreign {
		if now.After(j.until.Add(strayGrace)) {
			x.giveUpLocked(j, reasonTimeout) // whoever asked is not there any more
		}
	}
	for _, p := range x.peers {
		if now.Sub(p.heard) > peerLease {
			x.partLocked(p)
		}
	}
	for len(x.idle) > 0 && now.Sub(x.idle[0].since) > bounds.MethodLinger {
		x.forgetIdleLocked()
	}
	x.tellLocked(now)
}
