// Package keys remembers the idempotency keys of publishes, and what the first
// publish with each was answered.
package keys

import (
	"sync"
	"time"

	"github.com/gammazero/deque"

	"barrage/internal/broker"
	"barrage/internal/shrinkmap"
)

// A Set remembers the first publish of each key for a time, and at most so many;
// beyond, the oldest are forgotten first. K says what a key is unique within. Any
// goroutine.
type Set[K comparable] struct {
	max int
	ttl time.Duration

	mu    sync.Mutex // guards what follows
	byKey shrinkmap.Map[K, *First[K]]
	order deque.Deque[*First[K]] // of Put
}

// First is the first publish with a key.
type First[K comparable] struct {
	// Receipt belongs to what guards the key's room: a key is looked up, used and
	// put without another publish in the room in between.
	Receipt broker.Receipt

	key K
	at  time.Duration
}

// New returns an empty Set.
func New[K comparable](max int, ttl time.Duration) *Set[K] { return &Set[K]{max: max, ttl: ttl} }

// Find returns the first publish with a key, nil if none is remembered.
func (s *Set[K]) Find(key K, now time.Duration) *First[K] {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.byKey.Get(key)
	if f == nil || now-f.at >= s.ttl {
		return nil
	}
	return f
}

// Put notes the first publish with a key.
func (s *Set[K]) Put(key K, r broker.Receipt, now time.Duration) *First[K] {
	f := &First[K]{Receipt: r, key: key, at: now}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expireLocked(now)
	for s.byKey.Len() >= s.max {
		s.dropLocked()
	}
	s.order.PushBack(f)
	s.byKey.Put(key, f)
	return f
}

// Expire forgets what is too old.
func (s *Set[K]) Expire(now time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expireLocked(now)
}

func (s *Set[K]) expireLocked(now time.Duration) {
	for s.order.Len() > 0 && now-s.order.Front().at >= s.ttl {
		s.dropLocked()
	}
}

// dropLocked forgets the oldest.
func (s *Set[K]) dropLocked() {
	f := s.order.PopFront()
	// Clocks read by two publishers come in either order, so a key that was put
	// again may still have its first entry before the second.
	if s.byKey.Get(f.key) == f {
		s.byKey.Delete(f.key)
	}
}

// Len returns how many are remembered.
func (s *Set[K]) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byKey.Len()
}
