// Package keys remembers the idempotency keys of publishes, and what the first
// publish with each was answered.
package keys

import (
	"sync"
	"time"

	"github.com/gammazero/deque"

	"barrage/internal/broker"
	"barrage/internal/fair"
	"barrage/internal/shrinkmap"
)

// A Set remembers the first publish of each key for a time. Backends have so many
// places for keys together, and clients as many, which they share ([fair.Places]): no
// key is forgotten before its time, and what finds no place is not to be published. K
// says what a key is unique within. Any goroutine.
type Set[K comparable] struct {
	max int
	ttl time.Duration

	mu       sync.Mutex // guards what follows
	backends int        // places taken
	clients  *fair.Places
	byKey    shrinkmap.Map[K, *First[K]]
	order    deque.Deque[*First[K]] // of Put
}

// First is the first publish with a key.
type First[K comparable] struct {
	// Receipt belongs to what guards the key's room: a key is looked up, used and
	// put without another publish in the room in between.
	Receipt broker.Receipt

	key   K
	owner fair.Owner
	at    time.Duration
}

// New returns an empty Set with places for max keys of backends and max of clients.
func New[K comparable](max int, ttl time.Duration) *Set[K] {
	return &Set[K]{max: max, ttl: ttl, clients: fair.NewPlaces(int64(max))}
}

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

// Take takes a place for a key that Put is called with next. It returns false if its
// owner may have no more. Owners without an address are backends.
func (s *Set[K]) Take(o fair.Owner, now time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expireLocked(now)
	if o.Address.IsValid() {
		return s.clients.Take(o, 1)
	}
	if s.backends >= s.max {
		return false
	}
	s.backends++
	return true
}

// Free is how long it is until the oldest key is forgotten: before that there is no place
// for who has got none.
func (s *Set[K]) Free(now time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.order.Len() == 0 {
		return 0
	}
	return max(0, s.order.Front().at+s.ttl-now)
}

// Put notes the first publish with a key, for which o has taken a place.
func (s *Set[K]) Put(key K, o fair.Owner, r broker.Receipt, now time.Duration) *First[K] {
	f := &First[K]{Receipt: r, key: key, owner: o, at: now}
	s.mu.Lock()
	defer s.mu.Unlock()
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
	if f.owner.Address.IsValid() {
		s.clients.Give(f.owner, 1)
	} else {
		s.backends--
	}
}

// Len returns how many are remembered.
func (s *Set[K]) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byKey.Len()
}
