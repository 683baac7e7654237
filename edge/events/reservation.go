// Reservations: room in a queue for events that a full queue must not cost. They are
// the transcripts of rooms, which are nowhere else once their histories are forgotten.

package events

import (
	"context"
	"errors"
	"fmt"

	"barrage/internal/broker"
)

// ErrClosed tells that Close was called.
var ErrClosed = errors.New("events: the emitter is closed")

// Reserve makes a reservation in the queue for ev, which Wants must allow. It waits for
// room until ctx ends, and pushes nothing out; where nothing waits there is room for any
// event, however long. send is to be called once: it has ev sent soon, as ev is by then
// but for its room and length. Newer events do not push it out.
func (e *Emitter) Reserve(ctx context.Context, ev *Event) (send func(), err error) {
	o, size := e.outlet(ev), e.queued(ev).size
	for {
		freed, err := o.reserve(size)
		if err != nil {
			return nil, err
		}
		if freed == nil {
			return func() { o.putReserved(e.queued(ev), size) }, nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, fmt.Errorf("events: no room in the queue: %w", ctx.Err())
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
