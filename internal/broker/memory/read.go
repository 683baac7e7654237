// Reading, ending and acknowledging histories.

package memory

import (
	"context"
	"fmt"
	"time"

	"barrage/internal/broker"
)

// enter begins a method: it returns what lock does, or an error and then no lock is
// held.
func (m *Broker) enter(ctx context.Context, method, room string, keep broker.Retention) (*stripe, *history, time.Time, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, time.Time{}, fmt.Errorf("broker: %s: %w", method, err)
	}
	s, h, now := m.lock(room, keep)
	if m.closed.Load() {
		s.mu.Unlock()
		return nil, nil, now, broker.ErrClosed
	}
	return s, h, now, nil
}

// asItIs has a history keep what it keeps.
var asItIs broker.Retention

// History implements broker.Broker.
func (m *Broker) History(ctx context.Context, room string, q broker.Query) (broker.Page, error) {
	defer m.evict() // without the lock, as accept does
	keep := m.cfg.Retention(room)
	s, h, now, err := m.enter(ctx, "history", room, keep)
	if err != nil {
		return broker.Page{}, err
	}
	defer s.mu.Unlock()
	if !keep.On() || h == nil && !q.Begin {
		return broker.Page{Gap: unknown(q.After)}, nil
	}
	begun := h == nil
	if begun {
		h = m.begin(s, room, keep, now)
	}
	h.reads++
	page := h.page(q)
	page.Begun = begun
	return page, nil
}

// Clear implements broker.Broker. Keys of messages that were in the history are
// still remembered.
func (m *Broker) Clear(ctx context.Context, room string) error {
	s, h, _, err := m.enter(ctx, "clear", room, asItIs)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	if h != nil {
		m.drop(s, h)
	}
	return nil
}

// ClearAt implements broker.Broker.
func (m *Broker) ClearAt(ctx context.Context, room string, head broker.Position) (cleared bool, err error) {
	keep := m.cfg.Retention(room)
	s, h, _, err := m.enter(ctx, "clear", room, asItIs)
	if err != nil {
		return false, err
	}
	defer s.mu.Unlock()
	if h == nil || !keep.On() {
		return true, nil
	}
	if h.position() != head {
		return false, nil
	}
	m.drop(s, h)
	return true, nil
}

// Acknowledge implements broker.Broker. A position that is not in the present
// history, of another epoch or ahead of its head, is ignored.
func (m *Broker) Acknowledge(ctx context.Context, room string, pos broker.Position) error {
	s, h, _, err := m.enter(ctx, "acknowledge", room, asItIs)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	if h != nil && h.epoch == pos.Epoch && pos.Offset <= h.head {
		h.acked = max(h.acked, pos.Offset)
		h.settle()
	}
	return nil
}

// Acknowledged implements broker.Broker.
func (m *Broker) Acknowledged(ctx context.Context, room string) (broker.Position, error) {
	s, h, _, err := m.enter(ctx, "acknowledged", room, asItIs)
	if err != nil {
		return broker.Position{}, err
	}
	defer s.mu.Unlock()
	if h == nil || h.acked == 0 {
		return broker.Position{}, nil
	}
	return broker.Position{Epoch: h.epoch, Offset: h.acked}, nil
}

// Unread implements broker.Broker.
func (m *Broker) Unread(ctx context.Context, room string) (bool, error) {
	s, h, _, err := m.enter(ctx, "unread", room, asItIs)
	if err != nil {
		return false, err
	}
	defer s.mu.Unlock()
	return h != nil && h.head > h.acked, nil
}
