package redisbridge

// Publishing from event loops: a bounded queue, and the publisher goroutine
// that empties it in pipelined batches.

import (
	"context"
	"sync"
	"time"
)

const (
	batchLen   = 512
	batchBytes = 1 << 20
	// keepBuffer is the largest buffer worth keeping in the pool.
	keepBuffer = 64 << 10
)

// A queued message holds its envelope, so that the publisher need not copy the
// payload again. The buffer belongs to the queue, then to the publisher.
type queued struct {
	room   string
	number uint64
	buf    *[]byte
	err    error // of the publish, set by client.publishAll
}

// A queue is bounded by what has been put in and not been released, so that the
// batch under way counts too.
type queue struct {
	mu       sync.Mutex
	waiting  []queued
	len      int // messages put and not released
	bytes    int
	maxLen   int
	maxBytes int
	closed   bool
}

func (q *queue) put(m queued) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.len >= q.maxLen || q.bytes+len(*m.buf) > q.maxBytes {
		return false
	}
	q.len++
	q.bytes += len(*m.buf)
	q.waiting = append(q.waiting, m)
	return true
}

// close refuses all that comes later, so that the publisher's last look at the
// queue is the last one needed.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

// swap gives what is waiting and takes the emptied slice of last time.
func (q *queue) swap(empty []queued) []queued {
	q.mu.Lock()
	defer q.mu.Unlock()
	full := q.waiting
	q.waiting = empty[:0]
	return full
}

func (q *queue) release(batch []queued, pool *bufferPool) {
	bytes := 0
	for _, m := range batch {
		bytes += len(*m.buf)
	}
	q.mu.Lock()
	q.len -= len(batch)
	q.bytes -= bytes
	q.mu.Unlock()
	for i, m := range batch {
		pool.put(m.buf)
		batch[i] = queued{}
	}
}

func (q *queue) size() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.len
}

// TryPublish copies payload and has it published soon, in the order of the
// calls. It never blocks and may be called by any goroutine; false means that
// the queue is full (counted) or the bridge closed. The caller has checked that
// text is UTF-8. In an outage the message goes the way of Config.Outage.
func (b *Bridge) TryPublish(room string, binary bool, payload []byte) bool {
	number := b.number.Add(1)
	buf := b.buffers.get(envelopeLen(b.cfg.Node, payload))
	*buf = appendEnvelope((*buf)[:0], b.cfg.Node, number, binary, payload)
	if !b.queue.put(queued{room: room, number: number, buf: buf}) {
		b.buffers.put(buf)
		b.count.queueFull.Add(1)
		return false
	}
	signal(b.toSend)
	return true
}

// publish is the publisher goroutine. What was accepted before Close is still
// published, until closeBy.
func (b *Bridge) publish() {
	var spare []queued
	for {
		select {
		case <-b.toSend:
			spare = b.empty(spare)
		case <-b.ctx.Done():
			b.empty(spare)
			return
		}
	}
}

// empty publishes all that is waiting and returns the slice it came in.
func (b *Bridge) empty(spare []queued) []queued {
	all := b.queue.swap(spare)
	for rest := all; len(rest) > 0; {
		n, bytes := 0, 0
		for n < len(rest) && n < batchLen && bytes < batchBytes {
			bytes += len(*rest[n].buf)
			n++
		}
		b.publishBatch(rest[:n])
		b.queue.release(rest[:n], &b.buffers)
		rest = rest[n:]
	}
	if cap(all) > 4*batchLen {
		return nil // a burst's slice; the next burst can afford its own
	}
	return all
}

func (b *Bridge) publishBatch(batch []queued) {
	if !b.health.usable.Load() {
		for _, m := range batch {
			binary, payload := b.content(m)
			// Refused or local, both are counted, and nobody waits for the outcome.
			_, _ = b.insteadOfRedis(m.room, binary, payload)
		}
		return
	}
	for _, m := range batch {
		b.ledger.begin(m.number)
	}
	timeout := b.cfg.Timeout
	if closeBy := time.Duration(b.closeBy.Load()); closeBy != 0 {
		timeout = min(timeout, closeBy-b.now())
	}
	// Not a child of the bridge's context: the last batches go out after Close.
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	b.client.publishAll(ctx, b.internalPrefix, batch)
	for _, m := range batch {
		if m.err == nil {
			b.ledger.settled(m.number)
			b.count.published.Add(1)
			continue
		}
		binary, payload := b.content(m)
		_, _ = b.unsettled(m.number, m.room, binary, payload, m.err)
	}
}

// content takes a queued message's envelope apart again.
func (b *Bridge) content(m queued) (binary bool, payload []byte) {
	head := envelopeLen(b.cfg.Node, nil)
	return (*m.buf)[1] == kindBinary, (*m.buf)[head:]
}
