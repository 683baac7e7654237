// The goroutine that keeps the store up to date: passes over the rooms that
// changed, and over all of them by turns.

package presence

import (
	"context"
	"errors"
	"time"

	"barrage/internal/striped"
)

const (
	// roomsPerSync and usersPerSync bound one call of Store.Sync.
	roomsPerSync = 1024
	usersPerSync = 8192

	// farewell is how long Run takes at most to end its leases.
	farewell = 2 * time.Second
)

var errAnswers = errors.New("presence: the store answered another number of updates")

// Run keeps the store up to date until ctx is done, and then ends this node's
// leases, which takes 2s at most. Without a store it returns at once.
func (g *Registry) Run(ctx context.Context) {
	if !g.clustered() {
		return
	}
	y := newSyncer(g)
	tick := time.NewTicker(g.cfg.SyncInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
			defer cancel()
			y.end(ctx)
			y.tellSeen(ctx)
			return
		case <-tick.C:
			y.pass(ctx)
			y.tellSeen(ctx)
		}
	}
}

// A syncer is what only Run's goroutine touches.
type syncer struct {
	*Registry
	number  uint32        // of the pass: the version of what it sends
	retry   time.Duration // when to try again while the store is down
	backoff time.Duration
}

func newSyncer(g *Registry) *syncer {
	y := &syncer{Registry: g}
	due := g.age()
	for s := range g.stripes.All() { // their turns are spread over the interval
		s.mu.Lock()
		s.renewed = due
		s.mu.Unlock()
		due -= g.cfg.RenewInterval / striped.N
	}
	return y
}

// A job is a room that is to be sent.
type job struct {
	s     *stripe
	r     *room
	renew bool
}

// pass sends what is to be sent now.
func (y *syncer) pass(ctx context.Context) {
	age := y.age()
	down := y.down.Load()
	if down && age < y.retry {
		y.sweep()
		return
	}
	y.number++
	jobs := y.collect(age, down)
	if len(jobs) == 0 {
		y.down.Store(false) // there is nothing that it could not be told
	}
	for len(jobs) > 0 {
		batch, updates, rest := y.prepare(jobs, age)
		figures, err := y.cfg.Store.Sync(ctx, updates, y.cfg.ExactLimit)
		if err == nil && len(figures) != len(updates) {
			err = errAnswers
		}
		if err != nil {
			for i := range updates {
				y.begun.giveBack(updates[i].Bucket, updates[i].Begin)
			}
			y.onError(ctx, batch, rest, age, err)
			return
		}
		y.onAnswer()
		for i, j := range batch {
			j.s.mu.Lock()
			y.onFigure(j.s, j.r, &updates[i], &figures[i])
			j.s.mu.Unlock()
		}
		jobs = rest
	}
}

// collect takes the rooms that are dirty or whose stripe's turn it is; all of
// them if the store is just coming back.
func (y *syncer) collect(age time.Duration, all bool) []job {
	var jobs []job
	for s := range y.stripes.All() {
		s.mu.Lock()
		if all || age-s.renewed >= y.cfg.RenewInterval {
			s.renewed = age
			for _, r := range s.rooms {
				jobs = append(jobs, job{s, r, true})
			}
		} else {
			for _, r := range s.dirty {
				jobs = append(jobs, job{s, r, false})
			}
		}
		clear(s.dirty)
		s.dirty = reuse(s.dirty[:0])
		s.mu.Unlock()
	}
	return jobs
}

// prepare makes one call's updates of the first jobs. Rooms that are gone or of
// which there is nothing to say are left out.
func (y *syncer) prepare(jobs []job, age time.Duration) (batch []job, updates []Update, rest []job) {
	users := 0
	for len(jobs) > 0 && len(batch) < roomsPerSync && users < usersPerSync {
		j := jobs[0]
		jobs = jobs[1:]
		j.s.mu.Lock()
		if j.s.rooms[j.r.name] == j.r {
			u := y.update(j.r, y.number, j.renew, age)
			if u.Gone && u.Previous == 0 {
				y.resolve(j.r, nil) // the store is not asked about the last ones
				j.r.tidy()
				j.s.reap(j.r)
			} else {
				batch, updates = append(batch, j), append(updates, u)
				users += len(u.Set) + len(u.Removed) + len(u.Viewers)
			}
		}
		j.s.mu.Unlock()
	}
	return batch, updates, jobs
}

// onError takes in that the store did not answer to the batch; the rest was not
// tried. Waits double up to the time after which all rooms are sent anyway, in one
// line: a library would be more.
func (y *syncer) onError(ctx context.Context, batch, rest []job, age time.Duration, err error) {
	if !y.down.Swap(true) {
		y.backoff = y.cfg.SyncInterval
		if ctx.Err() == nil {
			y.cfg.Logger.Warn("presence: the store does not answer; counts and lists are this node's own", "error", err)
		}
	}
	y.retry = age + y.backoff
	y.backoff = min(2*y.backoff, y.cfg.RenewInterval)
	for _, j := range batch {
		j.s.mu.Lock()
		y.onNoFigure(j.s, j.r)
		j.s.mu.Unlock()
	}
	for _, j := range rest {
		j.s.mu.Lock()
		if j.s.rooms[j.r.name] == j.r {
			j.r.clear(isDirty) // collect took it from the queue
			j.s.markDirty(j.r)
		}
		j.s.mu.Unlock()
	}
	y.sweep()
}

func (y *syncer) onAnswer() {
	if y.down.Swap(false) {
		y.cfg.Logger.Info("presence: the store answers again")
	}
}

// sweep keeps what waits for the store from piling up while it is down.
func (y *syncer) sweep() {
	for s := range y.stripes.All() {
		s.mu.Lock()
		dirty := s.dirty
		s.dirty = dirty[:0]
		for _, r := range dirty {
			r.withoutStore()
			if r.conns == 0 && (r.work == nil || len(r.work.leaving) == 0) {
				r.clear(isDirty)
				r.tidy()
				s.reap(r)
				continue
			}
			s.dirty = append(s.dirty, r)
		}
		clear(dirty[len(s.dirty):])
		s.dirty = reuse(s.dirty)
		s.mu.Unlock()
	}
}

// end ends the leases, as far as the store can be told of it in time.
func (y *syncer) end(ctx context.Context) {
	for s := range y.stripes.All() {
		for updates := y.farewells(s); len(updates) > 0; {
			n := min(len(updates), roomsPerSync)
			if _, err := y.cfg.Store.Sync(ctx, updates[:n], y.cfg.ExactLimit); err != nil {
				return // the leases will end by themselves
			}
			updates = updates[n:]
		}
	}
}

func (y *syncer) farewells(s *stripe) []Update {
	s.mu.Lock()
	defer s.mu.Unlock()
	var updates []Update
	for _, r := range s.rooms {
		if r.version != 0 {
			updates = append(updates, Update{Room: r.name, Over: true, Version: r.version, Previous: r.version})
		}
	}
	return updates
}
