package redisbridge

// Whether Redis takes what nodes write, which the probe's way round says nothing about:
// Redis passes messages on while it refuses every write. The writer goroutine asks, and is
// told what was refused to publishes and readings.

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"barrage/internal/broker"
)

// writeScript does what every publish does, and leaves nothing behind: it asks each second
// whether Redis takes writes at all. KEYS: the probe's.
var writeScript = redis.NewScript(`
local time = redis.pcall('TIME')
if time.err then return redis.error_reply('ERR TIME: ' .. time.err) end -- which names no command
return redis.call('SETRANGE', KEYS[1], 0, '')
`)

// writes is what is known of the refusals of Redis.
type writes struct {
	mu        sync.Mutex // guards what follows
	tried     bool
	kept      bool  // some room has a history, so that its scripts are needed
	refused   error // nil: the last write was taken
	partition int   // of the room, or trial, that was refused; else of the last trial
}

// A trial is one write of the writer goroutine.
type trial struct {
	partition int
	rehearsal bool // of all that rooms need, at the start and while something is refused
	kept      bool
}

// passing are replies that say nothing about other writes.
var passing = map[string]bool{"": true, "MOVED": true, "ASK": true, "TRYAGAIN": true, "WRONGTYPE": true, "NOSCRIPT": true}

// note notes how a write went. It tells whether Redis refuses now and did not before, or
// the reverse.
func (w *writes) note(t trial, err error) (changed bool) {
	if err != nil && passing[replyCode(err)] {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kept = w.kept || t.kept
	if err == nil && (t.partition != w.partition || t.kept != w.kept || w.refused != nil && !t.rehearsal) {
		return false // of a cluster it may be another master; and it may have asked for less than was refused
	}
	changed = (err == nil) != (w.refused == nil)
	w.tried, w.refused, w.partition = true, err, t.partition
	return changed
}

// next is what to try: where it was refused, or any partition.
func (w *writes) next() trial {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refused == nil {
		w.partition = rand.N(partitions)
	}
	return trial{w.partition, w.refused != nil || !w.tried, w.kept}
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
		next := b.writes.next()
		ctx, cancel := context.WithTimeout(b.ctx, b.cfg.Timeout)
		err := b.try(ctx, next)
		cancel()
		b.wrote(next, err)
		select {
		case <-b.ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (b *Bridge) try(ctx context.Context, t trial) error {
	if t.rehearsal {
		return b.rehearse(ctx, t)
	}
	return writeScript.Run(ctx, b.client.universal(), b.writeCall(t.partition).keys).Err()
}

func (b *Bridge) writeCall(partition int) scriptCall {
	return scriptCall{keys: []string{b.names.probe(partition, b.cfg.Node)}}
}

// wrote takes the outcome of a write, and logs a change.
func (b *Bridge) wrote(t trial, err error) {
	switch changed := b.writes.note(t, err); {
	case !changed:
	case err != nil:
		b.log.Warn("redis refuses what rooms need: not ready", "error", unavailable(err))
	default:
		b.log.Info("redis takes what rooms need again")
	}
}
