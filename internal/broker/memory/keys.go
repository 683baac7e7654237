// Idempotency keys and the receipts they stand for.

package memory

import (
	"sync"
	"time"

	"barrage/internal/broker"
	"barrage/internal/shrinkmap"
)

type keyID struct{ room, scope, key string }

type keyed struct {
	id      keyID
	receipt broker.Receipt
	at      time.Duration
	younger *keyed
}

// keys remembers receipts for a time, up to a number. That a key is looked up,
// used and noted without another publish in between is the matter of the room's
// lock, which is held through all of it.
type keys struct {
	max int
	ttl time.Duration

	mu         sync.Mutex // guards what follows
	byID       shrinkmap.Map[keyID, *keyed]
	old, young *keyed // in the order of put
}

func (k *keys) get(id keyID, now time.Duration) (broker.Receipt, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.byID.Get(id)
	if e == nil || now-e.at >= k.ttl {
		return broker.Receipt{}, false
	}
	return e.receipt, true
}

func (k *keys) put(id keyID, r broker.Receipt, now time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.expireLocked(now)
	for k.byID.Len() >= k.max {
		k.dropLocked()
	}
	e := &keyed{id: id, receipt: r, at: now}
	if k.young == nil {
		k.old = e
	} else {
		k.young.younger = e
	}
	k.young = e
	k.byID.Put(id, e)
}

// expire forgets what is too old.
func (k *keys) expire(now time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.expireLocked(now)
}

func (k *keys) expireLocked(now time.Duration) {
	for k.old != nil && now-k.old.at >= k.ttl {
		k.dropLocked()
	}
}

// dropLocked forgets the oldest.
func (k *keys) dropLocked() {
	e := k.old
	if k.old = e.younger; k.old == nil {
		k.young = nil
	}
	// Clocks read by two publishers come in either order, so a key that was put
	// again may still have its first entry before the second.
	if k.byID.Get(e.id) == e {
		k.byID.Delete(e.id)
	}
}

func (k *keys) size() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.byID.Len()
}
