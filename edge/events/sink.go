// What takes events from an emitter.

package events

import (
	"context"
	"time"
)

// Record is an event as it is sent.
type Record struct {
	ID   string
	Type Type
	Room string
	JSON []byte // the event's JSON form

	emitted time.Time // when it was emitted, with the monotonic clock
}

// Sink takes events. The outlets of an emitter call Send at the same time, each for
// its own rooms.
type Sink interface {
	// Send returns nil once all of batch is taken, in its order. It returns soon
	// after ctx ends, and keeps nothing of batch. After an error all of batch is
	// sent again, unless the error is a [*Failure] that says otherwise.
	Send(ctx context.Context, batch []Record) error
	// Close is called once, after the last Send has returned.
	Close()
}

// Failure is an error that says what to do about it.
type Failure struct {
	Err       error
	Permanent bool          // sending it again is pointless
	After     time.Duration // not earlier than that
}

// Error is the cause's text.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }
