package redisbridge

// Whether the bridge works, as the end-to-end probe sees it, and the prober
// goroutine.

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"barrage/internal/broker"
)

// deafFactor: a link that still hears other messages, but none of our probes,
// is given this many probe timeouts before it is cut. It may be working off a
// backlog; or it may be held by a server that is no longer the one we publish
// to, and will not get better.
const deafFactor = 5

var errDeaf = errors.New("redisbridge: probes are published but do not come back")

// health is the verdict of the probe. Lock order: health, then interest.
type health struct {
	mu    sync.Mutex
	up    bool
	back  time.Duration // when the newest returned probe was sent; 0: none yet
	rtt   time.Duration
	cause error // the last failure since then

	// usable is up and no publish has failed since a probe last came back. The
	// publishers' view: after one timeout they need not try another each.
	usable atomic.Bool
}

// blame notes why things may not be working.
func (h *health) blame(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cause = err
}

// Err is nil while the bridge is healthy, and otherwise wraps
// broker.ErrUnavailable (or is broker.ErrClosed) and says why. Any goroutine may call it.
func (b *Bridge) Err() error {
	if b.ctx.Err() != nil {
		return broker.ErrClosed
	}
	h := &b.health
	h.mu.Lock()
	up, back, cause := h.up, h.back, h.cause
	h.mu.Unlock()
	age := b.now() - back
	if up && age <= b.cfg.ProbeTimeout {
		if err := b.writes.err(); err != nil {
			return err
		}
		return b.orphanErr()
	}
	since := "no probe has come back yet"
	if back != 0 {
		since = fmt.Sprintf("no probe came back for %v", age.Round(time.Millisecond))
	}
	if cause == nil {
		return fmt.Errorf("redis: %w: %s", broker.ErrUnavailable, since)
	}
	return fmt.Errorf("redis: %w: %s: %w", broker.ErrUnavailable, since, cause)
}

// probeBack is called by the reader. A probe counts from when it was sent: one
// that was stuck for long says nothing about now.
func (b *Bridge) probeBack(l *link, payload string) {
	rest, ours := strings.CutPrefix(payload, b.instance)
	sent, err := strconv.ParseInt(rest, 10, 64)
	if !ours || err != nil {
		b.count.foreign.Add(1)
		return
	}
	l.proven = true
	now, at := b.now(), time.Duration(sent)
	h := &b.health
	h.mu.Lock()
	defer h.mu.Unlock()
	if at <= h.back || now-at > b.cfg.ProbeTimeout {
		return
	}
	h.back, h.rtt, h.cause = at, now-at, nil
	h.usable.Store(true)
	if !h.up {
		h.up = true
		b.rooms.setUp(true)
		b.log.Info("redis bridge is up", "probe", h.rtt)
	}
}

// goDown is called by the prober (and by Close) and releases those who wait for
// a room. Unless force, it does nothing if a probe came back in the meantime.
func (b *Bridge) goDown(force bool) {
	h := &b.health
	h.mu.Lock()
	if !force && (!h.up || b.now()-h.back <= b.cfg.ProbeTimeout) {
		h.mu.Unlock()
		return
	}
	h.up = false
	h.usable.Store(false)
	cause := h.cause
	release := b.rooms.setUp(false)
	h.mu.Unlock()
	if !force {
		b.log.Warn("redis bridge is down: probes do not come back", "cause", cause)
	}
	for _, room := range release {
		b.ready(room)
	}
}

// failed notes a publish that did not get through.
func (b *Bridge) failed(err error) {
	b.health.blame(err)
	b.client.reload()
	// In a cluster it is one of several masters, and the others go on.
	if isNetworkError(err) && b.address.kind != cluster {
		b.health.usable.Store(false)
		signal(b.probeNow) // a passing failure should not cost a whole interval
	}
}

// A watch is the prober's view of the present link.
type watch struct {
	link       *link
	unanswered time.Duration // when the oldest acknowledged, not returned probe was sent; 0: none
	heard      uint64        // what the reader had heard
	heardAt    time.Duration // when that last changed
}

// probe is the prober goroutine.
func (b *Bridge) probe() {
	timer := time.NewTimer(b.cfg.ProbeInterval)
	defer timer.Stop()
	var w watch
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-timer.C:
		case <-b.probeNow:
		}
		b.goDown(false) // first: the probe may take as long as Timeout
		sent := b.now()
		err := b.sendProbe(sent)
		b.goDown(false)
		b.judge(&w, sent, err == nil)
		b.inflight.age(b.now(), b.health.usable.Load())
		timer.Reset(b.cfg.ProbeInterval)
	}
}

func (b *Bridge) sendProbe(sent time.Duration) error {
	ctx, cancel := context.WithTimeout(b.ctx, b.cfg.Timeout)
	defer cancel()
	payload := strconv.AppendInt([]byte(b.instance), int64(sent), 10)
	err := b.client.probe(ctx, b.probeChannel, payload)
	if err != nil && b.ctx.Err() == nil {
		b.client.reload()
		b.health.blame(err)
		b.health.usable.Store(false)
	}
	return err
}

// judge cuts a link that is deaf. Only probes that Redis acknowledged count: as
// long as it is frozen or out of reach a new connection would be no better, and
// the present one still gets what was sent to it once Redis thaws.
func (b *Bridge) judge(w *watch, sent time.Duration, acknowledged bool) {
	l := b.link.Load()
	if l != w.link {
		*w = watch{link: l, heardAt: sent}
	}
	if l == nil {
		return
	}
	now := b.now()
	if heard := b.count.heard.Load(); heard != w.heard {
		w.heard, w.heardAt = heard, now
	}
	b.health.mu.Lock()
	back := b.health.back
	b.health.mu.Unlock()
	if back >= w.unanswered {
		w.unanswered = 0
	}
	if w.unanswered == 0 {
		if acknowledged && back < sent {
			w.unanswered = sent
		}
		return
	}
	deaf, silent := now-w.unanswered, now-w.heardAt
	if (deaf > b.cfg.ProbeTimeout && silent > b.cfg.ProbeTimeout) || deaf > deafFactor*b.cfg.ProbeTimeout {
		l.cut(errDeaf)
	}
}
