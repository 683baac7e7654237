// Requests of clients to backends.

package events

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/fair"
	"barrage/internal/limits"
	"barrage/internal/outbound"
	"barrage/internal/quietlog"
	"barrage/internal/refusal"
)

// The codes of CallError.
const (
	CodeUnknownMethod = "unknown_method" // no route matches
	CodeBadRequest    = "bad_request"    // Request.Data is not JSON
	CodeOverloaded    = "overloaded"     // too many requests under way, for this route, user or address
	CodeTimeout       = "timeout"        // no whole answer in time
	CodeBackend       = "backend_error"  // it cannot be reached, or its status says so
	CodeBadReply      = "bad_reply"      // too long, or not what the package comment describes
	CodeCanceled      = "canceled"       // the client went away
)

// refusals are what clients are told, by code. They name no host.
var refusals = map[string]*refusal.Error{
	CodeUnknownMethod: refusal.New(http.StatusNotFound, CodeUnknownMethod, "There is no such method."),
	CodeBadRequest:    refusal.New(http.StatusBadRequest, CodeBadRequest, "The request's data is not JSON."),
	CodeOverloaded:    refusal.Retry(http.StatusServiceUnavailable, CodeOverloaded, "Too many requests are under way.", time.Second),
	CodeTimeout:       refusal.New(http.StatusGatewayTimeout, CodeTimeout, "The backend did not answer in time."),
	CodeBackend:       refusal.New(http.StatusBadGateway, CodeBackend, "The backend failed."),
	CodeBadReply:      refusal.New(http.StatusBadGateway, CodeBadReply, "The backend's answer makes no sense."),
	CodeCanceled:      refusal.New(http.StatusServiceUnavailable, CodeCanceled, "The request was cancelled."),
}

// CallError says why there is no reply. A [refusal.Error] in its chain is for the client.
type CallError struct {
	Code   string
	Status int   // of the backend's answer, if that is the reason; else 0
	Err    error // the cause, for the log; may be nil
}

// Error is for the log.
func (e *CallError) Error() string {
	text := "events: call: " + e.Code
	if e.Status != 0 {
		text += fmt.Sprintf(": status %d", e.Status)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the refusal and the cause.
func (e *CallError) Unwrap() []error { return []error{refusals[e.Code], e.Err} }

// Request is what a client asks.
type Request struct {
	Method string          // the name that chooses the backend
	ID     string          // the client's own, so that it knows the answer
	Room   string          // may be empty, as may User
	User   string          //
	Conn   string          //
	Data   json.RawMessage // one JSON value; empty is null

	Address netip.Addr // whose share of what may be under way it counts for, beside the user's; zero: nobody's
}

// Route sends methods to a URL.
type Route struct {
	Method string // a name, or a pattern in which * stands for any bytes
	URL    string // http or https
}

// CallerConfig is what NewCaller needs. Zero values mean the default.
type CallerConfig struct {
	Routes        []Route // tried in order; the first match counts
	HTTP                  // Timeout: default 5s
	MaxConcurrent int     // requests under way, shared out fairly by route, user and address. Default 256
	MaxReply      int     // bytes of an answer. Default 64 KiB

	// Logger gets failures, of each route and code at most one in 10s. Default: none.
	Logger *slog.Logger
}

// Caller asks backends.
type Caller struct {
	// Fixed by NewCaller.
	routes   []route
	client   *Client
	maxReply int
	log      *quietlog.Log

	slots    *fair.Slots[*route]
	calls    atomic.Uint64
	answered atomic.Uint64
	failed   map[string]*atomic.Uint64 // by code; the map is fixed
}

type route struct {
	pattern string
	url     string
}

// NewCaller returns a caller. Without routes every method is unknown.
func NewCaller(cfg CallerConfig) (*Caller, error) {
	cfg.Timeout = cmp.Or(cfg.Timeout, 5*time.Second)
	cfg.MaxConcurrent = cmp.Or(cfg.MaxConcurrent, bounds.RequestSlots)
	cfg.MaxReply = cmp.Or(cfg.MaxReply, 64<<10)
	errs := []error{
		cfg.HTTP.Check("caller: "),
		limits.AtLeast("events: caller: MaxConcurrent", cfg.MaxConcurrent, 1),
		limits.AtLeast("events: caller: MaxReply", cfg.MaxReply, 1),
	}
	log := quietlog.New(cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler)))
	c := &Caller{maxReply: cfg.MaxReply, log: log, failed: map[string]*atomic.Uint64{}}
	for _, r := range cfg.Routes {
		if r.Method == "" {
			errs = append(errs, errors.New("events: caller: Routes: a method is empty"))
		}
		if err := CheckURL(r.URL); err != nil {
			errs = append(errs, fmt.Errorf("events: caller: Routes: %q: %w", r.Method, err))
		}
		c.routes = append(c.routes, route{r.Method, r.URL})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	c.slots = fair.NewSlots[*route](cfg.MaxConcurrent, len(cfg.Routes))
	c.client = NewClient(cfg.HTTP, cfg.MaxConcurrent)
	for code := range refusals {
		c.failed[code] = new(atomic.Uint64)
	}
	return c, nil
}

// Call asks the backend of r.Method and waits for its reply, at most for
// HTTP.Timeout. End ctx when the client goes away. The error is a [*CallError]; a
// backend's refusal is no error but a reply.
func (c *Caller) Call(ctx context.Context, r Request) (Reply, error) {
	c.calls.Add(1)
	to := c.route(r.Method)
	reply, failure := c.call(ctx, to, r)
	if failure != nil {
		c.failed[failure.Code].Add(1)
		c.tell(to, r.Method, failure)
		return Reply{}, failure
	}
	c.answered.Add(1)
	return reply, nil
}

// tell logs a failure, unless it is the client's own.
func (c *Caller) tell(to *route, method string, failure *CallError) {
	const most = 64 // of a method, which may be as long as a command
	if failure.Code == CodeBadRequest || failure.Code == CodeCanceled {
		return
	}
	key, args := failure.Code, []any{"method", method[:min(len(method), most)], "code", failure.Code}
	if to != nil {
		key, args = key+" "+to.pattern, append(args, "url", outbound.Redacted(to.url))
	}
	if failure.Status != 0 {
		args = append(args, "status", failure.Status)
	}
	if failure.Err != nil {
		args = append(args, "error", failure.Err)
	}
	c.log.WarnOf(key, "a request of a client was not answered", args...)
}

func (c *Caller) call(ctx context.Context, to *route, r Request) (Reply, *CallError) {
	if to == nil {
		return Reply{}, &CallError{Code: CodeUnknownMethod}
	}
	if !c.slots.Take(1, to, r.User, r.Address) {
		return Reply{}, &CallError{Code: CodeOverloaded}
	}
	defer c.slots.Give(1, to, r.User, r.Address)
	ctx, cancel := context.WithTimeout(ctx, c.client.timeout)
	defer cancel()
	reply, failure := c.ask(ctx, to.url, r)
	if failure == nil {
		return reply, nil
	}
	// Whatever it looked like, this is why: the end of ctx breaks connections.
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return Reply{}, &CallError{Code: CodeTimeout, Err: ctx.Err()}
	case ctx.Err() != nil:
		return Reply{}, &CallError{Code: CodeCanceled, Err: ctx.Err()}
	}
	return Reply{}, failure
}

