// The key set of an issuer, kept up to date by one goroutine.

package auth

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"barrage/internal/outbound"
)

// maxShownID is how much of a key's id the log gets.
const maxShownID = 128

var errClosed = errors.New("auth: closed")

// remote is the key set. Its goroutine does all reading; others look at the keys,
// ask for a reading and wait for its end.
type remote struct {
	source      source
	interval    time.Duration
	minInterval time.Duration
	now         func() time.Time
	after       func(time.Duration) <-chan time.Time
	log         *slog.Logger

	passed []passedKey // that the log has been told of; the goroutine's

	set  atomic.Pointer[[]key] // never changed once stored; nil until the first is read
	ask  chan struct{}         // wakes the goroutine to look at reading
	stop context.CancelFunc
	done chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex    // guards what follows; no other lock or call under it
	reading chan struct{} // closed at the end of the reading under way or asked for; nil if there is none
	next    time.Time     // no reading for a token's sake before it
	closed  bool
	err     error  // of the last reading; nil if it was good or there was none
	good    uint64 // readings
	failed  uint64
}

func newRemote(cfg *Config) *remote {
	ctx, cancel := context.WithCancel(context.Background())
	r := &remote{
		source: newSource(cfg), interval: cfg.JWKSInterval, minInterval: cfg.JWKSMinInterval,
		now: cfg.Now, after: cfg.after, log: cfg.Logger,
		ask: make(chan struct{}, 1), stop: cancel, done: make(chan struct{}),
		reading: make(chan struct{}), // the first begins at once: tokens may wait for it
	}
	go r.run(ctx) // ended by stop, awaited by close
	return r
}

// run reads the key set: now, at the interval, and when asked to. Failures bring
// the next try forward to minInterval, which then doubles up to the interval. It is
// without jitter, as each issuer has a node or a few; a back-off library would take
// more lines to be told so than the two that double.
func (r *remote) run(ctx context.Context) {
	defer close(r.done)
	retry := r.minInterval
	for {
		wait := r.interval
		if r.read(ctx) {
			retry = r.minInterval
		} else {
			wait = min(retry, r.interval)
			retry = wait * 2
		}
		if !r.rest(ctx, wait) {
			r.finish(errClosed)
			return
		}
	}
}

// rest returns true when it is time to read again, and false at the end.
func (r *remote) rest(ctx context.Context, wait time.Duration) bool {
	timer := r.after(wait)
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer:
			r.mu.Lock()
			if r.reading == nil {
				r.reading = make(chan struct{})
			}
			r.mu.Unlock()
			return true
		case <-r.ask:
			// The reading asked for may have been the last one, if its time had
			// come just then.
			r.mu.Lock()
			wanted := r.reading != nil
			r.mu.Unlock()
			if wanted {
				return true
			}
		}
	}
}

// read reads the key set and tells whether that succeeded.
func (r *remote) read(ctx context.Context) bool {
	set, err := r.source.read(ctx)
	if err == nil {
		r.set.Store(&set.keys)
		r.tellPassed(set.passed)
	}
	before := r.finish(err)
	switch {
	case ctx.Err() != nil: // closed: no fault
	case err != nil && before == nil:
		r.log.Warn("the key set of the tokens' issuer cannot be read; keys read before stay in use", "url", outbound.Redacted(r.source.url), "error", err)
	case err == nil && before != nil:
		r.log.Info("the key set of the tokens' issuer can be read again", "keys", len(set.keys))
	}
	return err == nil
}

// tellPassed logs keys that are passed over, each when it comes.
func (r *remote) tellPassed(passed []passedKey) {
	for _, k := range passed {
		if !slices.Contains(r.passed, k) {
			r.log.Info("a key of the tokens' issuer is passed over", "kid", k.id[:min(len(k.id), maxShownID)], "reason", k.why)
		}
	}
	r.passed = passed
}

// finish notes a reading's outcome, wakes those who wait for it, and returns the
// error of the one before.
func (r *remote) finish(err error) (before error) {
	r.mu.Lock()
	before, r.err = r.err, err
	switch {
	case errors.Is(err, errClosed):
		r.closed = true
	case err != nil:
		r.failed++
	default:
		r.good++
	}
	waiting := r.reading
	r.reading = nil
	r.mu.Unlock()
	if waiting != nil {
		close(waiting)
	}
	return before
}

func (r *remote) close() {
	r.stop()
	<-r.done
}

// keys returns the set; loaded is false if none was ever read.
func (r *remote) keys() (set []key, loaded bool) {
	if p := r.set.Load(); p != nil {
		return *p, true
	}
	return nil, false
}

// mayRefresh tells whether refresh would wait.
func (r *remote) mayRefresh() bool {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reading != nil || r.mayAskLocked(now)
}

func (r *remote) mayAskLocked(now time.Time) bool { return !r.closed && !now.Before(r.next) }

// refresh waits for the end of the reading under way, or else of a new one if
// there may be one for a token's sake; if not, or if there have been more than seen
// readings, which the caller knew of when it looked at the keys, it returns at once.
// The error is ctx's.
func (r *remote) refresh(ctx context.Context, seen uint64) error {
	now := r.now()
	r.mu.Lock()
	asked := r.reading == nil && r.good+r.failed == seen && r.mayAskLocked(now)
	if asked {
		r.next = now.Add(r.minInterval)
		r.reading = make(chan struct{})
	}
	waiting := r.reading
	r.mu.Unlock()
	if asked {
		select {
		case r.ask <- struct{}{}:
		default: // a wake-up that is under way does for this one too
		}
	}
	if waiting == nil {
		return nil
	}
	select {
	case <-waiting:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// verdict is the answer to a token whose key is not in the set, and for which the
// set will not be read now. unknown is the answer if the set is as it should be.
func (r *remote) verdict(unknown error) error {
	r.mu.Lock()
	err := r.err
	r.mu.Unlock()
	if err != nil {
		return unavailable(err)
	}
	return unknown
}
