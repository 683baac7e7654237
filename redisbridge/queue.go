package redisbridge

// Publishing from event loops: a bounded queue, and the publisher goroutine
// that empties it in pipelined batches.

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"barrage/internal/broker"
)

const (
	batchLen   = 512
	batchBytes = 1 << 20
)

// A queue is bounded by what has been put in and not been released, so that the
// batch under way counts too. The messages belong to the queue, then to the
// publisher.
type queue struct {
	maxLen, maxBytes int

	len, bytes atomic.Int64 // put and not released; growing only under mu

	mu      sync.Mutex // guards what follows
	waiting []*outgoing
	closed  bool
}

// full is put's answer without a message: an overloaded bridge must not spend
// much on what it refuses.
func (q *queue) full(bytes int) bool {
	return q.len.Load() >= int64(q.maxLen) || q.bytes.Load()+int64(bytes) > int64(q.maxBytes)
}

func (q *queue) put(m *outgoing) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.full(len(m.buf)) {
		return false
	}
	q.len.Add(1)
	q.bytes.Add(int64(len(m.buf)))
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

func (q *queue) release(batch []*outgoing, pool *outgoingPool) {
	bytes := 0
	for _, m := range batch {
		bytes += len(m.buf)
		pool.put(m)
	}
	clear(batch)
	q.len.Add(-int64(len(batch)))
	q.bytes.Add(-int64(bytes))
}

func (q *queue) size() int { return int(q.len.Load()) }

// TryPublish implements broker.Broker: it has p published soon, in the order of
// the calls. False means that the queue is full (counted), the bridge closed, or
// p not fit to be published. In an outage the message goes the way of
// Config.Outage. Done is called by the publisher goroutine, or by Close.
func (b *Bridge) TryPublish(p *broker.Publication, done func(broker.Receipt, error)) bool {
	if b.queue.full(len(p.Payload)) {
		b.count.queueFull.Add(1)
		return false
	}
	m, err := b.prepare(p, done != nil, done)
	if err != nil {
		return false
	}
	if !b.queue.put(m) {
		b.outgoing.put(m)
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
			bytes += len(rest[n].buf)
			n++
		}
		b.publishBatch(rest[:n])
		b.queue.release(rest[:n], &b.outgoing)
		rest = rest[n:]
	}
	if cap(all) > 16*batchLen {
		return nil // a burst's slice; the next burst can afford its own
	}
	return all
}

func (b *Bridge) publishBatch(batch []*outgoing) {
	date(batch)
	if !b.health.usable.Load() {
		for _, m := range batch {
			m.tell(b.insteadOfRedis(m))
		}
		return
	}
	batch = b.withoutRepeated(batch)
	b.inflight.begin(batch)
	defer b.inflight.end(batch)
	timeout := b.cfg.Timeout
	if closeBy := time.Duration(b.closeBy.Load()); closeBy != 0 {
		timeout = min(timeout, closeBy-b.now())
	}
	// Not a child of the bridge's context: the last batches go out after Close.
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	b.client.publishAll(ctx, batch, true)
	for _, m := range batch {
		m.tell(b.receiptOf(context.Background(), m))
	}
}

// withoutRepeated answers those messages that were delivered locally before, and
// returns the others.
func (b *Bridge) withoutRepeated(batch []*outgoing) []*outgoing {
	if !slices.ContainsFunc(batch, func(m *outgoing) bool { return m.keyed }) {
		return batch
	}
	others := make([]*outgoing, 0, len(batch))
	for _, m := range batch {
		if r, again := b.repeated(m); again {
			m.tell(r, nil)
		} else {
			others = append(others, m)
		}
	}
	return others
}

// abandon ends what nobody will publish, since the bridge was never started.
func (b *Bridge) abandon() {
	all := b.queue.swap(nil)
	for _, m := range all {
		m.tell(broker.Receipt{}, broker.ErrClosed)
	}
	b.queue.release(all, &b.outgoing)
}

func (m *outgoing) tell(r broker.Receipt, err error) {
	if m.done != nil {
		m.done(r, err)
	}
}
