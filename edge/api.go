// What the HTTP API asks, beside publishing (publish.go), orders (control.go,
// standing.go) and connections (inspect.go).

package edge

import (
	"context"
	"errors"
	"net/http"
	"time"

	"barrage/edge/presence"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// Room returns a room's local members and its messages a second; ok is false if
// nobody is there.
func (s *Server) Room(name string) (members int, rate float64, ok bool) { return s.hub.Room(name) }

// EachRoom calls f for every room with members until it returns false.
func (s *Server) EachRoom(f func(name string, members int, rate float64) bool) {
	s.hub.EachRoom(func(name string, members int, rate float64) bool {
		return !isPublicName(name) || f(name, members, rate)
	})
}

// History reads a part of a room's history.
func (s *Server) History(ctx context.Context, room string, q broker.Query) (broker.Page, error) {
	page, err := readHistory(ctx, s.broker, room, q)
	if err != nil {
		return page, brokerError(err)
	}
	return page, nil
}

// Clear forgets a room's history.
func (s *Server) Clear(ctx context.Context, room string) error {
	if err := s.broker.Clear(ctx, room); err != nil {
		return brokerError(err)
	}
	return nil
}

// Registry knows who is where.
func (s *Server) Registry() *presence.Registry { return s.presence }

// Unready returns the reasons why traffic should go elsewhere; none means ready.
func (s *Server) Unready() []string {
	var why []string
	if s.draining.Load() {
		why = append(why, "draining")
	}
	if err := s.broker.Err(); err != nil {
		why = append(why, err.Error())
	}
	if !s.book.Read() {
		why = append(why, "who must stay out, and the settings of rooms, could not be read yet")
	}
	return why
}

// brokerError is a broker's error as a refusal.
func brokerError(err error) error {
	if errors.Is(err, broker.ErrOverloaded) {
		return refusal.Retry(http.StatusServiceUnavailable, "overloaded", "the server is too far behind its input", time.Second)
	}
	return refusal.Retry(http.StatusServiceUnavailable, "unavailable", "the store of messages did not take it: "+err.Error(), time.Second)
}
