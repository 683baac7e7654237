// Settings of single rooms, changed while people are in them.

package edge

import (
	"context"
	"sync"
)

// maxRoomSettings bounds the rooms with settings of their own.
const maxRoomSettings = 10_000

// RoomSettings are what an operator set for one room. All nodes that run hear of
// it; one that starts later does not know.
type RoomSettings struct {
	Muted bool `json:"muted,omitempty"` // only backends may publish
	Quiet bool `json:"quiet,omitempty"` // nobody is told who comes and goes
}

// roomSettings is the node's memory of them. Any goroutine.
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
	if _, known := r.m[room]; !known && len(r.m) >= maxRoomSettings {
		return // SetRoomSettings of this node has refused; another's is bounded here
	}
	if r.m == nil {
		r.m = make(map[string]RoomSettings)
	}
	r.m[room] = v
}

func (r *roomSettings) full(room string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, known := r.m[room]
	return !known && len(r.m) >= maxRoomSettings
}

// RoomSettings returns what was set for a room.
func (s *Server) RoomSettings(room string) RoomSettings { return s.settings.of(room) }

// SetRoomSettings sets them on all nodes; the zero value takes them back.
func (s *Server) SetRoomSettings(ctx context.Context, room string, v RoomSettings) error {
	if err := CheckRoom(room); err != nil {
		return err
	}
	if v != (RoomSettings{}) && s.settings.full(room) {
		return refuse(409, "too_many_settings", "10000 rooms have settings of their own already")
	}
	return s.order(ctx, &order{Room: room, Settings: &v})
}
