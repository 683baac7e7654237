// Bans: which users are kept out, and letting them come again.

package api

import (
	"net/http"
)

type banAnswer struct {
	User   string `json:"user"`
	Room   string `json:"room,omitempty"` // left out: the whole server
	Reason string `json:"reason,omitempty"`
	Until  int64  `json:"until"` // milliseconds since the Unix epoch
}

type bansAnswer struct {
	Bans  []banAnswer `json:"bans"`
	Total int         `json:"total"`
}

// listBans handles GET /v1/bans. total counts all that match.
func (a *API) listBans(x *exchange, r *http.Request) error {
	q := readParams(r)
	user, room, limit := q.user(), q.room(), q.limit(defaultListed, maxListed)
	if q.err != nil {
		return q.err
	}
	list, err := a.server.Bans(r.Context())
	if err != nil {
		return err
	}
	answer := bansAnswer{Bans: []banAnswer{}}
	for _, b := range list {
		if user != "" && b.User != user || room != "" && b.Room != room {
			continue
		}
		if answer.Total++; answer.Total <= limit {
			answer.Bans = append(answer.Bans, banAnswer{User: b.User, Room: b.Room, Reason: b.Reason, Until: b.Until.UnixMilli()})
		}
	}
	return writeJSON(x, http.StatusOK, answer)
}

// lift handles DELETE /v1/bans/{user}: of one room if that is named, else of the
// whole server.
func (a *API) lift(x *exchange, r *http.Request) error {
	q := readParams(r)
	room := q.room()
	if q.err != nil {
		return q.err
	}
	if err := a.server.Lift(r.Context(), x.param, room); err != nil {
		return err
	}
	return writeJSON(x, http.StatusOK, doneAnswer{Done: true})
}
