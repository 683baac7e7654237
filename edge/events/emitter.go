// The emitter: filters events and gives each to its outlet.

package events

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"barrage/internal/broker"
	"barrage/internal/quietlog"
	"barrage/internal/random"
)

// Emitter hands events to a sink. A nil *Emitter emits nothing.
type Emitter struct {
	// Fixed by New.
	cfg     Config
	seed    maphash.Seed
	outlets []*outlet
	ctx     context.Context // of all Sends; ends when Close has waited long enough
	cancel  context.CancelFunc

	numbers   atomic.Uint64 // the events' so far
	memory    memory
	running   sync.WaitGroup
	closeOnce sync.Once
	closing   chan struct{} // closed by Close
	sinkOnce  sync.Once
}

// New starts an emitter. Close stops it.
func New(cfg Config) (*Emitter, error) {
	if err := cfg.prepare(); err != nil {
		return nil, err
	}
	e := &Emitter{cfg: cfg, seed: maphash.MakeSeed(), closing: make(chan struct{})}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.memory.max = int64(cfg.QueueBytes)
	instance, log := random.Name(), quietlog.New(cfg.Logger)
	for range cfg.Outlets {
		o := newOutlet(e, instance, log)
		e.outlets = append(e.outlets, o)
		e.running.Go(o.run) // ends after Close, which waits for it
	}
	return e, nil
}

// Wants tells whether an event of this type and room would be emitted, for callers
// that have work to make one. It may be called from any goroutine.
func (e *Emitter) Wants(t Type, room string) bool {
	if e == nil || !slices.Contains(e.cfg.Types, t) {
		return false
	}
	return room == "" || slices.ContainsFunc(e.cfg.Rooms, func(p string) bool { return broker.Match(p, room) })
}

// Emit has ev sent soon, unless the filters keep it out. It never blocks, may be
// called from any goroutine, and copies ev, though not its messages.
func (e *Emitter) Emit(ev *Event) {
	if !e.Wants(ev.Type, ev.Room) {
		return
	}
	e.outlet(ev).put(e.queued(ev))
}

func (e *Emitter) queued(ev *Event) queued {
	q := queued{Event: *ev, emitted: time.Now()}
	if q.Time == 0 {
		q.Time = q.emitted.UnixMilli()
	}
	if q.Node == "" {
		q.Node = e.cfg.Node
	}
	q.size = q.Event.size()
	return q
}

func (e *Emitter) outlet(ev *Event) *outlet {
	key := ev.Room
	if key == "" {
		key = ev.Conn
	}
	return e.outlets[maphash.String(e.seed, key)%uint64(len(e.outlets))]
}

// Close sends what is waiting or has a reservation, without lingering, until ctx ends,
// and drops the rest. Outlets that were backing off try again at once. It returns an
// error if ctx ended first, when everything is stopped all the same. It may be called from any
// goroutine, also more than once.
func (e *Emitter) Close(ctx context.Context) error {
	if e == nil {
		return nil
	}
	e.closeOnce.Do(func() {
		for _, o := range e.outlets {
			o.close()
		}
		close(e.closing)
	})
	stop := context.AfterFunc(ctx, e.cancel)
	defer stop()
	e.running.Wait()
	e.sinkOnce.Do(func() {
		e.cfg.Sink.Close()
		e.cancel()
	})
	if dropped := e.Stats().Dropped[DropClosed]; dropped > 0 && ctx.Err() != nil {
		return fmt.Errorf("events: close: %d events dropped: %w", dropped, ctx.Err())
	}
	return nil
}
