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
	"strconv"
	"time"

	"barrage/internal/broker"
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

// coded is what an error of the Server implements to choose its answer.
type coded interface {
	error
	HTTPStatus() int
	Code() string
}

// statusClientGone is nginx's number for a client that left before its answer;
// it is counted, never sent.
const statusClientGone = 499

var (
	errUnauthorized = &failure{http.StatusUnauthorized, "unauthorized", "this path needs the header \"Authorization: Bearer TOKEN\" with an admin_token of the server"}
	errNoPath       = &failure{http.StatusNotFound, "not_found", "there is nothing at this path"}
	errCrossOrigin  = &failure{http.StatusForbidden, "cross_origin", "a browser sent this from another site; only backends may"}
	errPanic        = &failure{http.StatusInternalServerError, "internal", "the server failed at this request; its log says why"}
	errClientGone   = &failure{statusClientGone, "client_gone", "the client closed the connection"}
	errUnavailable  = &failure{http.StatusServiceUnavailable, "unavailable", "what carries messages between the nodes and keeps them cannot be reached"}
	errOverloaded   = &failure{http.StatusServiceUnavailable, "overloaded", "too many messages are under way"}
	errTimeout      = &failure{http.StatusServiceUnavailable, "timeout", "the server did not get it done in time"}
)

// invalid is a 400 for what the client named field.
func invalid(field, text string) *failure {
	code := "invalid_" + field
	switch field {
	case "room", "user", "kind":
		code = "bad_" + field // as the server behind the API and barrage.v1 have it
	}
	return &failure{http.StatusBadRequest, code, field + ": " + text}
}

// answerTo finds the answer to err, and when to try again; 0 is never. What is
// not for clients goes to the log.
func (a *API) answerTo(x *exchange, r *http.Request, err error) (f *failure, retryAfter time.Duration) {
	var c coded
	switch {
	case errors.As(err, &c) && c.HTTPStatus() >= 400 && c.HTTPStatus() <= 599:
		f = &failure{c.HTTPStatus(), c.Code(), err.Error()}
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		f = errClientGone
	case errors.Is(err, broker.ErrUnavailable), errors.Is(err, broker.ErrClosed):
		f = errUnavailable
	case errors.Is(err, broker.ErrOverloaded):
		f = errOverloaded
	case errors.Is(err, context.DeadlineExceeded):
		f = errTimeout
	default:
		a.cfg.Logger.Error("HTTP request failed", slog.String("route", x.endpoint.label), slog.Any("error", err))
		f = errPanic
	}
	if f.status == http.StatusServiceUnavailable || f.status == http.StatusTooManyRequests {
		retryAfter = time.Second
		var later interface{ RetryAfter() time.Duration }
		if errors.As(err, &later) {
			retryAfter = max(retryAfter, later.RetryAfter())
		}
	}
	return f, retryAfter
}

// fail answers a request that ended in err.
func (a *API) fail(x *exchange, r *http.Request, err error) {
	f, retryAfter := a.answerTo(x, r, err)
	if f == errClientGone {
		x.status = statusClientGone
		return
	}
	if retryAfter > 0 {
		x.Header().Set("Retry-After", strconv.Itoa(wholeSeconds(retryAfter)))
	}
	answer := errorAnswer{Error: errorBody{Code: f.code, Message: f.message}}
	if err := writeJSON(x, f.status, answer); err != nil {
		a.cfg.Logger.Error("HTTP error answer failed", slog.Any("error", err))
	}
}

// partFailed is the answer to a part of a request: what would be a header of an
// answer of its own is in the body.
func (a *API) partFailed(x *exchange, r *http.Request, err error) *errorBody {
	f, retryAfter := a.answerTo(x, r, err)
	return &errorBody{Code: f.code, Message: f.message, RetryAfter: wholeSeconds(retryAfter)}
}

// wholeSeconds rounds up, so that nobody comes back too early.
func wholeSeconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

type errorAnswer struct {
	Error errorBody `json:"error"`
}

type errorBody struct {
	Code    string `json:"code"`
	Message string `json:"message"`

	RetryAfter int `json:"retry_after,omitempty"` // seconds; of parts of a request only
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

// writeBody answers with JSON.
func writeBody(x *exchange, status int, body []byte) { writeTyped(x, status, jsonType, body) }

func writeTyped(x *exchange, status int, contentType []string, body []byte) {
	h := x.Header()
	h["Content-Type"] = contentType
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = noSniff
	x.WriteHeader(status)
	// The only error is a client that is gone: nobody is left to tell.
	_, _ = x.Write(body)
}
