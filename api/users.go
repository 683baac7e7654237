// Questions about users and connections.

package api

import (
	"net/http"

	"barrage/internal/broker"
)

const (
	defaultListed = 100
	maxListed     = 1000
)

type userAnswer struct {
	User        string   `json:"user"`
	Online      bool     `json:"online"`
	Connections int      `json:"connections"`
	Rooms       []string `json:"rooms"`
	LastSeen    int64    `json:"last_seen,omitempty"` // milliseconds since the Unix epoch
}

type connectionsAnswer struct {
	Connections []broker.Connection `json:"connections"`
	Total       int                 `json:"total"`
}

type presenceAnswer struct {
	Room string `json:"room"`
	Presence
}

// showUser handles GET /v1/users/{user}.
func (a *API) showUser(x *exchange, r *http.Request) error {
	u, err := a.server.User(r.Context(), x.param)
	if err != nil {
		return err
	}
	answer := userAnswer{User: x.param, Online: u.Connections > 0, Connections: u.Connections, Rooms: listed(u.Rooms)}
	if !u.LastSeen.IsZero() {
		answer.LastSeen = u.LastSeen.UnixMilli()
	}
	return writeJSON(x, http.StatusOK, answer)
}

// listed makes an empty list one that JSON shows as [].
func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// listConnections handles GET /v1/connections.
func (a *API) listConnections(x *exchange, r *http.Request) error {
	q := readParams(r)
	user, room, limit := q.user(), q.room(), q.limit(defaultListed, maxListed)
	if q.err != nil {
		return q.err
	}
	list, total, err := a.server.Connections(r.Context(), user, room, limit)
	if err != nil {
		return err
	}
	for i := range list {
		list[i].Rooms = listed(list[i].Rooms)
	}
	return writeJSON(x, http.StatusOK, connectionsAnswer{Connections: listed(list), Total: total})
}

// presence handles GET /v1/rooms/{room}/members.
func (a *API) presence(x *exchange, r *http.Request) error {
	q := readParams(r)
	limit := q.limit(defaultListed, maxListed)
	if q.err != nil {
		return q.err
	}
	p, err := a.server.Presence(r.Context(), x.param, limit)
	if err != nil {
		return err
	}
	p.Users = listed(p.Users)
	return writeJSON(x, http.StatusOK, presenceAnswer{x.param, p})
}
