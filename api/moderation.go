// Putting users out: of a room, of the server, all of a room.

package api

import (
	"net/http"
)

type kickBody struct {
	User   string `json:"user"`
	Reason string `json:"reason"`
	For    string `json:"for"`
}

type disconnectBody struct {
	Reason    string `json:"reason"`
	Reconnect bool   `json:"reconnect"`
	For       string `json:"for"`
}

type closeBody struct {
	Reason string `json:"reason"`
}

// removedAnswer counts connections of this node; the others do their part.
type removedAnswer struct {
	Connections int `json:"connections"`
}

// kick handles POST /v1/rooms/{room}/kick.
func (a *API) kick(x *exchange, r *http.Request) error {
	var body kickBody
	if err := readCommand(r, &body); err != nil {
		return err
	}
	user, err := checkUser(body.User)
	if err != nil {
		return err
	}
	return a.remove(x, r, Removal{Room: x.param, User: user, Reason: body.Reason}, body.For)
}

// disconnectUser handles POST /v1/users/{user}/disconnect.
func (a *API) disconnectUser(x *exchange, r *http.Request) error {
	var body disconnectBody
	if err := readOption(r, &body); err != nil {
		return err
	}
	return a.remove(x, r, Removal{User: x.param, Reason: body.Reason, Reconnect: body.Reconnect}, body.For)
}

// disconnect handles POST /v1/connections/{conn}/disconnect. Its client comes
// back as another connection: only users can be kept out.
func (a *API) disconnect(x *exchange, r *http.Request) error {
	var body disconnectBody
	if err := readOption(r, &body); err != nil {
		return err
	}
	if body.For != "" {
		return invalid("for", "a connection cannot be kept out; disconnect its user instead")
	}
	return a.remove(x, r, Removal{Conn: x.param, Reason: body.Reason, Reconnect: body.Reconnect}, "")
}

func (a *API) remove(x *exchange, r *http.Request, what Removal, forTime string) (err error) {
	if err := checkPlain("reason", what.Reason, maxReason); err != nil {
		return err
	}
	if what.For, err = duration("for", forTime, maxFor); err != nil {
		return err
	}
	n, err := a.server.Remove(r.Context(), what)
	if err != nil {
		return err
	}
	return writeJSON(x, http.StatusOK, removedAnswer{Connections: n})
}

// closeRoom handles POST /v1/rooms/{room}/close.
func (a *API) closeRoom(x *exchange, r *http.Request) error {
	var body closeBody
	if err := readOption(r, &body); err != nil {
		return err
	}
	if err := checkPlain("reason", body.Reason, maxReason); err != nil {
		return err
	}
	n, err := a.server.CloseRoom(r.Context(), x.param, body.Reason)
	if err != nil {
		return err
	}
	return writeJSON(x, http.StatusOK, removedAnswer{Connections: n})
}
