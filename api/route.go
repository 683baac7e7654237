package api

// This file turns a request's path into a route, and a request into a call of
// that route's handler.

import (
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// route is one line of the fixed list below; it is also a metric label.
type route int

const (
	routeOther route = iota // no such path
	routePublish
	routeRooms
	routeRoom
	routeHealth
	routeReady
	routeMetrics
	routePprof
	numRoutes
)

type routeInfo struct {
	label   string
	methods []string
	open    bool // needs no token
}

var (
	read     = []string{http.MethodGet, http.MethodHead}
	postOnly = []string{http.MethodPost}
)

// routes is indexed by route.
var routes = [numRoutes]routeInfo{
	routeOther:   {label: "other"},
	routePublish: {label: "/v1/rooms/{room}/messages", methods: postOnly},
	routeRooms:   {label: "/v1/rooms", methods: read},
	routeRoom:    {label: "/v1/rooms/{room}", methods: read},
	routeHealth:  {label: "/healthz", methods: read, open: true},
	routeReady:   {label: "/readyz", methods: read, open: true},
	routeMetrics: {label: "/metrics", methods: read},
	// "go tool pprof" asks /debug/pprof/symbol by POST.
	routePprof: {label: "/debug/pprof/", methods: []string{http.MethodGet, http.MethodHead, http.MethodPost}},
}

// fixedPaths are the paths without a variable part.
var fixedPaths = map[string]route{
	"/v1/rooms":    routeRooms,
	"/healthz":     routeHealth,
	"/health":      routeHealth,
	"/readyz":      routeReady,
	"/metrics":     routeMetrics,
	"/debug/pprof": routePprof,
}

const (
	roomsPrefix    = "/v1/rooms/"
	messagesSuffix = "/messages"
	pprofPrefix    = "/debug/pprof/"
)

// match finds the route of a path as url.URL holds it: path is unescaped, and
// raw is the escaped form where the two could be confused (%2F), else empty.
// Paths are not cleaned: whoever writes a dot segment or a double slash means a
// room of that name, and the room-name rules answer.
func match(path, raw string) (r route, room string) {
	if raw == "" {
		if r, ok := fixedPaths[path]; ok {
			return r, ""
		}
		if strings.HasPrefix(path, pprofPrefix) {
			return routePprof, ""
		}
		return matchRoom(path)
	}
	r, room = matchRoom(raw)
	if r == routeOther {
		return routeOther, ""
	}
	room, err := url.PathUnescape(room)
	if err != nil {
		return routeOther, ""
	}
	return r, room
}

// matchRoom matches /v1/rooms/{room} and /v1/rooms/{room}/messages; the room is
// one segment.
func matchRoom(path string) (r route, room string) {
	rest, ok := strings.CutPrefix(path, roomsPrefix)
	if !ok {
		return routeOther, ""
	}
	if room, ok := strings.CutSuffix(rest, messagesSuffix); ok && !strings.Contains(room, "/") {
		return routePublish, room
	}
	if rest == "" || strings.Contains(rest, "/") {
		return routeOther, ""
	}
	return routeRoom, rest
}

// exchange is the response of one request, remembering its status. It is pooled
// and lives as long as ServeHTTP.
type exchange struct {
	http.ResponseWriter
	status int // 0 until the header is written
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
	route, room := match(r.URL.Path, r.URL.RawPath)
	x := a.exchanges.Get().(*exchange)
	x.ResponseWriter, x.status = w, 0
	defer a.finish(x, r, route, start)
	if err := a.handle(x, r, route, room); err != nil {
		a.fail(x, r, route, err)
	}
}

// finish is deferred by ServeHTTP: it turns a panic into a 500, counts the
// request, and returns the exchange to the pool.
func (a *API) finish(x *exchange, r *http.Request, route route, start time.Time) {
	panicked := recover()
	abort := false
	if panicked != nil {
		// Half an answer cannot be taken back: the connection is closed instead.
		abort = x.status != 0
		if panicked != http.ErrAbortHandler {
			a.cfg.Logger.Error("panic in an HTTP handler", slog.String("route", routes[route].label),
				slog.Any("panic", panicked), slog.String("stack", string(debug.Stack())))
		}
		if !abort {
			a.fail(x, r, route, errPanic)
		}
	}
	a.metrics.observe(route, x.status, time.Since(start))
	x.ResponseWriter = nil
	a.exchanges.Put(x)
	if abort {
		panic(http.ErrAbortHandler)
	}
}

// handle checks what is common to all routes and calls the route's handler,
// which writes an answer or returns an error, never both.
func (a *API) handle(x *exchange, r *http.Request, route route, room string) error {
	info := &routes[route]
	if !info.open && !a.auth.allows(r.Header) {
		x.Header()["Www-Authenticate"] = challenge
		return errUnauthorized
	}
	if route == routeOther {
		return errNoPath
	}
	if !slices.Contains(info.methods, r.Method) {
		allow := strings.Join(info.methods, ", ")
		x.Header().Set("Allow", allow)
		return &failure{http.StatusMethodNotAllowed, "method_not_allowed", "this path takes " + allow + " only"}
	}
	// Without a token any web page open on this machine could publish here.
	if err := a.crossOrigin.Check(r); err != nil {
		return errCrossOrigin
	}
	switch route {
	case routePublish:
		return a.publish(x, r, room)
	case routeRooms:
		return a.listRooms(x, r)
	case routeRoom:
		return a.showRoom(x, room)
	case routeHealth:
		return writeJSON(x, http.StatusOK, healthAnswer{Status: "ok"})
	case routeReady:
		return a.ready(x)
	case routeMetrics:
		return a.showMetrics(x, r)
	default:
		return a.profile(x, r)
	}
}
