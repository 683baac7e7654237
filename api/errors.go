package api

// This file holds the errors a client can see, and how any error becomes an
// answer.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
)

// failure is an error with its answer. Codes are part of the interface.
type failure struct {
	status  int
	code    string
	message string
}

func (f *failure) Error() string   { return f.message }
func (f *failure) HTTPStatus() int { return f.status }
func (f *failure) Code() string    { return f.code }

// coded is what an error of the Server may implement to choose its answer.
type coded interface {
	error
	HTTPStatus() int
	Code() string
}

// statusClientGone is nginx's number for a client that left before its answer;
// it is counted, never sent.
const statusClientGone = 499

var (
	errUnauthorized = &failure{http.StatusUnauthorized, "unauthorized", "this path needs the header \"Authorization: Bearer TOKEN\" with the server's admin_token"}
	errNoPath       = &failure{http.StatusNotFound, "not_found", "there is nothing at this path"}
	errCrossOrigin  = &failure{http.StatusForbidden, "cross_origin", "a browser sent this from another site; only backends may"}
	errPanic        = &failure{http.StatusInternalServerError, "internal", "the server failed at this request; its log says why"}
	errClientGone   = &failure{statusClientGone, "client_gone", "the client closed the connection"}
)

// answerFor finds the answer to err; internal says that err itself is for the
// log, not for the client.
func answerFor(r *http.Request, err error) (f *failure, internal bool) {
	var c coded
	if errors.As(err, &c) && c.HTTPStatus() >= 400 && c.HTTPStatus() <= 599 {
		return &failure{c.HTTPStatus(), c.Code(), err.Error()}, false
	}
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return errClientGone, false
	}
	return errPanic, true
}

// fail answers a request that ended in err.
func (a *API) fail(x *exchange, r *http.Request, route route, err error) {
	f, internal := answerFor(r, err)
	if internal {
		a.cfg.Logger.Error("HTTP request failed", slog.String("route", routes[route].label), slog.Any("error", err))
	}
	if f == errClientGone {
		x.status = statusClientGone
		return
	}
	if f.status == http.StatusServiceUnavailable || f.status == http.StatusTooManyRequests {
		x.Header().Set("Retry-After", "1")
	}
	answer := errorAnswer{Error: errorBody{Code: f.code, Message: f.message}}
	if err := writeJSON(x, f.status, answer); err != nil {
		a.cfg.Logger.Error("HTTP error answer failed", slog.Any("error", err))
	}
}

type errorAnswer struct {
	Error errorBody `json:"error"`
}

type errorBody struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Header values shared by all answers; net/http only reads them.
var (
	jsonType  = []string{"application/json"}
	noStore   = []string{"no-store"}
	noSniff   = []string{"nosniff"}
	challenge = []string{`Bearer realm="barrage"`}
)

// writeJSON answers with v. It fails only if v cannot be encoded; a client that
// went away meanwhile is net/http's to notice.
func writeJSON(x *exchange, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("api: encoding an answer: %w", err)
	}
	writeBody(x, status, append(body, '\n'))
	return nil
}

func writeBody(x *exchange, status int, body []byte) {
	h := x.Header()
	h["Content-Type"] = jsonType
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = noSniff
	x.WriteHeader(status)
	// The only error is a client that is gone: nobody is left to tell.
	_, _ = x.Write(body)
}
