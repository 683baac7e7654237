// The emitter's settings, their defaults and their validation.

package events

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"barrage/internal/bounds"
	"barrage/internal/limits"
)

// Config is what New needs. It is copied and never changed afterwards. Zero values
// mean the default.
type Config struct {
	// Sink takes the events. The emitter closes it.
	Sink Sink
	// Node is the Event.Node of events that have none.
	Node string
	// Types are the events to emit. Default: all.
	Types []Type
	// Rooms are patterns, in which * stands for any bytes: an event with a room
	// is emitted if one of them matches. Default: all.
	Rooms []string

	// Outlets are the queues, each with one request under way at most. Default 4.
	Outlets int
	// QueueLen bounds what waits in one outlet, besides the batch under way, and
	// QueueBytes what waits in all of them: none has more than it leaves free, alone
	// half of it. An event beyond them pushes out the outlet's oldest, up to one with a
	// reservation. Defaults 10000 events and 32 MiB. An event over half of QueueBytes is
	// dropped at once, unless it has a reservation.
	QueueLen, QueueBytes int
	// BatchLen and BatchBytes (of JSON) bound a batch; an event that is longer
	// goes alone. Defaults 100 events and 256 KiB, if the queue is that long.
	BatchLen, BatchBytes int
	// Linger is how long an event waits for company. Default 50ms.
	Linger time.Duration
	// MaxAge is how long after being emitted an event is given up. Default 5m.
	MaxAge time.Duration
	// BackoffMin and BackoffMax: after the n-th failure in a row an outlet waits a
	// random time up to BackoffMin·2^(n-1), at most BackoffMax. Defaults 250ms and
	// 30s.
	BackoffMin, BackoffMax time.Duration
	// MaxRetryAfter bounds what a sink may ask an outlet to wait. Default 1m.
	MaxRetryAfter time.Duration

	// Logger gets failures and refusals, each at most once in 10s. Default: none.
	Logger *slog.Logger
}

// prepare fills in the defaults and reports every bad field in one error.
func (c *Config) prepare() error {
	c.setDefaults()
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("events: %s: %s", field, fmt.Sprintf(format, args...)))
	}
	if c.Sink == nil {
		bad("Sink", "missing")
	}
	for _, t := range c.Types {
		if !slices.Contains(AllTypes(), t) {
			bad("Types", "%q: want some of %q", t, AllTypes())
		}
	}
	if slices.Contains(c.Rooms, "") {
		bad("Rooms", "a pattern is empty")
	}
	return errors.Join(append(errs,
		limits.AtLeast("events: Outlets", c.Outlets, 1),
		limits.AtLeast("events: QueueLen", c.QueueLen, 1),
		limits.AtLeast("events: QueueBytes", c.QueueBytes, 1),
		// A batch that the queue cannot hold would never be full.
		limits.Within("events: BatchLen", c.BatchLen, 1, c.QueueLen),
		limits.Within("events: BatchBytes", c.BatchBytes, 1, c.QueueBytes),
		limits.AtLeast("events: Linger", c.Linger, time.Millisecond),
		limits.AtLeast("events: MaxAge", c.MaxAge, time.Millisecond),
		limits.Within("events: BackoffMin", c.BackoffMin, time.Millisecond, c.BackoffMax),
		limits.AtLeast("events: BackoffMax", c.BackoffMax, time.Millisecond),
		limits.AtLeast("events: MaxRetryAfter", c.MaxRetryAfter, time.Millisecond))...)
}

func (c *Config) setDefaults() {
	c.Outlets = cmp.Or(c.Outlets, 4)
	c.QueueLen = cmp.Or(c.QueueLen, bounds.Events)
	c.QueueBytes = cmp.Or(c.QueueBytes, 32<<20)
	c.BatchLen = cmp.Or(c.BatchLen, min(100, c.QueueLen))
	c.BatchBytes = cmp.Or(c.BatchBytes, min(256<<10, c.QueueBytes))
	c.Linger = cmp.Or(c.Linger, 50*time.Millisecond)
	c.MaxAge = cmp.Or(c.MaxAge, 5*time.Minute)
	c.BackoffMin = cmp.Or(c.BackoffMin, 250*time.Millisecond)
	c.BackoffMax = cmp.Or(c.BackoffMax, 30*time.Second)
	c.MaxRetryAfter = cmp.Or(c.MaxRetryAfter, time.Minute)
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	if len(c.Types) == 0 {
		c.Types = AllTypes()
	}
	if len(c.Rooms) == 0 {
		c.Rooms = []string{"*"}
	}
}
