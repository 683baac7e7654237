package api

// This file answers questions about rooms.

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	defaultRoomLimit = 100
	maxRoomLimit     = 1000
)

type roomAnswer struct {
	Room    string  `json:"room"`
	Members int     `json:"members"`
	Rate    float64 `json:"rate"`
}

type roomsAnswer struct {
	Rooms []roomAnswer `json:"rooms"`
	Total int          `json:"total"`
}

// showRoom handles GET /v1/rooms/{room}.
func (a *API) showRoom(x *exchange, room string) error {
	if err := a.checkRoom(room); err != nil {
		return err
	}
	members, rate, ok := a.server.Room(room)
	if !ok {
		return &failure{http.StatusNotFound, "room_not_found", "room: nobody is in this room"}
	}
	return writeJSON(x, http.StatusOK, roomAnswer{Room: room, Members: members, Rate: roundRate(rate)})
}

// listRooms handles GET /v1/rooms: the fullest first, then by name. total
// counts all that match the prefix.
func (a *API) listRooms(x *exchange, r *http.Request) error {
	query := r.URL.Query()
	limit, err := roomLimit(query.Get("limit"))
	if err != nil {
		return err
	}
	prefix := query.Get("prefix")
	top := topRooms{limit: limit, rooms: make([]roomAnswer, 0, min(2*limit, 256))}
	total := 0
	a.server.EachRoom(func(name string, members int, rate float64) bool {
		if strings.HasPrefix(name, prefix) {
			total++
			top.add(roomAnswer{Room: name, Members: members, Rate: roundRate(rate)})
		}
		return true
	})
	return writeJSON(x, http.StatusOK, roomsAnswer{Rooms: top.sorted(), Total: total})
}

func roomLimit(s string) (int, error) {
	if s == "" {
		return defaultRoomLimit, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxRoomLimit {
		return 0, &failure{http.StatusBadRequest, "invalid_limit", fmt.Sprintf("limit: must be a number from 1 to %d", maxRoomLimit)}
	}
	return n, nil
}

// topRooms keeps the fullest rooms out of any number: it gathers up to twice its
// limit and then drops the lesser half.
type topRooms struct {
	limit int
	rooms []roomAnswer
}

func (t *topRooms) add(room roomAnswer) {
	if len(t.rooms) == 2*t.limit {
		t.rooms = t.sorted()
	}
	t.rooms = append(t.rooms, room)
}

func (t *topRooms) sorted() []roomAnswer {
	slices.SortFunc(t.rooms, func(a, b roomAnswer) int {
		return cmp.Or(cmp.Compare(b.Members, a.Members), cmp.Compare(a.Room, b.Room))
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
