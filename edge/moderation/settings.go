// Settings of single rooms, changed while people are in them.

package moderation

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"sync"

	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// settings are those of the replica, as they are asked for with every message. Any
// goroutine.
type settings struct {
	mu sync.RWMutex // guards m
	m  map[string]broker.RoomSettings
}

func (s *settings) of(room string) broker.RoomSettings {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.m[room]
}

func (s *settings) set(room string, v broker.RoomSettings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v == (broker.RoomSettings{}) {
		delete(s.m, room)
		return
	}
	if s.m == nil {
		s.m = make(map[string]broker.RoomSettings)
	}
	s.m[room] = v
}

func (s *settings) count() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.m)
}

func (s *settings) all() map[string]broker.RoomSettings {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.m)
}

// RoomSettings returns what was set for a room, the zero value if nothing was.
func (m *Moderation) RoomSettings(room string) broker.RoomSettings { return m.settings.of(room) }

// AllRoomSettings returns the rooms with settings of their own.
func (m *Moderation) AllRoomSettings() map[string]broker.RoomSettings { return m.settings.all() }

// SetRoomSettings sets them on all nodes; the zero value takes them back.
func (m *Moderation) SetRoomSettings(ctx context.Context, room string, v broker.RoomSettings) error {
	room, err := broker.RoomName(room)
	if err != nil {
		return err
	}
	if v.History != nil {
		if err := v.History.Check(); err != nil {
			return refusal.New(http.StatusBadRequest, "invalid_history", "history: "+err.Error())
		}
	}
	if err := broker.CheckTarget(v.Rate); err != nil {
		return refusal.New(http.StatusBadRequest, "invalid_target_rate", "target_rate: "+err.Error())
	}
	none := broker.RoomSettings{}
	if v != none && m.settings.of(room) == none && m.settings.count() >= bounds.RoomSettings {
		return refusal.New(http.StatusConflict, "too_many_settings", fmt.Sprintf("%d rooms have settings of their own already", bounds.RoomSettings))
	}
	return m.give(ctx, &order{Room: room, Settings: &v})
}
