// What a backend answered last, for while it is away.

package hooks

import (
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"

	"barrage/internal/bounds"
	"barrage/internal/fair"
)

// last remembers what connections were let in with, by the question, for bounds.LastTime at
// most, however long an identity is good for. Any goroutine.
type last struct {
	now func() time.Time

	mu    sync.Mutex // guards what follows
	known map[[sha256.Size]byte]remembered
	slots *fair.Slots[struct{}]
	swept time.Time
}

type remembered struct {
	decision *Decision
	until    time.Time
	address  netip.Addr
}

func newLast(now func() time.Time) *last {
	return &last{now: now, known: map[[sha256.Size]byte]remembered{}, slots: fair.NewSlots[struct{}](bounds.LastAnswers, 1), swept: now()}
}

// user is whose the answer is, "" for nobody's.
func (d *Decision) user() string {
	if d.Identity == nil {
		return ""
	}
	return d.Identity.User
}

func (l *last) remember(key [sha256.Size]byte, from netip.Addr, d *Decision) {
	now := l.now()
	until := now.Add(bounds.LastTime)
	if d.Identity != nil && !d.Identity.Expires.IsZero() && d.Identity.Expires.Before(until) {
		until = d.Identity.Expires
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweepLocked(now)
	l.forgetLocked(key)
	if l.slots.Take(1, struct{}{}, d.user(), from) {
		l.known[key] = remembered{d, until, from}
	}
}

// find returns what is remembered and still good, nil if nothing is.
func (l *last) find(key [sha256.Size]byte) *Decision {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if r, ok := l.known[key]; ok && now.Before(r.until) {
		return r.decision
	}
	return nil
}

func (l *last) forget(key [sha256.Size]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forgetLocked(key)
}

func (l *last) forgetLocked(key [sha256.Size]byte) {
	if r, ok := l.known[key]; ok {
		delete(l.known, key)
		l.slots.Give(1, struct{}{}, r.decision.user(), r.address)
	}
}

// sweepLocked forgets what is over, once a minute.
func (l *last) sweepLocked(now time.Time) {
	if now.Sub(l.swept) < time.Minute {
		return
	}
	l.swept = now
	for key, r := range l.known {
		if !now.Before(r.until) {
			l.forgetLocked(key)
		}
	}
}
