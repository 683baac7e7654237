// Settings of single rooms, changed while people are in them.

package edge

import (
	"context"
	"maps"
	"net/http"
	"sync"

	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// maxRoomSettings bounds the rooms with settings of their own.
const maxRoomSettings = 10_000

// RoomSettings are what an operator set for one room, on all nodes.
type RoomSettings struct {
	Muted   bool              `json:"muted,omitempty"`   // only backends may publish
	Quiet   bool              `json:"quiet,omitempty"`   // nobody is told who comes and goes
	History *broker.Retention `json:"history,omitempty"` // what the room remembers from now on; nil: by the server's rules
}

// roomSettings are those of the book, as they are asked for with every message. Any
// goroutine.
type roomSettings struct {
	mu sync.RWMutex // guards m
	m  map[string]RoomSettings
}

func (r *roomSettings) of(room string) RoomSettings {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.m[room]
}

func (r *roomSettings) set(room string, v RoomSettings) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v == (RoomSettings{}) {
		delete(r.m, room)
		return
	}
	if r.m == nil {
		r.m = make(map[string]RoomSettings)
	}
	r.m[room] = v
}

func (r *roomSettings) count() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.m)
}

func (r *roomSettings) all() map[string]RoomSettings {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return maps.Clone(r.m)
}

// RoomSettings returns what was set for a room.
func (s *Server) RoomSettings(room string) RoomSettings { return s.settings.of(room) }

// AllRoomSettings returns the rooms with settings of their own.
func (s *Server) AllRoomSettings() map[string]RoomSettings { return s.settings.all() }

// SetRoomSettings sets them on all nodes; the zero value takes them back.
func (s *Server) SetRoomSettings(ctx context.Context, room string, v RoomSettings) error {
	if err := broker.CheckRoom(room); err != nil {
		return err
	}
	if v.History != nil {
		if err := v.History.Check(); err != nil {
			return refusal.New(http.StatusBadRequest, "invalid_history", "history: "+err.Error())
		}
	}
	if v != (RoomSettings{}) && s.settings.of(room) == (RoomSettings{}) && s.settings.count() >= maxRoomSettings {
		return refusal.New(http.StatusConflict, "too_many_settings", "10000 rooms have settings of their own already")
	}
	return s.order(ctx, &order{Room: room, Settings: &v})
}

// Retention is what a room remembers of what is published from now on. The broker
// asks for every message.
func (s *Server) Retention(room string) broker.Retention {
	if own := s.settings.of(room).History; own != nil {
		return *own
	}
	return s.cfg.History.For(room)
}
