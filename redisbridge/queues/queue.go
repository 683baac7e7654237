package queues

// One queue: hold it, take entries, publish them one after the other, settle them.

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

const (
	blockTime    = time.Second // a command that waits for an entry; less than half a lease
	membersAge   = 250 * time.Millisecond
	waitingAge   = 5 * time.Second
	firstPause   = 20 * time.Millisecond // after something failed; doubles
	longestPause = 2 * time.Second
)

// errNotHolder means that another node holds the queue, or nobody does.
var errNotHolder = errors.New("queues: not held by this node")

// An entry is what was taken. bad, unless published, is why it cannot be published.
type entry struct {
	id  string // within the queue
	bad result
	why string
	raw string // for the dead; "" if there is nothing to keep
	p   broker.Publication
}

// A source is a list or a stream. All its methods check, and renew, the lease.
type source interface {
	// take gives the oldest entries that are not settled, in order. There may be none.
	take(ctx context.Context) ([]entry, error)
	// await returns when there may be something to take.
	await(ctx context.Context) error
	// settle takes the oldest of what take gave, which these are, out of the queue.
	settle(ctx context.Context, done []entry) error
	// length is how many entries are in the queue.
	length(ctx context.Context) (int64, error)
}

// A queue belongs to the goroutine of run, but for waiting.
type queue struct {
	Queue
	set     *Set
	source  source
	waiting atomic.Int64

	renewed time.Time // the lease, before Redis was asked
	counted time.Time // waiting
	asked   time.Time // members
	members int
	next    time.Time // the next publish, by the rate
	pause   time.Duration
}

func newQueue(s *Set, of Queue) *queue {
	q := &queue{Queue: of, set: s}
	if q.Stream {
		q.source = &stream{q: q}
	} else {
		q.source = &list{q: q}
	}
	return q
}

func (q *queue) run() {
	ctx := q.set.ctx
	defer q.release()
	for ctx.Err() == nil {
		held, err := q.hold()
		if err == nil && held {
			err = q.drain(ctx)
		}
		q.waiting.Store(0) // the next holder's to tell
		q.counted = time.Time{}
		switch {
		case ctx.Err() != nil:
		case err == nil || errors.Is(err, errNotHolder):
			q.pause = 0
			sleep(ctx, blockTime)
		default:
			q.set.log.WarnOf("failed "+q.Key, "a queue cannot be read", "key", q.Key, "err", err)
			q.backOff(ctx)
		}
	}
}

// drain publishes until ctx ends, something fails or another node holds the queue.
func (q *queue) drain(ctx context.Context) error {
	for ctx.Err() == nil {
		entries, err := q.source.take(ctx)
		if err != nil {
			return err
		}
		q.pause = 0
		if err := q.publishAll(ctx, entries); err != nil {
			return err
		}
		q.measure(ctx)
		if len(entries) == 0 {
			if err := q.source.await(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
	return nil
}

// publishAll publishes and settles entries. Should ctx end, what was published is settled,
// and the rest stays.
func (q *queue) publishAll(ctx context.Context, entries []entry) error {
	done := 0
	settle := func(upTo int) error {
		// Not by ctx: what is published should leave the queue though we stop.
		err := q.source.settle(context.WithoutCancel(ctx), entries[done:upTo])
		if err == nil {
			done = upTo
		}
		return err
	}
	for i := range entries {
		if time.Since(q.renewed) > q.set.cfg.Lease/4 {
			if err := settle(i); err != nil {
				return err
			}
		}
		q.keepRate(ctx)
		for {
			if ctx.Err() != nil {
				return settle(i)
			}
			res, why, err := q.publish(&entries[i])
			if err == nil {
				q.ended(&entries[i], res, why)
				break
			}
			q.set.count.retries.Add(1)
			q.set.log.WarnOf("retried "+q.Key, "an entry of a queue could not be published yet", "key", q.Key, "err", err)
			if err := settle(i); err != nil { // which keeps the lease, too
				return err
			}
			q.backOff(ctx)
		}
	}
	if done == len(entries) {
		return nil
	}
	return settle(len(entries))
}

// publish says what became of an entry; with an error it is to be tried again.
func (q *queue) publish(e *entry) (result, string, error) {
	if e.bad != published {
		return e.bad, e.why, q.bury(e)
	}
	// Not by the set's context: a publish that has begun is waited for.
	ctx, cancel := context.WithTimeout(context.Background(), q.set.cfg.Timeout)
	defer cancel()
	if q.Drop && q.empty(ctx) {
		return nobody, "", nil
	}
	p := e.p
	r, err := q.set.cfg.Publisher.Publish(ctx, &p)
	switch no := refusal.Of(err); {
	case err == nil && r.LocalOnly:
		return 0, "", broker.ErrUnavailable
	case err == nil && r.Replayed:
		return repeated, "", nil
	case err == nil:
		return published, "", nil
	case no != nil && no.RetryAfter() == 0:
		return refused, no.Error(), q.bury(e)
	}
	return 0, "", err
}

// ended counts what became of an entry, and tells of it if it was lost.
func (q *queue) ended(e *entry, r result, why string) {
	q.pause = 0
	q.set.count.taken.Add(1)
	q.set.count.results[r].Add(1)
	if why != "" {
		q.set.log.WarnOf("dropped "+q.Key, "an entry of a queue was dropped", "key", q.Key, "entry", e.id, "reason", resultNames[r], "why", why)
	}
}

// empty tells whether nobody is in the room. Who cannot tell publishes.
func (q *queue) empty(ctx context.Context) bool {
	if time.Since(q.asked) > membersAge {
		n, err := q.set.cfg.Members(ctx, q.Room)
		if err != nil {
			return false
		}
		q.members, q.asked = n, time.Now()
	}
	return q.members == 0
}

// bury keeps an entry that cannot be published, if the queue says so.
func (q *queue) bury(e *entry) error {
	if !q.Dead || e.raw == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), q.set.cfg.Timeout)
	defer cancel()
	key := q.Key + ":dead"
	_, err := q.set.cfg.Client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.LPush(ctx, key, e.raw)
		p.LTrim(ctx, key, 0, bounds.DeadEntries-1)
		return nil
	})
	return err
}

// measure looks how long the queue is, now and then.
func (q *queue) measure(ctx context.Context) {
	if time.Since(q.counted) < waitingAge {
		return
	}
	q.counted = time.Now()
	if n, err := q.source.length(ctx); err == nil {
		q.waiting.Store(n)
	}
}

// keepRate waits until the next entry may be published. What was not used is lost.
func (q *queue) keepRate(ctx context.Context) {
	now := time.Now()
	if q.next.Before(now.Add(-rateSlack)) {
		q.next = now.Add(-rateSlack)
	}
	if wait := q.next.Sub(now); wait > 0 {
		sleep(ctx, wait)
	}
	q.next = q.next.Add(time.Second / time.Duration(q.set.cfg.Rate))
}

// rateSlack is what a sleep may be late, so that the rate is met all the same.
const rateSlack = 20 * time.Millisecond

func (q *queue) backOff(ctx context.Context) {
	q.pause = min(max(2*q.pause, firstPause), longestPause)
	sleep(ctx, q.pause)
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
