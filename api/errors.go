// The errors that clients can see, and how any error becomes an answer.

package api

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
	"barrage/internal/refusal"
)

// statusClientGone is nginx's number for a client that left before its answer;
// it is counted, never sent.
const statusClientGone = 499

var (
	errUnauthorized = refusal.New(http.StatusUnauthorized, "unauthorized", "this path needs the header \"Authorization: Bearer TOKEN\" with an admin_token of the server")
	errNoPath       = refusal.New(http.StatusNotFound, "not_found", "there is nothing at this path")
	errHost         = refusal.New(http.StatusForbidden, "bad_host", "without an admin_token only requests for localhost or a loopback address are answered: set one on the server, or ask by such a name")
	errCrossOrigin  = refusal.New(http.StatusForbidden, "cross_origin", "a browser sent this from another site; only backends may")
	errInternal     = refusal.New(http.StatusInternalServerError, "internal", "the server failed at this request; its log says why")
	errClientGone   = refusal.New(statusClientGone, "client_gone", "the client closed the connection")
	errUnavailable  = refusal.Retry(http.StatusServiceUnavailable, "unavailable", "what carries messages between the nodes and keeps them cannot be reached", time.Second)
	errOverloaded   = refusal.Retry(http.StatusServiceUnavailable, "overloaded", "too many messages are under way", time.Second)
	errTimeout      = refusal.Retry(http.StatusServiceUnavailable, "timeout", "the server did not get it done in time", time.Second)
)

// invalid is a 400 for what the client named field.
func invalid(field, text string) error {
	code := "invalid_" + field
	switch field {
	case "room", "user", "kind", "device":
		code = "bad_" + field // as the server behind the API and barrage.v1 have it
	}
	return refusal.New(http.StatusBadRequest, code, field+": "+text)
}

// answerTo finds the answer to err. What is not for clients goes to the log.
func (a *API) answerTo(x *exchange, r *http.Request, err error) *refusal.Error {
	own := refusal.Of(err)
	switch {
	case own != nil && own.HTTPStatus() >= 400 && own.HTTPStatus() <= 599:
		return own
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		return errClientGone
	case errors.Is(err, broker.ErrUnavailable), errors.Is(err, broker.ErrClosed):
		return errUnavailable
	case errors.Is(err, broker.ErrOverloaded):
		return errOverloaded
	case errors.Is(err, context.DeadlineExceeded):
		return errTimeout
	}
	a.cfg.Logger.Error("HTTP request failed", slog.String("route", x.endpoint.label), slog.Any("error", err))
	return errInternal
}

// retryAfter is in how many seconds a client is to try again; 0: that will not help.
func retryAfter(f *refusal.Error) int {
	if f.HTTPStatus() != http.StatusServiceUnavailable && f.HTTPStatus() != http.StatusTooManyRequests {
		return 0
	}
	return max(1, f.RetrySeconds())
}

// fail answers a request that ended in err.
func (a *API) fail(x *exchange, r *http.Request, err error) {
	f := a.answerTo(x, r, err)
	if f == errClientGone {
		x.status = statusClientGone
		return
	}
	if after := retryAfter(f); after > 0 {
		x.Header().Set("Retry-After", strconv.Itoa(after))
	}
	answer := errorAnswer{Error: errorBody{Code: f.Code(), Message: f.Error()}}
	if err := writeJSON(x, f.HTTPStatus(), answer); err != nil {
		a.cfg.Logger.Error("HTTP error answer failed", slog.Any("error", err))
	}
}

// partFailed is the answer to a part of a request: what would be a header of an
// answer of its own is in the body.
func (a *API) partFailed(x *exchange, r *http.Request, err error) *errorBody {
	f := a.answerTo(x, r, err)
	return &errorBody{Code: f.Code(), Message: f.Error(), RetryAfter: retryAfter(f)}
}

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
func writeBody(x *exchange, status int, body []byte) {
	h := x.Header()
	h["Content-Type"] = jsonType
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = noSniff
	x.WriteHeader(status)
	// The only error is that the client is gone: there is nothing left to do.
	_, _ = x.Write(body)
}
