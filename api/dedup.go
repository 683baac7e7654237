package api

// This file makes a repeated publish harmless: the Idempotency-Key header, the
// answers remembered by it, and the publishes under way.

import (
	"context"
	"crypto/sha256"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	keyHeader = "Idempotency-Key"
	maxKeyLen = 128 // bytes
)

var (
	isTrue = []string{"true"} // the value of Idempotent-Replayed

	errBadKey    = &failure{http.StatusBadRequest, "invalid_idempotency_key", keyHeader + ": must be given once, as 1 to " + strconv.Itoa(maxKeyLen) + " printable ASCII characters"}
	errKeyReused = &failure{http.StatusUnprocessableEntity, "idempotency_key_reused", keyHeader + ": this key was used in this room for another message"}
)

// idempotencyKey reads the header; empty if there is none.
func idempotencyKey(h http.Header) (string, error) {
	values, ok := h[keyHeader]
	if !ok {
		return "", nil
	}
	if len(values) != 1 || !validKey(values[0]) {
		return "", errBadKey
	}
	return values[0], nil
}

func validKey(key string) bool {
	if len(key) == 0 || len(key) > maxKeyLen {
		return false
	}
	for i := range len(key) {
		if key[i] < ' ' || key[i] > '~' {
			return false
		}
	}
	return true
}

// fingerprint tells whether two publishes are the same message.
type fingerprint struct {
	binary bool
	sum    [sha256.Size]byte
}

func digest(binary bool, payload []byte) fingerprint {
	return fingerprint{binary: binary, sum: sha256.Sum256(payload)}
}

type dedupKey struct{ room, key string }

// remembered is the answer of a publish that succeeded.
type remembered struct {
	message fingerprint
	answer  answer
	expires time.Time
}

// call is a publish under way. answer and err are written before done is closed
// and read after.
type call struct {
	message fingerprint
	done    chan struct{}
	answer  answer
	err     error
}

// dedup runs each key once. Publishes under way are bounded by the requests
// under way; answers by the size of the cache. The expirable cache of the same
// module is not used: its cleaning goroutine cannot be stopped. Here an expired
// answer is dropped when it is asked for, or when it is the oldest.
type dedup struct {
	ttl time.Duration
	now func() time.Time

	mu      sync.Mutex // guards what follows; nothing is published under it
	running map[dedupKey]*call
	answers *simplelru.LRU[dedupKey, remembered]
}

func newDedup(size int, ttl time.Duration, now func() time.Time) (*dedup, error) {
	answers, err := simplelru.NewLRU[dedupKey, remembered](size, nil)
	if err != nil {
		return nil, err
	}
	return &dedup{ttl: ttl, now: now, running: make(map[dedupKey]*call), answers: answers}, nil
}

// do calls publish, unless the same key was or is being published in that room:
// then it gives that answer, and replayed is true.
//
// publish gets a context that does not end with ctx: others may be waiting for
// its answer, and a client that lost its connection will ask again with the same
// key. The server's own deadlines bound it.
func (d *dedup) do(ctx context.Context, room, key string, message fingerprint, publish func(context.Context) (answer, error)) (_ answer, replayed bool, _ error) {
	// Cloned, as both are parts of a request that must not outlive it.
	id := dedupKey{strings.Clone(room), strings.Clone(key)}
	d.mu.Lock()
	if old, ok := d.lookupLocked(id); ok {
		d.mu.Unlock()
		if old.message != message {
			return answer{}, false, errKeyReused
		}
		return old.answer, true, nil
	}
	if c, ok := d.running[id]; ok {
		d.mu.Unlock()
		if c.message != message {
			return answer{}, false, errKeyReused
		}
		return c.wait(ctx)
	}
	// errPanic is the waiters' answer if publish does not return.
	c := &call{message: message, done: make(chan struct{}), err: errPanic}
	d.running[id] = c
	d.mu.Unlock()

	defer d.finish(id, c)
	c.answer, c.err = publish(context.WithoutCancel(ctx))
	return c.answer, false, c.err
}

func (d *dedup) lookupLocked(id dedupKey) (remembered, bool) {
	old, ok := d.answers.Get(id)
	if ok && !d.now().Before(old.expires) {
		d.answers.Remove(id)
		return remembered{}, false
	}
	return old, ok
}

// finish ends a call, also one that panicked, and remembers what succeeded.
func (d *dedup) finish(id dedupKey, c *call) {
	d.mu.Lock()
	delete(d.running, id)
	if c.err == nil {
		d.answers.Add(id, remembered{message: c.message, answer: c.answer, expires: d.now().Add(d.ttl)})
	}
	d.mu.Unlock()
	close(c.done)
}

func (c *call) wait(ctx context.Context) (_ answer, replayed bool, _ error) {
	select {
	case <-c.done:
		return c.answer, c.err == nil, c.err
	case <-ctx.Done():
		return answer{}, false, ctx.Err()
	}
}
