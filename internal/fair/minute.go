// Counts by address, for what nobody needs often.

package fair

import (
	"net/netip"
	"sync"
	"time"

	"barrage/internal/bounds"
)

// Minute counts what addresses do in the present minute, each at most so often. Any
// goroutine.
type Minute struct {
	most int

	mu    sync.Mutex // guards what follows
	until time.Duration
	n     map[netip.Addr]int
}

// NewMinute lets each address do it so often.
func NewMinute(most int) *Minute { return &Minute{most: most} }

// Take counts one, and tells whether it was not too often. Of more addresses than can be
// known it always was.
func (m *Minute) Take(a netip.Addr, now time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turnLocked(now)
	if n, known := m.n[a]; n >= m.most || !known && len(m.n) >= bounds.CountedAddresses {
		return false
	}
	m.n[a]++
	return true
}

// Left is how long an address may not do it again, 0 if it may.
func (m *Minute) Left(a netip.Addr, now time.Duration) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turnLocked(now)
	if m.n[a] < m.most {
		return 0
	}
	return m.until - now
}

func (m *Minute) turnLocked(now time.Duration) {
	if now >= m.until {
		m.n, m.until = make(map[netip.Addr]int), now+time.Minute
	}
}
