// A node's copy of the store.

package standing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// defaultInterval is how often a Book looks whether it has missed something.
const defaultInterval = 2 * time.Second

// Config is what New needs.
type Config struct {
	// Store is shared with the other nodes; nil: there are none.
	Store Store
	// Changed is told of every entry that is new or has another Value, and of
	// those taken back, in the order in which the Book has them, but not of those
	// whose time is over. It runs under the Book's lock: it must not wait, nor call
	// the Book.
	Changed func(Entry)
	// Interval is how often the store's version is asked for. Default 2s.
	Interval time.Duration
	// Logger gets one line when the store cannot be read any more, and one when it
	// can again. Default: none.
	Logger *slog.Logger
}

// Book is a node's copy of all entries.
type Book struct {
	cfg  Config        // fixed
	wake chan struct{} // of capacity 1: something was missed

	syncing sync.Mutex // held by Sync; before mu
	failed  bool       // guarded by syncing: the last Sync has

	mu      sync.RWMutex // guards what follows
	entries map[string]Entry
	version uint64
	read    bool // entries are the store's at version
}

// New returns an empty Book.
func New(cfg Config) (*Book, error) {
	if cfg.Changed == nil {
		return nil, errors.New("standing: Changed: nobody is told")
	}
	if cfg.Interval < 0 {
		return nil, fmt.Errorf("standing: Interval: %v is negative", cfg.Interval)
	}
	if cfg.Interval == 0 {
		cfg.Interval = defaultInterval
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Book{cfg: cfg, wake: make(chan struct{}, 1), entries: make(map[string]Entry), read: cfg.Store == nil}, nil
}

// Put puts an entry into the store. Then the caller has all nodes, this one
// included, call Heard with it.
func (b *Book) Put(ctx context.Context, e Entry) (Change, error) {
	if b.cfg.Store == nil {
		return Change{}, nil
	}
	// First: a store that has come back empty must be filled before it has a version.
	if err := b.Sync(ctx); err != nil {
		return Change{}, err
	}
	return b.cfg.Store.Put(ctx, e)
}

// Heard takes a change that some node has put into the store.
func (b *Book) Heard(e Entry, c Change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case c == Change{}:
		b.setLocked(e)
	case b.read && b.version == c.Previous:
		b.setLocked(e)
		b.version = c.Version
	case b.read && b.version == c.Version: // it was there when the store was read
	default:
		select {
		case b.wake <- struct{}{}:
		default:
		}
	}
}

func (b *Book) setLocked(e Entry) {
	old, known := b.entries[e.Name]
	switch {
	case e.over():
		delete(b.entries, e.Name)
	case e.Value != old.Value && e.Value != "":
		if !e.Until.IsZero() {
			// From here on by the monotonic clock, whatever the wall's does.
			e.Until = time.Now().Add(time.Until(e.Until))
		}
		b.entries[e.Name] = e
		b.cfg.Changed(e)
	case e.Value == "" && known:
		delete(b.entries, e.Name)
		b.cfg.Changed(e)
	}
}

func (e *Entry) over() bool { return !e.Until.IsZero() && time.Until(e.Until) <= 0 }

// Get returns the entry of a name, if it holds.
func (b *Book) Get(name string) (Entry, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	e, ok := b.entries[name]
	return e, ok && !e.over()
}

// Entries returns all that hold, in no order.
func (b *Book) Entries() []Entry {
	b.mu.RLock()
	defer b.mu.RUnlock()
	list := make([]Entry, 0, len(b.entries))
	for _, e := range b.entries {
		if !e.over() {
			list = append(list, e)
		}
	}
	return list
}

// Len is the number of entries, with those whose time has been over for less than
// Config.Interval.
func (b *Book) Len() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.entries)
}

// Read tells whether the store has been read: before, things hold that the Book
// does not know.
func (b *Book) Read() bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.read
}

// Run keeps the Book up to date until ctx ends.
func (b *Book) Run(ctx context.Context) {
	tick := time.NewTicker(b.cfg.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.wake:
		case <-tick.C:
			b.sweep()
		}
		_ = b.Sync(ctx) // logged; the next tick tries again
	}
}

// sweep forgets what is over. Nobody is told: it was over all the while.
func (b *Book) sweep() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, e := range b.entries {
		if e.over() {
			delete(b.entries, name)
		}
	}
}

// Sync reads the store, if its version is another than the Book's.
func (b *Book) Sync(ctx context.Context) error {
	if b.cfg.Store == nil {
		return nil
	}
	b.syncing.Lock()
	defer b.syncing.Unlock()
	err := b.sync(ctx)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return err // which says nothing of the store
	case err != nil && !b.failed:
		b.cfg.Logger.Warn("what operators ordered cannot be read; what is known holds", "error", err)
	case err == nil && b.failed:
		b.cfg.Logger.Info("what operators ordered can be read again")
	}
	b.failed = err != nil
	return err
}

func (b *Book) sync(ctx context.Context) error {
	b.mu.RLock()
	before, read := b.version, b.read
	b.mu.RUnlock()
	version, err := b.cfg.Store.Version(ctx)
	if err != nil || read && version == before {
		return err
	}
	if own := b.Entries(); version == 0 && len(own) > 0 {
		if err := b.cfg.Store.Fill(ctx, own); err != nil {
			return err
		}
	}
	entries, version, err := b.cfg.Store.Load(ctx)
	if err != nil {
		return err
	}
	b.replace(before, entries, version)
	return nil
}

// replace takes what was read, unless the Book has gone on meanwhile: then it was
// whole, and only a notice was on its way.
func (b *Book) replace(before uint64, entries []Entry, version uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.version != before {
		return
	}
	b.version, b.read = version, true
	there := make(map[string]bool, len(entries))
	for _, e := range entries {
		there[e.Name] = true
		b.setLocked(e)
	}
	for name, e := range b.entries {
		if !there[name] && !e.over() {
			b.setLocked(Entry{Name: name})
		}
	}
}
