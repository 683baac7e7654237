// Late rooms: those whose members were let in before the broker brought their
// messages here.

package edge

import (
	"sync"

	"barrage/edge/broker"
)

// maxLateRooms bounds what an outage leaves behind.
const maxLateRooms = 10_000

// lateRooms are rooms in which a join was carried out although the broker was not
// ready: between the history that the member was given and the first message that
// it brings there may be others. Any goroutine.
type lateRooms struct {
	mu    sync.Mutex // guards rooms
	rooms map[string]bool
}

func (l *lateRooms) note(room string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rooms == nil {
		l.rooms = make(map[string]bool)
	}
	if len(l.rooms) < maxLateRooms {
		l.rooms[room] = true
	}
}

// take tells whether a room is one of them, once.
func (l *lateRooms) take(room string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	late := l.rooms[room]
	delete(l.rooms, room)
	return late
}

// tellLate tells the members of such a room, now that its messages come, that they
// may miss what was published before. Who has the history to its head is not told.
func (s *Server) tellLate(room string) {
	ok := s.fetcher.get(room, broker.Query{Limit: 1}, func(page broker.Page, err error) {
		switch {
		case err != nil:
			s.late.note(room)
		case page.Head.Offset > 0:
			s.Lost(room, broker.Gap{Epoch: page.Head.Epoch, From: 1, To: page.Head.Offset, Reason: broker.GapTrimmed})
		}
	})
	if !ok {
		s.late.note(room)
	}
}
