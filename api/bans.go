// Bans: which users and addresses are kept out, and letting them come again.

package api

import (
	"net/http"
	"net/netip"

	"barrage/internal/broker"
)

type banAnswer struct {
	User    string `json:"user,omitempty"`
	Room    string `json:"room,omitempty"`    // left out: the whole server
	Address string `json:"address,omitempty"` // instead of user: a network
	Reason  string `json:"reason,omitempty"`
	Until   int64  `json:"until"` // milliseconds since the Unix epoch
}

func banOf(b *broker.Ban) banAnswer {
	return banAnswer{User: b.User, Room: b.Room, Address: b.Address, Reason: b.Reason, Until: b.Until.UnixMilli()}
}

type banBody struct {
	Address string `json:"address"`
	Reason  string `json:"reason"`
	For     string `json:"for"`
}

type bansAnswer struct {
	Bans  []banAnswer `json:"bans"`
	Total int         `json:"total"`
}

// listBans handles GET /v1/bans. total counts all that match.
func (a *API) listBans(x *exchange, r *http.Request) error {
	q := readParams(r)
	user, room, limit := q.user(), q.room(), q.limit(defaultListed, maxListed)
	address := q.network()
	if q.err != nil {
		return q.err
	}
	list, err := a.server.Bans(r.Context())
	if err != nil {
		return err
	}
	answer := bansAnswer{Bans: []banAnswer{}}
	for _, b := range list {
		if user != "" && b.User != user || room != "" && b.Room != room || address.IsValid() && !covers(b.Address, address) {
			continue
		}
		if answer.Total++; answer.Total <= limit {
			answer.Bans = append(answer.Bans, banOf(&b))
		}
	}
	return writeJSON(x, http.StatusOK, answer)
}

// covers tells whether all of a network is in the one that a ban names, if it names one.
func covers(ban string, network netip.Prefix) bool {
	p, err := netip.ParsePrefix(ban)
	return err == nil && p.Bits() <= network.Bits() && p.Contains(network.Addr())
}

// banAddress handles POST /v1/bans.
func (a *API) banAddress(x *exchange, r *http.Request) error {
	var body banBody
	if err := readCommand(r, &body); err != nil {
		return err
	}
	if _, err := broker.ParseNetwork(body.Address); err != nil {
		return err
	}
	if err := checkPlain("reason", body.Reason, maxReason); err != nil {
		return err
	}
	keep, err := duration("for", body.For, maxFor)
	if err == nil && keep == 0 {
		err = invalid("for", "is missing: how long to keep them out")
	}
	if err != nil {
		return err
	}
	ban, err := a.server.BanAddress(r.Context(), body.Address, body.Reason, keep)
	if err != nil {
		return err
	}
	return writeJSON(x, http.StatusOK, banOf(&ban))
}

// liftAddress handles DELETE /v1/bans?address=.
func (a *API) liftAddress(x *exchange, r *http.Request) error {
	q := readParams(r)
	address := q.value("address", "")
	if _, err := broker.ParseNetwork(address); err != nil {
		q.check(err)
	}
	if q.err != nil {
		return q.err
	}
	if err := a.server.LiftAddress(r.Context(), address); err != nil {
		return err
	}
	return writeJSON(x, http.StatusOK, doneAnswer{Done: true})
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
