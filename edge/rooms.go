// What single rooms cost, added up over the loops.

package edge

import (
	"context"
	"maps"

	"barrage/edge/conn"
	"barrage/fanout"
)

// RoomUsage is what each room of this node has cost since its members came, of those that
// something was said in. It visits all streams, for an operator who asks.
func (s *Server) RoomUsage(ctx context.Context) (map[string]fanout.Usage, error) {
	parts, err := conn.Gather(ctx, s.node.Loops, func(l *conn.Loop) map[string]fanout.Usage {
		rooms := make(map[string]fanout.Usage)
		l.EachUsage(func(room string, u fanout.Usage) { u.Add(rooms[room]); rooms[room] = u })
		return rooms
	})
	all := make(map[string]fanout.Usage)
	for _, part := range parts {
		for room, u := range part {
			u.Add(all[room])
			all[room] = u
		}
	}
	maps.DeleteFunc(all, func(room string, _ fanout.Usage) bool { return !conn.IsPublic(room) })
	return all, err
}
