// Questions about users and connections.

package api

import "net/http"

const (
	defaultListed = 100
	maxListed     = 1000
)

type userAnswer struct {
	User        string   `json:"user"`
	Online      bool     `json:"online"`
	Connections int      `json:"connections"`
	Rooms       []string `json:"rooms"`
}

type connectionAnswer struct {
	Conn     string   `json:"conn"`
	User     string   `json:"user,omitempty"`
	Name     string   `json:"name,omitempty"`
	Address  string   `json:"address,omitempty"`
	Protocol string   `json:"protocol"`
	Since    int64    `json:"since"` // milliseconds since the Unix epoch
	Rooms    []string `json:"rooms"`
}

type connectionsAnswer struct {
	Connections []connectionAnswer `json:"connections"`
	Total       int                `json:"total"`
}

type presenceAnswer struct {
	Room        string   `json:"room"`
	Users       []Viewer `json:"users"`
	Total       int      `json:"total"`
	Connections int      `json:"connections"`
}

// showUser handles GET /v1/users/{user}.
func (a *API) showUser(x *exchange, r *http.Request) error {
	u, err := a.server.User(r.Context(), x.param)
	if err != nil {
		return err
	}
	return writeJSON(x, http.StatusOK, userAnswer{
		User: x.param, Online: u.Connections > 0, Connections: u.Connections, Rooms: listed(u.Rooms),
	})
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
	query := ConnectionQuery{User: q.value("user", ""), Room: q.room(), Limit: q.limit(defaultListed, maxListed)}
	if query.User != "" {
		q.check(checkUser(query.User))
	}
	if q.err != nil {
		return q.err
	}
	list, total, err := a.server.Connections(r.Context(), query)
	if err != nil {
		return err
	}
	answer := connectionsAnswer{Connections: make([]connectionAnswer, len(list)), Total: total}
	for i, c := range list {
		answer.Connections[i] = connectionAnswer{
			Conn: c.ID, User: c.User, Name: c.Name, Address: c.Address, Protocol: c.Protocol,
			Since: c.Since.UnixMilli(), Rooms: listed(c.Rooms),
		}
	}
	return writeJSON(x, http.StatusOK, answer)
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
	return writeJSON(x, http.StatusOK, presenceAnswer{
		Room: x.param, Users: listed(p.Users), Total: p.Total, Connections: p.Connections,
	})
}
