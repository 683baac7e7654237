// From a request to a call of its route's handler, and from what comes of it to one
// answer and one count.

package api

import (
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/valyala/bytebufferpool"

	"barrage/internal/broker"
	"barrage/internal/refusal"
)

// exchange is a request's state and its response, remembering the status. It is
// pooled and lives as long as ServeHTTP.
type exchange struct {
	http.ResponseWriter
	status   int // 0 until the header is written
	endpoint *endpoint
	param    string // the path's variable

	// Held here and not by the publish handlers, so that they allocate nothing.
	publication broker.Publication
	body        *bytebufferpool.ByteBuffer // of the request, then of the answer; nil: none taken
}

func (x *exchange) WriteHeader(status int) {
	if x.status == 0 && status >= 200 {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

func (x *exchange) Write(b []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	return x.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection (deadlines, flush).
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	e, param, allowed := a.routes.match(r.Method, r.URL.Path, r.URL.RawPath)
	if e == nil {
		e, allowed = a.other, true
	}
	x := a.exchanges.Get().(*exchange)
	x.ResponseWriter, x.endpoint, x.param = w, e, param
	defer a.finish(x, r, start)
	if err := a.handle(x, r, allowed); err != nil {
		a.fail(x, r, err)
	}
}

// finish is deferred by ServeHTTP: it turns a panic into a 500, counts the
// request, and returns the exchange and its buffer to their pools.
func (a *API) finish(x *exchange, r *http.Request, start time.Time) {
	panicked := recover()
	abort := false
	if panicked != nil {
		// Half an answer cannot be taken back: the connection is closed instead.
		abort = x.status != 0
		if panicked != http.ErrAbortHandler {
			a.cfg.Logger.Error("panic in an HTTP handler", slog.String("route", x.endpoint.label),
				slog.Any("panic", panicked), slog.String("stack", string(debug.Stack())))
		}
		if !abort {
			a.fail(x, r, errInternal)
		}
	}
	a.metrics.observe(x.endpoint, x.status, time.Since(start))
	if x.body != nil {
		a.putBody(x.body)
	}
	*x = exchange{}
	a.exchanges.Put(x)
	if abort {
		panic(http.ErrAbortHandler)
	}
}

func (a *API) putBody(b *bytebufferpool.ByteBuffer) {
	// The pool learns sizes from the length, so give it the capacity.
	b.B = b.B[:cap(b.B)]
	a.bodies.Put(b)
}

// handle checks what is common to all routes and calls the route's handler,
// which writes an answer or returns an error, never both.
func (a *API) handle(x *exchange, r *http.Request, allowed bool) error {
	e := x.endpoint
	if !e.open && len(a.auth) == 0 && !isLoopback(r.Host) {
		return errHost
	}
	if !e.open && !a.auth.allows(r.Header) {
		x.Header()["Www-Authenticate"] = challenge
		return errUnauthorized
	}
	if !allowed {
		allow := a.routes.methods(r.URL.Path, r.URL.RawPath)
		x.Header().Set("Allow", allow)
		return refusal.New(http.StatusMethodNotAllowed, "method_not_allowed", "this path takes "+allow+" only")
	}
	// Without a token any web page open on this machine could publish here.
	if err := a.crossOrigin.Check(r); err != nil {
		return errCrossOrigin
	}
	if e.check != nil {
		var err error
		if x.param, err = e.check(x.param); err != nil {
			return err
		}
	}
	return e.handle(x, r)
}

// nothing handles paths that lead nowhere.
func nothing(*exchange, *http.Request) error { return errNoPath }