// Routes tells whether a method is some backend's.
func (c *Caller) Routes(method string) bool { return c.route(method) != nil }

func (c *Caller) route(method string) *route {
	for i := range c.routes {
		if broker.Match(c.routes[i].pattern, method) {
			return &c.routes[i]
		}
	}
	return nil
}

func (c *Caller) ask(ctx context.Context, url string, r Request) (Reply, *CallError) {
	body, err := requestBody(r)
	if err != nil {
		return Reply{}, &CallError{Code: CodeBadRequest, Err: err}
	}
	resp, err := c.client.Post(ctx, url, body, r.ID != "")
	if err != nil {
		return Reply{}, &CallError{Code: CodeBackend, Err: outbound.Cause(err)}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, int64(c.maxReply)+1))
	switch {
	case resp.StatusCode/100 != 2:
		return Reply{}, &CallError{Code: CodeBackend, Status: resp.StatusCode, Err: fmt.Errorf("%.*q", maxQuote, text)}
	case err != nil:
		return Reply{}, &CallError{Code: CodeBackend, Err: err}
	case resp.StatusCode == http.StatusNoContent:
		return Reply{Data: json.RawMessage("null")}, nil
	case len(text) > c.maxReply:
		return Reply{}, &CallError{Code: CodeBadReply, Err: fmt.Errorf("more than %d bytes", c.maxReply)}
	}
	reply, err := parseReply(text)
	if err != nil {
		return Reply{}, &CallError{Code: CodeBadReply, Err: err}
	}
	return reply, nil
}

// CallerStats is a snapshot. Counters only grow, and when nothing is under way
// Calls is the sum of Answered and all of Failed.
type CallerStats struct {
	Calls    uint64
	Answered uint64            // by the backend, errors of its own among them
	Failed   map[string]uint64 // by code, all codes
	Repeated uint64            // sent once more, as no byte of an answer had come
}

// Stats may be called from any goroutine.
func (c *Caller) Stats() CallerStats {
	s := CallerStats{Failed: map[string]uint64{}, Answered: c.answered.Load(), Repeated: c.client.Repeated()}
	for code, n := range c.failed {
		s.Failed[code] = n.Load()
	}
	s.Calls = c.calls.Load()
	return s
}

// Close closes idle connections. Call it when no request is under way, which the
// ends of their contexts see to.
func (c *Caller) Close() { c.client.Close() }
