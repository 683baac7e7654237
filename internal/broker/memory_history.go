// Reading, ending and acknowledging histories in memory.

package broker

import (
	"context"
	"fmt"
)

// History implements Broker. Where a room may keep messages but has no history,
// one begins here, so that its epoch is known before its first message.
func (m *Memory) History(ctx context.Context, room string, q Query) (Page, error) {
	if err := ctx.Err(); err != nil {
		return Page{}, fmt.Errorf("broker: history: %w", err)
	}
	page, err := m.historyIn(m.stripe(room), room, q)
	m.evict() // without the lock, as publish does
	return page, err
}

func (m *Memory) historyIn(s *stripe, room string, q Query) (Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.closed.Load() {
		return Page{}, ErrClosed
	}
	h := m.open(s, room, m.age(m.cfg.Now()))
	if h == nil {
		return Page{Gap: unknown(q.After)}, nil
	}
	return h.page(q), nil
}

// Clear implements Broker. Keys of messages that were in the history are still
// remembered.
func (m *Memory) Clear(ctx context.Context, room string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("broker: clear: %w", err)
	}
	s := m.stripe(room)
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.closed.Load() {
		return ErrClosed
	}
	if h := s.rooms.Get(room); h != nil {
		m.drop(s, h)
	}
	return nil
}

// ClearAt implements Broker.
func (m *Memory) ClearAt(ctx context.Context, room string, head Position) (cleared bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, fmt.Errorf("broker: clear: %w", err)
	}
	keep := m.cfg.Retention(room)
	s := m.stripe(room)
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.closed.Load() {
		return false, ErrClosed
	}
	h := s.rooms.Get(room)
	if h == nil || !keep.On() {
		return true, nil
	}
	if (Position{h.epoch, h.head}) != head {
		return false, nil
	}
	m.drop(s, h)
	return true, nil
}

// Acknowledge implements Broker. A position that is not in the present history,
// of another epoch or ahead of its head, is ignored.
func (m *Memory) Acknowledge(ctx context.Context, room string, pos Position) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("broker: acknowledge: %w", err)
	}
	s := m.stripe(room)
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.closed.Load() {
		return ErrClosed
	}
	if h := m.find(s, room, m.age(m.cfg.Now())); h != nil && h.epoch == pos.Epoch && pos.Offset <= h.head {
		h.acked = max(h.acked, pos.Offset)
	}
	return nil
}

// Acknowledged implements Broker.
func (m *Memory) Acknowledged(ctx context.Context, room string) (Position, error) {
	if err := ctx.Err(); err != nil {
		return Position{}, fmt.Errorf("broker: acknowledged: %w", err)
	}
	s := m.stripe(room)
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.closed.Load() {
		return Position{}, ErrClosed
	}
	if h := m.find(s, room, m.age(m.cfg.Now())); h != nil && h.acked > 0 {
		return Position{h.epoch, h.acked}, nil
	}
	return Position{}, nil
}

// Unread implements Broker.
func (m *Memory) Unread(ctx context.Context, room string) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, fmt.Errorf("broker: unread: %w", err)
	}
	s := m.stripe(room)
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.closed.Load() {
		return false, ErrClosed
	}
	h := m.find(s, room, m.age(m.cfg.Now()))
	return h != nil && h.head > h.acked, nil
}
