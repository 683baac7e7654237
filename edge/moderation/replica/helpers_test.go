package replica

// A store in memory that can fail, lose what it has, and be slow.

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"
)

type state struct {
	entries map[string]Entry
	version uint64
}

type memStore struct {
	mu     sync.Mutex // guards what follows
	state  state
	clock  uint64
	broken error
	onLoad func() // called before Load returns, without the lock
	loads  int
}

func (s *memStore) Put(_ context.Context, e Entry) (Change, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return Change{}, s.broken
	}
	s.clock++
	c := Change{Previous: s.state.version, Version: max(s.state.version+1, s.clock)}
	all := maps.Clone(s.state.entries)
	if all == nil {
		all = make(map[string]Entry)
	}
	if all[e.Name] = e; e.Value == "" {
		delete(all, e.Name)
	}
	s.state = state{all, c.Version}
	return c, nil
}

func (s *memStore) Fill(ctx context.Context, entries []Entry) error {
	if v, err := s.Version(ctx); err != nil || v > 0 {
		return err
	}
	for _, e := range entries {
		if _, err := s.Put(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func (s *memStore) Load(context.Context) ([]Entry, uint64, error) {
	s.mu.Lock()
	entries, version, hook, err := slices.Collect(maps.Values(s.state.entries)), s.state.version, s.onLoad, s.broken
	s.loads++
	s.mu.Unlock()
	if hook != nil {
		hook()
	}
	return entries, version, err
}

func (s *memStore) Version(context.Context) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.version, s.broken
}

// set is what a test does to the store.
func (s *memStore) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *memStore) now() state {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// follower is a Replica and what it has told.
type follower struct {
	*Replica
	told map[string]string
}

func newFollower(t testing.TB, s Store) *follower {
	t.Helper()
	f := &follower{told: make(map[string]string)}
	b, err := New(Config{Store: s, Interval: time.Millisecond, Changed: func(e Entry) {
		if f.told[e.Name] = e.Value; e.Value == "" {
			delete(f.told, e.Name)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	f.Replica = b
	return f
}

// values are what the book has.
func (f *follower) values() map[string]string {
	m := make(map[string]string)
	for _, e := range f.Entries() {
		m[e.Name] = e.Value
	}
	return m
}

func (s state) values() map[string]string {
	m := make(map[string]string)
	for name, e := range s.entries {
		m[name] = e.Value
	}
	return m
}

var errBroken = errors.New("the store is away")
