// The settings, their defaults and their validation.

package presence

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

const (
	defaultExactLimit      = 500
	defaultNewestLimit     = 100
	defaultEventLimit      = 100
	defaultSampleLimit     = 10000
	defaultSampleSize      = 5
	defaultGrace           = 2 * time.Second
	defaultSummaryInterval = 2 * time.Second
	defaultSummaryMax      = 30 * time.Second
	defaultSyncInterval    = 500 * time.Millisecond
	defaultRenewInterval   = 5 * time.Second
	defaultViewerBucket    = 10 * time.Minute

	// maxExactLimit keeps one room's update within what one command of a store
	// takes in one go.
	maxExactLimit = 1000
)

// Config is what New needs. It is copied and never changed afterwards. Zero
// values mean the default, where one is given.
type Config struct {
	// ExactLimit is the number of users of a room up to which its list is
	// complete. Default 500, at most 1000.
	ExactLimit int
	// NewestLimit is how many users of a bigger room are listed, the newest.
	// Default 100, or ExactLimit if that is less.
	NewestLimit int

	// EventLimit is the number of users of a room up to which each join and
	// leave is told. Default 100, or ExactLimit if that is less.
	EventLimit int
	// Grace is how long a user may be away without having left. Default 2s.
	Grace time.Duration
	// SummaryInterval is the time between two summaries of a room of EventLimit
	// users. It grows with the number of users, up to SummaryMax. Defaults 2s
	// and 30s.
	SummaryInterval, SummaryMax time.Duration
	// SampleSize is the number of users that a summary names, SampleLimit the
	// number of users of a room beyond which it names none. Defaults 5, 10000.
	SampleSize, SampleLimit int
	// Quiet tells that nothing of a room is to be announced. It is asked when a
	// room gets its first member, by that member's goroutine, and must be cheap.
	// Default: no room.
	Quiet func(room string) bool

	// Store joins this node with others. Default: none; the registry's own
	// figures are the cluster's.
	Store Store
	// SyncInterval is the time between two passes of Run, which send what has
	// changed. Default 500ms.
	SyncInterval time.Duration
	// RenewInterval is the time after which a room is sent to the store even if
	// nothing has changed: it renews the lease and refreshes the counts. A third
	// of the store's lease. Default 5s.
	RenewInterval time.Duration
	// ViewerBucket is the resolution in time of unique viewers. Whole seconds,
	// default 10m.
	ViewerBucket time.Duration

	// Now is the clock, with a monotonic reading. Default time.Now.
	Now func() time.Time
	// Logger gets a line when the store is lost and when it is back. Default:
	// none.
	Logger *slog.Logger
}

// prepare fills in the defaults and reports every bad field in one error.
func (c *Config) prepare() error {
	c.setDefaults()
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("presence: %s: %s", field, fmt.Sprintf(format, args...)))
	}
	for _, n := range []struct {
		field      string
		value, max int
	}{
		{"ExactLimit", c.ExactLimit, maxExactLimit}, {"NewestLimit", c.NewestLimit, c.ExactLimit},
		{"EventLimit", c.EventLimit, c.ExactLimit}, {"SampleSize", c.SampleSize, c.ExactLimit},
		{"SampleLimit", c.SampleLimit, 1 << 31},
	} {
		if n.value < 1 || n.value > n.max {
			bad(n.field, "%d is not in 1 to %d", n.value, n.max)
		}
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"Grace", c.Grace}, {"SummaryInterval", c.SummaryInterval}, {"SummaryMax", c.SummaryMax},
		{"SyncInterval", c.SyncInterval}, {"RenewInterval", c.RenewInterval},
	} {
		if d.value < time.Millisecond {
			bad(d.field, "%v is under 1ms", d.value)
		}
	}
	if c.SummaryMax < c.SummaryInterval {
		bad("SummaryMax", "%v is less than SummaryInterval, %v", c.SummaryMax, c.SummaryInterval)
	}
	if c.ViewerBucket < time.Second || c.ViewerBucket%time.Second != 0 {
		bad("ViewerBucket", "%v is not a number of whole seconds", c.ViewerBucket)
	}
	return errors.Join(errs...)
}

func (c *Config) setDefaults() {
	orInt := func(n *int, def int) {
		if *n == 0 {
			*n = def
		}
	}
	orDuration := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	orInt(&c.ExactLimit, defaultExactLimit)
	orInt(&c.NewestLimit, min(defaultNewestLimit, c.ExactLimit))
	orInt(&c.EventLimit, min(defaultEventLimit, c.ExactLimit))
	orInt(&c.SampleLimit, defaultSampleLimit)
	orInt(&c.SampleSize, min(defaultSampleSize, c.ExactLimit))
	orDuration(&c.Grace, defaultGrace)
	orDuration(&c.SummaryInterval, defaultSummaryInterval)
	orDuration(&c.SummaryMax, max(defaultSummaryMax, c.SummaryInterval))
	orDuration(&c.SyncInterval, defaultSyncInterval)
	orDuration(&c.RenewInterval, defaultRenewInterval)
	orDuration(&c.ViewerBucket, defaultViewerBucket)
	if c.Quiet == nil {
		c.Quiet = func(string) bool { return false }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}
