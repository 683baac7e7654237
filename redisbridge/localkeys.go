package redisbridge

// Idempotency keys of messages that were delivered to local members in an outage:
// Redis knows nothing of them.

import (
	"sync"
	"time"

	"barrage/internal/broker"
)

// localKeysLimit bounds each of the two generations.
const localKeysLimit = 1 << 15

// localKeys remembers receipts for ttl at least, twice that at most, unless there
// are too many. Any goroutine.
type localKeys struct {
	ttl time.Duration

	mu         sync.Mutex                // guards what follows
	young, old map[string]broker.Receipt // by outgoing.result
	turned     time.Duration             // when young was begun
}

// find gives the receipt that a repetition gets, if there is one.
func (k *localKeys) find(result string, now time.Duration) (broker.Receipt, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.findLocked(result, now)
}

// first keeps the receipt, unless there is one already: then it returns that.
func (k *localKeys) first(result string, r broker.Receipt, now time.Duration) (first broker.Receipt, again bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if first, again = k.findLocked(result, now); again {
		return first, true
	}
	if k.young == nil {
		k.young, k.turned = make(map[string]broker.Receipt), now
	}
	k.young[result] = r
	if len(k.young) >= localKeysLimit {
		k.turnLocked(now)
	}
	return broker.Receipt{}, false
}

func (k *localKeys) findLocked(result string, now time.Duration) (broker.Receipt, bool) {
	for len(k.young)+len(k.old) > 0 && now-k.turned >= k.ttl {
		k.turnLocked(k.turned + k.ttl)
	}
	r, ok := k.young[result]
	if !ok {
		r, ok = k.old[result]
	}
	r.Replayed = ok
	return r, ok
}

func (k *localKeys) turnLocked(now time.Duration) {
	k.old, k.young, k.turned = k.young, nil, now
}
