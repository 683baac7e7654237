// When a backend is not asked any more.

package hooks

import (
	"sync"
	"time"
)

const (
	tripAfter = 10              // failures in a row
	restFor   = 5 * time.Second // without being asked
)

// breaker is closed while its backend answers. After tripAfter failures in a row it is
// open for restFor, then lets one question through, on whose answer it depends whether it
// is closed again. It is our own because the libraries for it read the clock themselves, and
// call back under their lock. Any goroutine.
type breaker struct {
	now func() time.Time

	mu       sync.Mutex // guards what follows
	failures int        // in a row
	until    time.Time  // open until then, and after it half open; zero: closed
	probing  bool       // half open, and the one question is under way
}

// refuses tells whether a question asked now would not be let through.
func (b *breaker) refuses() bool {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refusesLocked(now)
}

func (b *breaker) refusesLocked(now time.Time) bool {
	return !b.until.IsZero() && (b.probing || now.Before(b.until))
}

// take lets a question through, or not. If it does, done is to be called.
func (b *breaker) take() bool {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refusesLocked(now) {
		return false
	}
	b.probing = !b.until.IsZero()
	return true
}

// done says whether the backend has answered, and returns whether that opened the breaker
// or closed it.
func (b *breaker) done(answered bool) (opened, closed bool) {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if answered {
		closed = !b.until.IsZero()
		b.failures, b.until, b.probing = 0, time.Time{}, false
		return false, closed
	}
	b.failures++
	if b.until.IsZero() && b.failures < tripAfter {
		return false, false
	}
	opened = b.until.IsZero()
	b.until, b.probing = now.Add(restFor), false
	return opened, false
}
