// A node's copy of the store.

package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// defaultInterval is how often a Replica looks whether it has missed something.
const defaultInterval = 2 * time.Second

// Config is what New needs.
type Config struct {
	// Store is shared with the other nodes; nil: there are none.
	Store Store
	// Changed is told of every entry that is new or has another Value, and of
	// those taken back, one after another in the order in which the Replica has them,
	// but not of those whose time is over. It must not wait, nor call Heard or Sync.
	Changed func(Entry)
	// Interval is how often the store's version is asked for. Default 2s.
	Interval time.Duration
	// Logger gets one line when the store cannot be read any more, and one when it
	// can again. Default: none.
	Logger *slog.Logger
}

// Replica is a node's copy of all entries.
type Replica struct {
	cfg  Config        // fixed
	wake chan struct{} // of capacity 1: something was missed

	syncing sync.Mutex // held by Sync; before mu
	failed  bool       // guarded by syncing: the last Sync has

	mu      sync.RWMutex // guards what follows
	entries map[string]Entry
	version uint64
	read    bool       // entries are the store's at version
	pending []Entry    // of which Changed has still to be told
	queued  uint64     // entries that were ever in pending
	told    uint64     // of these, those that are told
	telling bool       // somebody tells, and will tell what comes meanwhile
	onTold  *sync.Cond // on mu: told has grown, or telling has ended
}

// New returns an empty Replica.
func New(cfg Config) (*Replica, error) {
	if cfg.Changed == nil {
		return nil, errors.New("replica: Changed: nobody is told")
	}
	if cfg.Interval < 0 {
		return nil, fmt.Errorf("replica: Interval: %v is negative", cfg.Interval)
	}
	if cfg.Interval == 0 {
		cfg.Interval = defaultInterval
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Replica{cfg: cfg, wake: make(chan struct{}, 1), entries: make(map[string]Entry), read: cfg.Store == nil}
	r.onTold = sync.NewCond(&r.mu)
	return r, nil
}

// Put puts an entry into the store. Then the caller has all nodes, this one
// included, call Heard with it.
func (r *Replica) Put(ctx context.Context, e Entry) (Change, error) {
	if r.cfg.Store == nil {
		return Change{}, nil
	}
	// First: a store that has come back empty must be filled before it has a version.
	if err := r.Sync(ctx); err != nil {
		return Change{}, err
	}
	return r.cfg.Store.Put(ctx, e)
}

// Heard takes a change that some node has put into the store.
func (r *Replica) Heard(e Entry, c Change) {
	r.heard(e, c)
	r.tell()
}

func (r *Replica) heard(e Entry, c Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case c == Change{}:
		r.setLocked(e)
	case r.read && r.version == c.Previous:
		r.setLocked(e)
		r.version = c.Version
	case r.read && r.version == c.Version: // it was there when the store was read
	default:
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

func (r *Replica) setLocked(e Entry) {
	old, known := r.entries[e.Name]
	switch {
	case e.over():
		delete(r.entries, e.Name)
	case e.Value != old.Value && e.Value != "":
		if !e.Until.IsZero() {
			// From here on by the monotonic clock, whatever the wall's does.
			e.Until = time.Now().Add(time.Until(e.Until))
		}
		r.entries[e.Name] = e
		r.changedLocked(e)
	case e.Value == "" && known:
		delete(r.entries, e.Name)
		r.changedLocked(e)
	}
}

func (r *Replica) changedLocked(e Entry) {
	r.pending = append(r.pending, e)
	r.queued++
}

// tell returns when Changed has been told of all that has changed before. One goroutine
// at a time tells, and the others wait for it, so that the order is that of the
// changes; no lock is held meanwhile.
func (r *Replica) tell() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for last := r.queued; r.told < last; {
		if r.telling {
			r.onTold.Wait()
			continue
		}
		r.telling = true
		for len(r.pending) > 0 {
			batch := r.pending
			r.pending = nil
			r.mu.Unlock()
			for _, e := range batch {
				r.cfg.Changed(e)
			}
			r.mu.Lock()
			r.told += uint64(len(batch))
			r.onTold.Broadcast()
		}
		r.telling = false
	}
}

func (e *Entry) over() bool { return !e.Until.IsZero() && time.Until(e.Until) <= 0 }

// Get returns the entry of a name, if it holds.
func (r *Replica) Get(name string) (Entry, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	e, ok := r.entries[name]
	return e, ok && !e.over()
}

// Entries returns all that hold, in no order.
func (r *Replica) Entries() []Entry {
	r.mu.RLock()
	defer r.mu.RUnlock()
	list := make([]Entry, 0, len(r.entries))
	for _, e := range r.entries {
		if !e.over() {
			list = append(list, e)
		}
	}
	return list
}

// Len is the number of entries, with those whose time has been over for less than
// Config.Interval.
func (r *Replica) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.entries)
}

// Read tells whether the store has been read: before, things hold that the Replica
// does not know.
func (r *Replica) Read() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.read
}

// Run keeps the Replica up to date until ctx ends.
func (r *Replica) Run(ctx context.Context) {
	tick := time.NewTicker(r.cfg.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-tick.C:
			r.sweep()
		}
		_ = r.Sync(ctx) // logged; the next tick tries again
	}
}

// sweep forgets what is over. Nobody is told: it was over all the while.
func (r *Replica) sweep() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, e := range r.entries {
		if e.over() {
			delete(r.entries, name)
		}
	}
}

// Sync reads the store, if its version is another than the Replica's.
func (r *Replica) Sync(ctx context.Context) error {
	if r.cfg.Store == nil {
		return nil
	}
	r.syncing.Lock()
	defer r.syncing.Unlock()
	err := r.sync(ctx)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return err // which says nothing of the store
	case err != nil && !r.failed:
		r.cfg.Logger.Warn("what operators ordered cannot be read; what is known holds", "error", err)
	case err == nil && r.failed:
		r.cfg.Logger.Info("what operators ordered can be read again")
	}
	r.failed = err != nil
	return err
}

func (r *Replica) sync(ctx context.Context) error {
	r.mu.RLock()
	before, read := r.version, r.read
	r.mu.RUnlock()
	version, err := r.cfg.Store.Version(ctx)
	if err != nil || read && version == before {
		return err
	}
	if own := r.Entries(); version == 0 && len(own) > 0 {
		if err := r.cfg.Store.Fill(ctx, own); err != nil {
			return err
		}
	}
	entries, version, err := r.cfg.Store.Load(ctx)
	if err != nil {
		return err
	}
	r.replace(before, entries, version)
	r.tell()
	return nil
}

// replace takes what was read, unless the Replica has gone on meanwhile: then it was
// whole, and only a notice was on its way.
func (r *Replica) replace(before uint64, entries []Entry, version uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.version != before {
		return
	}
	r.version, r.read = version, true
	there := make(map[string]bool, len(entries))
	for _, e := range entries {
		there[e.Name] = true
		r.setLocked(e)
	}
	for name, e := range r.entries {
		if !there[name] && !e.over() {
			r.setLocked(Entry{Name: name})
		}
	}
}
