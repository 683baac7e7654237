// The settings, their defaults and their validation.

package presence

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"barrage/internal/limits"
)

// maxExactLimit keeps one room's update within what one command of a store takes in one
// go.
const maxExactLimit = 1000

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

	// LastSeen is how long it is remembered when users were here; 0: not at all.
	LastSeen time.Duration

	// Now is the clock, with a monotonic reading. Default time.Now.
	Now func() time.Time
	// Logger gets a line when the store is lost and when it is back. Default:
	// none.
	Logger *slog.Logger
}

// prepare fills in the defaults and reports every bad field in one error.
func (c *Config) prepare() error {
	c.setDefaults()
	var bucket error
	if c.ViewerBucket < time.Second || c.ViewerBucket%time.Second != 0 {
		bucket = fmt.Errorf("presence: ViewerBucket is %v, want whole seconds", c.ViewerBucket)
	}
	return errors.Join(
		limits.Within("presence: ExactLimit", c.ExactLimit, 1, maxExactLimit),
		limits.Within("presence: NewestLimit", c.NewestLimit, 1, c.ExactLimit),
		limits.Within("presence: EventLimit", c.EventLimit, 1, c.ExactLimit),
		limits.Within("presence: SampleSize", c.SampleSize, 1, c.ExactLimit),
		limits.AtLeast("presence: SampleLimit", c.SampleLimit, 1),
		limits.AtLeast("presence: Grace", c.Grace, time.Millisecond),
		limits.AtLeast("presence: SummaryInterval", c.SummaryInterval, time.Millisecond),
		limits.AtLeast("presence: SummaryMax", c.SummaryMax, c.SummaryInterval),
		limits.AtLeast("presence: SyncInterval", c.SyncInterval, time.Millisecond),
		limits.AtLeast("presence: LastSeen", c.LastSeen, 0),
		limits.AtLeast("presence: RenewInterval", c.RenewInterval, time.Millisecond),
		bucket,
	)
}

func (c *Config) setDefaults() {
	c.ExactLimit = cmp.Or(c.ExactLimit, 500)
	c.NewestLimit = cmp.Or(c.NewestLimit, min(100, c.ExactLimit))
	c.EventLimit = cmp.Or(c.EventLimit, min(100, c.ExactLimit))
	c.SampleLimit = cmp.Or(c.SampleLimit, 10_000)
	c.SampleSize = cmp.Or(c.SampleSize, min(5, c.ExactLimit))
	c.Grace = cmp.Or(c.Grace, 2*time.Second)
	c.SummaryInterval = cmp.Or(c.SummaryInterval, 2*time.Second)
	c.SummaryMax = cmp.Or(c.SummaryMax, max(30*time.Second, c.SummaryInterval))
	c.SyncInterval = cmp.Or(c.SyncInterval, 500*time.Millisecond)
	c.RenewInterval = cmp.Or(c.RenewInterval, 5*time.Second)
	c.ViewerBucket = cmp.Or(c.ViewerBucket, 10*time.Minute)
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	if c.Quiet == nil {
		c.Quiet = func(string) bool { return false }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
}
