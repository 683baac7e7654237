// Questions about rooms.

package api

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"strings"

	"barrage/internal/broker"
	"barrage/internal/refusal"
)

type roomAnswer struct {
	Room    string  `json:"room"`
	Members int     `json:"members"`
	Rate    float64 `json:"rate"`
}

// rankedRoom is a room in a list by what rooms cost.
type rankedRoom struct {
	roomAnswer
	Bytes   *uint64 `json:"bytes,omitempty"` // since its members came; both are left out if nobody asked
	Skipped *uint64 `json:"skipped,omitempty"`
}

type roomsAnswer struct {
	Rooms []rankedRoom `json:"rooms"`
	Total int          `json:"total"`
}

// roomDetails begins with what the list of rooms shows.
type roomDetails struct {
	roomAnswer
	Cluster   *Audience      `json:"cluster,omitempty"` // left out while it cannot be told
	Epoch     string         `json:"epoch,omitempty"`
	Offset    *uint64        `json:"offset,omitempty"` // of the history's head; with epoch
	Retention *retentionBody `json:"retention,omitempty"`
}

// showRoom handles GET /v1/rooms/{room}.
func (a *API) showRoom(x *exchange, r *http.Request) error {
	room, ok, err := a.server.Room(r.Context(), x.param)
	if err != nil {
		return err
	}
	if !ok {
		return refusal.New(http.StatusNotFound, "room_not_found", "room: nobody is in this room")
	}
	answer := roomDetails{
		roomAnswer: roomAnswer{Room: x.param, Members: room.Members, Rate: roundRate(room.Rate)},
		Cluster:    room.Cluster,
	}
	if room.Head.Epoch != "" {
		answer.Epoch, answer.Offset = room.Head.Epoch, &room.Head.Offset
	}
	if room.Retention.On() {
		answer.Retention = showRetention(&room.Retention)
	}
	return writeJSON(x, http.StatusOK, answer)
}

// orders are what the list of rooms can be by: the larger first.
var orders = map[string]func(a, b rankedRoom) int{
	"members": func(a, b rankedRoom) int { return cmp.Compare(a.Members, b.Members) },
	"rate":    func(a, b rankedRoom) int { return cmp.Compare(a.Rate, b.Rate) },
	"bytes":   func(a, b rankedRoom) int { return cmp.Compare(*a.Bytes, *b.Bytes) },
	"skipped": func(a, b rankedRoom) int { return cmp.Compare(*a.Skipped, *b.Skipped) },
}

// listRooms handles GET /v1/rooms: those with most of what is asked for first, then by
// members and name. total counts all that match the prefix.
func (a *API) listRooms(x *exchange, r *http.Request) error {
	q := readParams(r)
	by, prefix, limit := q.value("by", ""), broker.Normal(q.value("prefix", "")), q.limit(defaultListed, maxListed)
	if by != "" && orders[by] == nil {
		q.fail("by", "must be members, rate, bytes or skipped")
	}
	if q.err != nil {
		return q.err
	}
	var costs map[string]RoomCost
	if by != "" {
		var err error
		if costs, err = a.server.RoomCosts(r.Context()); err != nil {
			return err
		}
	}
	top := topRooms{limit: limit, by: orders[cmp.Or(by, "members")], rooms: make([]rankedRoom, 0, min(2*limit, 256))}
	total := 0
	a.server.EachRoom(func(name string, members int, rate float64) bool {
		if !strings.HasPrefix(name, prefix) {
			return true
		}
		total++
		room := rankedRoom{roomAnswer: roomAnswer{Room: name, Members: members, Rate: roundRate(rate)}}
		if by != "" {
			cost := costs[name]
			room.Bytes, room.Skipped = &cost.Bytes, &cost.Skipped
		}
		top.add(room)
		return true
	})
	return writeJSON(x, http.StatusOK, roomsAnswer{Rooms: top.sorted(), Total: total})
}

// topRooms keeps the first rooms of an order out of any number: it gathers up to twice
// its limit and then drops the lesser half.
type topRooms struct {
	limit int
	by    func(a, b rankedRoom) int
	rooms []rankedRoom
}

func (t *topRooms) add(room rankedRoom) {
	if len(t.rooms) == 2*t.limit {
		t.rooms = t.sorted()
	}
	t.rooms = append(t.rooms, room)
}

func (t *topRooms) sorted() []rankedRoom {
	slices.SortFunc(t.rooms, func(a, b rankedRoom) int {
		return cmp.Or(t.by(b, a), cmp.Compare(b.Members, a.Members), cmp.Compare(a.Room, b.Room))
	})
	return t.rooms[:min(len(t.rooms), t.limit)]
}

// roundRate gives a rate two decimals, and JSON a number it can hold.
func roundRate(rate float64) float64 {
	if math.IsNaN(rate) || math.IsInf(rate, 0) {
		return 0
	}
	return math.Round(rate*100) / 100
}
