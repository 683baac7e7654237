// When users were here last.

package presence

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"time"

	"barrage/internal/bounds"
)

// Seen is when a user was here.
type Seen struct {
	User string
	At   time.Time
}

// lastSeen is when users were here last, for a time: all that is known without a store,
// else what the store has still to be told. Any goroutine.
type lastSeen struct {
	mu   sync.Mutex // guards what follows
	of   map[string]*list.Element
	list list.List // of Seen, the longest gone first
}

// put notes one. Of more users than are remembered the longest gone is forgotten.
func (l *lastSeen) put(s Seen, keep time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil {
		l.of = make(map[string]*list.Element)
	}
	if e := l.of[s.User]; e != nil {
		if e.Value.(Seen).At.Before(s.At) {
			e.Value = s
			l.list.MoveToBack(e)
		}
		return
	}
	l.of[s.User] = l.list.PushBack(s)
	for first := l.list.Front(); l.list.Len() > bounds.LastSeen || s.At.Sub(first.Value.(Seen).At) >= keep; first = l.list.Front() {
		l.forget(first)
	}
}

func (l *lastSeen) forget(e *list.Element) {
	delete(l.of, l.list.Remove(e).(Seen).User)
}

func (l *lastSeen) get(user string) (at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.of[user]; e != nil {
		at = e.Value.(Seen).At
	}
	return at
}

// take takes up to n out, the longest gone first.
func (l *lastSeen) take(n int) (some []Seen) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(some) < n && l.list.Len() > 0 {
		some = append(some, l.list.Front().Value.(Seen))
		l.forget(l.list.Front())
	}
	if len(l.of) == 0 {
		l.of = nil // and its memory
	}
	return some
}

// Saw notes that a user is here, or was until now.
func (g *Registry) Saw(user string) {
	if g.cfg.LastSeen > 0 {
		g.seen.put(Seen{user, g.cfg.Now()}, g.cfg.LastSeen)
	}
}

// LastSeen is when a user was here last, on any node; zero if that is not known, or was
// longer than Config.LastSeen ago.
func (g *Registry) LastSeen(ctx context.Context, user string) (time.Time, error) {
	if g.cfg.LastSeen == 0 {
		return time.Time{}, nil
	}
	at := g.seen.get(user)
	if g.clustered() {
		stored, err := g.cfg.Store.LastSeen(ctx, user)
		if err != nil {
			return at, fmt.Errorf("presence: last seen: %w", err)
		}
		if stored.After(at) {
			at = stored
		}
	}
	if g.cfg.Now().Sub(at) >= g.cfg.LastSeen {
		return time.Time{}, nil
	}
	return at, nil
}

// seenPerCall bounds one call of Store.Saw.
const seenPerCall = 1000

// tellSeen tells the store when users were here. What it does not take waits for the next
// time.
func (y *syncer) tellSeen(ctx context.Context) {
	for {
		some := y.seen.take(seenPerCall)
		if len(some) == 0 {
			return
		}
		if err := y.cfg.Store.Saw(ctx, some, y.cfg.LastSeen); err != nil {
			for _, s := range some { // which puts them behind what has come since: at the bound these go last
				y.seen.put(s, y.cfg.LastSeen)
			}
			return
		}
	}
}
