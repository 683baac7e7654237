package redisbridge

// Publishing from event loops: a bounded queue, and the publisher goroutine
// that empties it in pipelined batches.

import (
	"context"
	"sync"
	"time"

	"barrage/edge/broker"
)

const (
	batchLen   = 512
	batchBytes = 1 << 20
	// keepBuffer is the largest buffer worth keeping in the pool.
	keepBuffer = 64 << 10
)

// A queue is bounded by what has been put in and not been released, so that the
// batch under way counts too. The messages' buffers belong to the queue, then to
// the publisher.
type queue struct {
	mu       sync.Mutex
	waiting  []*outgoing
	len      int // messages put and not released
	bytes    int
	maxLen   int
	maxBytes int
	closed   bool
}

// full is put's answer without a message: an overloaded bridge must not spend
// much on what it refuses.
func (q *queue) full(bytes int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.fullLocked(bytes)
}

func (q *queue) fullLocked(bytes int) bool {
	return q.closed || q.len >= q.maxLen || q.bytes+bytes > q.maxBytes
}

func (q *queue) put(m *outgoing) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.fullLocked(len(*m.buf)) {
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
func (q *queue) swap(empty []*outgoing) []*outgoing {
	q.mu.Lock()
	defer q.mu.Unlock()
	full := q.waiting
	q.waiting = empty[:0]
	return full
}

func (q *queue) release(batch []*outgoing, pool *bufferPool) {
	bytes := 0
	for _, m := range batch {
		bytes += len(*m.buf)
	}
	q.mu.Lock()
	q.len -= len(batch)
	q.bytes -= bytes
	q.mu.Unlock()
	for _, m := range batch {
		pool.put(m.buf)
	}
	clear(batch)
}

func (q *queue) size() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.len
}

// TryPublish implements broker.Broker: it has p published soon, in the order of
// the calls. False means that the queue is full (counted), the bridge closed, or
// p not fit to be published. In an outage the message goes the way of
// Config.Outage. Done is called by the publisher goroutine, or by Close.
func (b *Bridge) TryPublish(p *broker.Publication, done func(broker.Receipt, error)) bool {
	if b.queue.full(len(p.Payload)) {
		b.count.queueFull.Add(1)
		return false
	}
	m, err := b.prepare(p)
	if err != nil {
		return false
	}
	m.done = done
	if !b.queue.put(m) {
		b.buffers.put(m.buf)
		b.count.queueFull.Add(1)
		return false
	}
	signal(b.toSend)
	return true
}

// publish is the publisher goroutine. What was accepted before Close is still
// published, until closeBy.
func (b *Bridge) publish() {
	var spare []*outgoing
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
func (b *Bridge) empty(spare []*outgoing) []*outgoing {
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

func (b *Bridge) publishBatch(batch []*outgoing) {
	if !b.health.usable.Load() {
		for _, m := range batch {
			m.tell(b.insteadOfRedis(m))
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
	b.client.publishAll(ctx, batch, true)
	for _, m := range batch {
		m.tell(b.settle(context.Background(), m))
	}
}

// abandon ends what nobody will publish, since the bridge was never started.
func (b *Bridge) abandon() {
	all := b.queue.swap(nil)
	for _, m := range all {
		m.tell(broker.Receipt{}, broker.ErrClosed)
	}
	b.queue.release(all, &b.buffers)
}

func (m *outgoing) tell(r broker.Receipt, err error) {
	if m.done != nil {
		m.done(r, err)
	}
}
