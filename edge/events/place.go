// Events that no full queue may cost: a place is kept for them before. They are the
// transcripts of rooms, which are nowhere else when their histories are forgotten.

package events

import (
	"context"
	"errors"
	"fmt"

	"barrage/internal/broker"
)

// ErrClosed tells that Close was called.
var ErrClosed = errors.New("events: the emitter is closed")

// Reserve keeps a place in the queue for ev, which is Wanted. It waits for one until
// ctx ends, pushing nothing out; where nothing waits there is one, however long ev is.
// send, to be called once, has ev sent soon, as it is by then, in which it has the
// same room and length; newer events do not push it out.
func (e *Emitter) Reserve(ctx context.Context, ev *Event) (send func(), err error) {
	l, size := e.lane(ev), e.queued(ev).size
	for {
		freed, err := l.reserve(size)
		if err != nil {
			return nil, err
		}
		if freed == nil {
			return func() { l.occupy(e.queued(ev), size) }, nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, fmt.Errorf("events: no place in the queue: %w", ctx.Err())
		}
	}
}

// Cut divides a transcript into parts about as long as a batch, each with one message
// at least.
func (e *Emitter) Cut(messages []*broker.Message) (parts [][]*broker.Message) {
	first, size := 0, 0
	for i, m := range messages {
		n := messageSize(m)
		if i > first && size+n > e.cfg.BatchBytes {
			parts = append(parts, messages[first:i])
			first, size = i, 0
		}
		size += n
	}
	if first < len(messages) {
		parts = append(parts, messages[first:])
	}
	return parts
}
