// Gaps that wait until this node can take something again.

package delivery

import (
	"sync"
	"sync/atomic"
)

// maxPending bounds the rooms with such gaps.
const maxPending = 10_000

// pendingGaps are those of which the members of rooms have not been told, as the
// shards were too far behind. Any goroutine; one at a time for each room.
type pendingGaps struct {
	rooms atomic.Int64 // length of gaps: there is hardly ever one
	mu    sync.Mutex   // guards gaps
	gaps  map[string][]*gap
}

// tell has the members here told, now or before the next message of the room that
// they get.
func (r *Receiver) tell(g *gap) {
	if !r.tellPending(g.room) {
		r.pending.add(g)
		return
	}
	if _, err := r.cfg.Hub.Publish(g.room, g); err != nil {
		r.pending.add(g)
	}
}

// tellPending returns false if the members of a room have still to be told of gaps.
func (r *Receiver) tellPending(room string) bool {
	if r.pending.rooms.Load() == 0 {
		return true
	}
	for g := r.pending.first(room); g != nil; g = r.pending.first(room) {
		if _, err := r.cfg.Hub.Publish(room, g); err != nil {
			return false
		}
		r.pending.drop(room)
	}
	return true
}

// Pending is the number of rooms with gaps that wait to be told.
func (r *Receiver) Pending() int { return int(r.pending.rooms.Load()) }

func (u *pendingGaps) add(g *gap) {
	u.mu.Lock()
	defer u.mu.Unlock()
	list, known := u.gaps[g.room]
	switch {
	case !known && len(u.gaps) >= maxPending:
		return
	case known && list[len(list)-1].extend(g):
		return
	case u.gaps == nil:
		u.gaps = make(map[string][]*gap)
	}
	u.gaps[g.room] = append(list, g)
	u.rooms.Store(int64(len(u.gaps)))
}

func (u *pendingGaps) first(room string) *gap {
	u.mu.Lock()
	defer u.mu.Unlock()
	if list := u.gaps[room]; len(list) > 0 {
		return list[0]
	}
	return nil
}

// drop forgets a room's first gap.
func (u *pendingGaps) drop(room string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.gaps[room] = u.gaps[room][1:]; len(u.gaps[room]) == 0 {
		delete(u.gaps, room)
		u.rooms.Store(int64(len(u.gaps)))
	}
}
