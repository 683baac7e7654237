// Reading, ending and acknowledging histories in memory.

package memory

import (
	"context"
	"fmt"

	"barrage/internal/broker"
)

// History implements Broker. Where a room may keep messages but has no history,
// one begins here, so that its epoch is known before its first message.
func (m *Broker) History(ctx context.Context, room string, q broker.Query) (broker.Page, error) {
	if err := ctx.Err(); err != nil {
		return broker.Page{}, fmt.Errorf("broker: history: %w", err)
	}
	page, err := m.historyIn(m.stripe(room), room, q)
	m.evict() // without the lock, as publish does
	return page, err
}

func (m *Broker) historyIn(s *stripe, room string, q broker.Query) (broker.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.closed.Load() {
		return broker.Page{}, broker.ErrClosed
	}
	h := m.open(s, room, m.age(m.cfg.Now()))
	if h == nil {
		return broker.Page{Gap: unknown(q.After)}, nil
	}
	return h.page(q), nil
}

// Clear implements Broker. Keys of messages that were in the history are still
// remembered.
func (m *Broker) Clear(ctx context.Context, room string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("broker: clear: %w", err)
	}
	s := m.stripe(room)
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.closed.Load() {
		return broker.ErrClosed
	}
	if h := s.rooms.Get(room); h != nil {
		m.drop(s, h)
	}
	return nil
}

// ClearAt implements Broker.
func (m *Broker) ClearAt(ctx context.Context, room string, head broker.Position) (cleared bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, fmt.Errorf("broker: clear: %w", err)
	}
	keep := m.cfg.Retention(room)
	s := m.stripe(room)
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.closed.Load() {
		return false, broker.ErrClosed
	}
	h := s.rooms.Get(room)
	if h == nil || !keep.On() {
		return true, nil
	}
	if (broker.Position{Epoch: h.epoch, Offset: h.head}) != head {
		return false, nil
	}
	m.drop(s, h)
	return true, nil
}

// Acknowledge implements Broker. A position that is not in the present history,
// of another epoch or ahead of its head, is ignored.
func (m *Broker) Acknowledge(ctx context.Context, room string, pos broker.Position) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("broker: acknowledge: %w", err)
	}
	s := m.stripe(room)
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.closed.Load() {
		return broker.ErrClosed
	}
	if h := m.find(s, room, m.age(m.cfg.Now())); h != nil && h.epoch == pos.Epoch && pos.Offset <= h.head {
		h.acked = max(h.acked, pos.Offset)
	}
	return nil
}

// Acknowledged implements Broker.
func (m *Broker) Acknowledged(ctx context.Context, room string) (broker.Position, error) {
	if err := ctx.Err(); err != nil {
		return broker.Position{}, fmt.Errorf("broker: acknowledged: %w", err)
	}
	s := m.stripe(room)
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.closed.Load() {
		return broker.Position{}, broker.ErrClosed
	}
	if h := m.find(s, room, m.age(m.cfg.Now())); h != nil && h.acked > 0 {
		return broker.Position{Epoch: h.epoch, Offset: h.acked}, nil
	}
	return broker.Position{}, nil
}

// Unread implements Broker.
func (m *Broker) Unread(ctx context.Context, room string) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, fmt.Errorf("broker: unread: %w", err)
	}
	s := m.stripe(room)
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.closed.Load() {
		return false, broker.ErrClosed
	}
	h := m.find(s, room, m.age(m.cfg.Now()))
	return h != nil && h.head > h.acked, nil
}
