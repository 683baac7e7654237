package redisbridge

// Whether Redis takes what nodes write, which the probe's way round says nothing about:
// Redis passes messages on while it refuses every write. The writer goroutine asks.

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"barrage/internal/broker"
)

// writeScript does all that publishing needs, and leaves nothing behind. KEYS: the probe's.
var writeScript = redis.NewScript(`
local time = redis.pcall('TIME')
if time.err then return redis.error_reply('ERR TIME: ' .. time.err) end -- which names no command
return redis.call('SETRANGE', KEYS[1], 0, '')
`)

// writes is what is known of the refusals of Redis.
type writes struct {
	mu        sync.Mutex // guards what follows
	tried     bool
	refused   error // nil: the last write was taken
	partition int   // of the room, or probe, that was refused; else of the last probe
}

// passing are replies that say nothing about other writes.
var passing = map[string]bool{"": true, "MOVED": true, "ASK": true, "TRYAGAIN": true, "WRONGTYPE": true, "NOSCRIPT": true}

// note notes how a write to a partition went. It tells whether writes are refused now and
// were not before, or the reverse.
func (w *writes) note(partition int, err error) (changed bool) {
	if err != nil && passing[replyCode(err)] {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil && partition != w.partition {
		return false // of a cluster it may be another master
	}
	changed = (err == nil) != (w.refused == nil)
	w.tried, w.refused, w.partition = true, err, partition
	return changed
}

// next is the partition to try: where it was refused, or any.
func (w *writes) next() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refused == nil {
		w.partition = rand.N(partitions)
	}
	return w.partition
}

// err is why the node is not ready while Redis refuses writes: what is published reaches
// the viewers here alone, and is in no history.
func (w *writes) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !w.tried:
		return fmt.Errorf("redis: %w: it has not taken a write yet", broker.ErrUnavailable)
	case w.refused != nil:
		return fmt.Errorf("redis: %w", unavailable(w.refused))
	}
	return nil
}

// tryWriting is the writer goroutine.
func (b *Bridge) tryWriting() {
	tick := time.NewTicker(b.cfg.ProbeInterval)
	defer tick.Stop()
	for {
		partition := b.writes.next()
		ctx, cancel := context.WithTimeout(b.ctx, b.cfg.Timeout)
		err := writeScript.Run(ctx, b.client.universal(), []string{b.names.probe(partition, b.cfg.Node)}).Err()
		cancel()
		b.wrote(partition, err)
		select {
		case <-b.ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// wrote takes the outcome of a write, and logs a change.
func (b *Bridge) wrote(partition int, err error) {
	switch changed := b.writes.note(partition, err); {
	case !changed:
	case err != nil:
		b.log.Warn("redis refuses writes: not ready", "error", unavailable(err))
	default:
		b.log.Info("redis takes writes again")
	}
}
