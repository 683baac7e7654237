package redisbridge

// Publishing one message and waiting for Redis, for the HTTP API; and what
// happens to a message in an outage.

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

var (
	// ErrUnavailable: Redis cannot be reached, or does not answer.
	ErrUnavailable = errors.New("redisbridge: redis is unavailable")
	// ErrClosed: the bridge was closed, or not started yet.
	ErrClosed = errors.New("redisbridge: closed")
)

// Publish sends payload to all members of room on all nodes and returns when
// Redis has acknowledged it, at the latest after Config.Timeout. The caller has
// checked that text is UTF-8. The offset is 0: there is no history.
//
// If Redis is out of reach and Config.Outage is OutageLocal, the members on
// this node get it and localOnly is true; members elsewhere get it only if
// Redis executes it later. With OutageRefuse the error wraps ErrUnavailable. If
// ctx ends first, its error comes back and the message may be delivered or not.
func (b *Bridge) Publish(ctx context.Context, room string, binary bool, payload []byte) (id string, offset uint64, localOnly bool, err error) {
	if err := ctx.Err(); err != nil {
		return "", 0, false, fmt.Errorf("redisbridge: publish: %w", err)
	}
	if !b.enter() {
		return "", 0, false, ErrClosed
	}
	defer b.publishers.Done()
	number := b.number.Add(1)
	id = b.id(number)
	if !b.health.usable.Load() {
		localOnly, err = b.insteadOfRedis(room, binary, payload)
		return id, 0, localOnly, err
	}

	buf := b.buffers.get(envelopeLen(b.cfg.Node, payload))
	defer b.buffers.put(buf)
	*buf = appendEnvelope((*buf)[:0], b.cfg.Node, number, binary, payload)
	b.ledger.begin(number)
	err = b.send(ctx, room, *buf)
	switch {
	case err == nil:
		b.ledger.settled(number)
		b.count.published.Add(1)
		return id, 0, false, nil
	case ctx.Err() != nil:
		// The caller gave up, which says nothing about Redis.
		b.ledger.settled(number)
		b.count.publishErrors.Add(1)
		return id, 0, false, fmt.Errorf("redisbridge: publish: %w", ctx.Err())
	}
	localOnly, err = b.unsettled(number, room, binary, payload, err)
	return id, 0, localOnly, err
}

func (b *Bridge) send(ctx context.Context, room string, envelope []byte) error {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Timeout)
	defer cancel()
	return b.client.publish(ctx, b.internalPrefix+room, envelope)
}

// unsettled deals with a message whose publish failed while Redis was thought
// to work: it may have been executed, or still be.
func (b *Bridge) unsettled(number uint64, room string, binary bool, payload []byte, cause error) (localOnly bool, err error) {
	b.count.publishErrors.Add(1)
	b.failed(cause)
	if b.cfg.Outage == OutageRefuse {
		b.ledger.settled(number)
		return false, fmt.Errorf("%w: %w", ErrUnavailable, cause)
	}
	if b.ledger.failed(number) {
		return false, nil // only the acknowledgement was lost
	}
	b.count.localOnly.Add(1)
	b.deliver(room, binary, payload)
	return true, nil
}

// insteadOfRedis deals with a message during an outage: Redis is not even tried.
func (b *Bridge) insteadOfRedis(room string, binary bool, payload []byte) (localOnly bool, err error) {
	if b.cfg.Outage == OutageRefuse {
		b.count.refused.Add(1)
		if err := b.Err(); err != nil {
			return false, err
		}
		return false, fmt.Errorf("%w: the last publish failed", ErrUnavailable)
	}
	b.count.localOnly.Add(1)
	b.deliver(room, binary, payload)
	return true, nil
}

func (b *Bridge) id(number uint64) string {
	return b.cfg.Node + "-" + strconv.FormatUint(number, 36)
}
