// Requests of backends: what somebody else answers, a worker or another backend.

package api

import (
	"encoding/json"
	"net/http"
	"time"

	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// requestTime bounds how long a request waits, so that its answer is out before
// writeTimeout.
const requestTime = 50 * time.Second

// errRequests is for more than half of the listener's connections that wait for answers:
// operators need the others.
var errRequests = refusal.Retry(http.StatusServiceUnavailable, "overloaded", "too many requests wait for their answers on this listener", time.Second)

type requestAnswer struct {
	Data  json.RawMessage `json:"data,omitempty"`
	Error *errorBody      `json:"error,omitempty"`
}

// ask handles POST /v1/requests/{method}.
func (a *API) ask(x *exchange, r *http.Request) error {
	q := readParams(r)
	ask := Request{Method: x.param, Room: q.room(), User: q.user(), Redeliver: q.flag("redeliver", "", false), Timeout: requestTime}
	timeout, err := duration("timeout", q.value("timeout", ""), requestTime)
	if q.check(err); timeout > 0 {
		ask.Timeout = timeout
	}
	if q.err != nil {
		return q.err
	}
	if err := wantJSON(r.Header); err != nil {
		return err
	}
	x.body = a.bodies.Get()
	if x.body.B, err = readBody(x.body.B[:0], r, a.cfg.MaxBody, a.tooLarge); err != nil {
		return err
	}
	if len(x.body.B) > 0 {
		if err := a.compactBody(x); err != nil {
			return err
		}
		ask.Data = append(json.RawMessage(nil), x.body.B...) // a worker may be given it late
	}
	select {
	case a.asking <- struct{}{}:
		defer func() { <-a.asking }()
	default:
		return errRequests
	}
	answer, err := a.server.Request(r.Context(), ask)
	switch {
	case r.Context().Err() != nil:
		return r.Context().Err()
	case err != nil:
		return err
	case answer.Code != "":
		return writeJSON(x, http.StatusOK, requestAnswer{Error: &errorBody{Code: answer.Code, Message: answer.Message}})
	}
	return writeJSON(x, http.StatusOK, requestAnswer{Data: answer.Data})
}

// listWorkers handles GET /v1/workers.
func (a *API) listWorkers(x *exchange, r *http.Request) error {
	q := readParams(r)
	limit := q.limit(defaultListed, maxListed)
	if q.err != nil {
		return q.err
	}
	w, err := a.server.Workers(r.Context(), limit)
	if err != nil {
		return err
	}
	for i := range w.Here {
		w.Here[i].Methods = listed(w.Here[i].Methods)
	}
	w.Here, w.Elsewhere = listed(w.Here), listed(w.Elsewhere)
	return writeJSON(x, http.StatusOK, w)
}

func checkMethod(name string) (string, error) {
	normal, err := broker.MethodName(name)
	if err != nil {
		return "", refusal.New(http.StatusBadRequest, "bad_method", "method: "+err.Error())
	}
	return normal, nil
}
