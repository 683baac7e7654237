// Keys that may be brought instead of tokens: which there are, and revoking one.

package api

import (
	"net/http"
	"time"
)

type keyAnswer struct {
	Key       string   `json:"key"`
	Rooms     []string `json:"rooms"`
	Publish   bool     `json:"publish"`
	Subscribe bool     `json:"subscribe"`
	Get       bool     `json:"get"`
	Serve     []string `json:"serve,omitempty"`
	Origins   []string `json:"origins,omitempty"`
	Rate      float64  `json:"rate"`
	Expires   int64    `json:"expires,omitempty"` // milliseconds since the Unix epoch
	Revoked   bool     `json:"revoked"`
}

type keysAnswer struct {
	Keys []keyAnswer `json:"keys"`
}

type revokeBody struct {
	Reason string `json:"reason"`
}

// listKeys handles GET /v1/keys.
func (a *API) listKeys(x *exchange, r *http.Request) error {
	list, err := a.server.Keys(r.Context())
	if err != nil {
		return err
	}
	answer := keysAnswer{Keys: []keyAnswer{}}
	for _, k := range list {
		answer.Keys = append(answer.Keys, keyAnswer{
			Key: k.Name, Rooms: append([]string{}, k.Rooms...), Publish: k.Publish, Subscribe: k.Subscribe, Get: k.Get, Serve: k.Serve,
			Origins: k.Origins, Rate: k.Rate, Expires: unixMilli(k.Expires), Revoked: k.Revoked,
		})
	}
	return writeJSON(x, http.StatusOK, answer)
}

// unixMilli is 0 for no time.
func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// revokeKey handles POST /v1/keys/{key}/revoke.
func (a *API) revokeKey(x *exchange, r *http.Request) error {
	var body revokeBody
	if err := readOption(r, &body); err != nil {
		return err
	}
	if err := checkPlain("reason", body.Reason, maxReason); err != nil {
		return err
	}
	if err := a.server.RevokeKey(r.Context(), x.param, body.Reason); err != nil {
		return err
	}
	return writeJSON(x, http.StatusOK, doneAnswer{Done: true})
}

// restoreKey handles DELETE /v1/keys/{key}/revoke.
func (a *API) restoreKey(x *exchange, r *http.Request) error {
	if err := a.server.RestoreKey(r.Context(), x.param); err != nil {
		return err
	}
	return writeJSON(x, http.StatusOK, doneAnswer{Done: true})
}

// checkKeyName leaves it to the server which names are a key's: those that are none are
// not found.
func checkKeyName(name string) (string, error) { return name, checkPlain("key", name, maxKeyName) }
