// A broker for which a test says when a room is ready.

package edgetest

import (
	"context"
	"sync"
	"testing"

	"barrage/edge"
	"barrage/internal/broker"
	"barrage/internal/broker/memory"
)

// LateBroker lets a test say when a room is ready, and fail. The rest is a broker
// in memory.
type LateBroker struct {
	broker.Broker
	srv *Server

	mu    sync.Mutex // guards what follows
	ready map[string]bool
	err   error
}

// StartLate is Start with such a broker.
func StartLate(t testing.TB, change func(*edge.Config)) (*Server, *LateBroker) {
	t.Helper()
	b := &LateBroker{ready: make(map[string]bool)}
	b.srv = Start(t, change, func(s *Server) {
		b.Broker = NewMemory(t, s, memory.Config{Rules: broker.DefaultRules()})
		s.SetBroker(b)
	})
	return b.srv, b
}

// Ready has a room's messages come here from now on.
func (b *LateBroker) Ready(room string) {
	b.mu.Lock()
	b.ready[room] = true
	b.mu.Unlock()
	b.srv.Delivery.Ready(room)
}

// Fail has the broker be out of reach, and take nothing from sockets.
func (b *LateBroker) Fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

// Want implements broker.Broker.
func (b *LateBroker) Want(room string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ready[room]
}

// Publish implements broker.Broker.
func (b *LateBroker) Publish(ctx context.Context, p *broker.Publication) (broker.Receipt, error) {
	if err := b.Err(); err != nil {
		return broker.Receipt{}, err
	}
	r, err := b.Broker.Publish(ctx, p)
	r.LocalOnly = true
	return r, err
}

// TryPublish implements broker.Broker.
func (b *LateBroker) TryPublish(p *broker.Publication, done func(broker.Receipt, error)) bool {
	return b.Err() == nil && b.Broker.TryPublish(p, done)
}

// Err implements broker.Broker.
func (b *LateBroker) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}
