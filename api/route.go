// The list of all routes, and how a request's path finds one. http.ServeMux is not
// used, as it redirects paths with dot segments and double slashes: in a path of this
// API they stand in a room's name, and the rules for names answer.

package api

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

const pprofPath = "/debug/pprof/"

// endpoint is one method of one path.
type endpoint struct {
	method  string // GET takes HEAD too
	pattern string // a path; with one {variable} for one segment; or ending in a slash, with all below it
	label   string // for metrics; "": the pattern
	open    bool   // needs no token
	handle  func(*exchange, *http.Request) error

	// Derived from the pattern.
	prefix, suffix string                       // around the variable
	check          func(string) (string, error) // its normal form; nil: there is no variable

	// Set by metrics.
	ok   prometheus.Counter
	took prometheus.Observer
}

type table []endpoint

// endpoints lists the routes, the hottest first.
func (a *API) endpoints() table {
	const get, post, put, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete
	return table{
		{method: post, pattern: "/v1/rooms/{room}/messages", handle: a.publish},
		{method: post, pattern: "/v1/users/{user}/messages", handle: a.publishToUser},
		{method: post, pattern: "/v1/connections/{conn}/messages", handle: a.publishToConn},
		{method: post, pattern: "/v1/rooms/messages", handle: a.publishBatch},
		{method: post, pattern: "/v1/broadcast", handle: a.broadcast},
		{method: post, pattern: "/v1/requests/{method}", handle: a.ask},

		{method: get, pattern: "/v1/rooms", handle: a.listRooms},
		{method: get, pattern: "/v1/rooms/{room}", handle: a.showRoom},
		{method: get, pattern: "/v1/rooms/{room}/messages", handle: a.history},
		{method: del, pattern: "/v1/rooms/{room}/messages", handle: a.clear},
		{method: get, pattern: "/v1/rooms/{room}/members", handle: a.presence},
		{method: get, pattern: "/v1/rooms/{room}/settings", handle: a.showSettings},
		{method: put, pattern: "/v1/rooms/{room}/settings", handle: a.putSettings},
		{method: del, pattern: "/v1/rooms/{room}/settings", handle: a.deleteSettings},
		{method: post, pattern: "/v1/rooms/{room}/kick", handle: a.kick},
		{method: post, pattern: "/v1/rooms/{room}/close", handle: a.closeRoom},
		{method: get, pattern: "/v1/settings", handle: a.listSettings},

		{method: get, pattern: "/v1/users/{user}", handle: a.showUser},
		{method: post, pattern: "/v1/users/{user}/disconnect", handle: a.disconnectUser},
		{method: get, pattern: "/v1/bans", handle: a.listBans},
		{method: post, pattern: "/v1/bans", handle: a.banAddress},
		{method: del, pattern: "/v1/bans", handle: a.liftAddress},
		{method: del, pattern: "/v1/bans/{user}", handle: a.lift},
		{method: get, pattern: "/v1/keys", handle: a.listKeys},
		{method: post, pattern: "/v1/keys/{key}/revoke", handle: a.revokeKey},
		{method: del, pattern: "/v1/keys/{key}/revoke", handle: a.restoreKey},
		{method: get, pattern: "/v1/connections", handle: a.listConnections},
		{method: post, pattern: "/v1/connections/{conn}/disconnect", handle: a.disconnect},
		{method: get, pattern: "/v1/workers", handle: a.listWorkers},
		{method: get, pattern: "/v1/trace", handle: a.trace},

		{method: get, pattern: "/", open: true, handle: a.showPage},
		{method: get, pattern: "/dashboard/{file}", open: true, handle: a.showPage},
		{method: get, pattern: "/healthz", open: true, handle: a.health},
		{method: get, pattern: "/health", label: "/healthz", open: true, handle: a.health},
		{method: get, pattern: "/readyz", open: true, handle: a.ready},
		{method: get, pattern: "/metrics", handle: a.showMetrics},
		{method: get, pattern: "/openapi.yaml", handle: a.showSpec},
		{method: get, pattern: "/openapi.json", handle: a.showSpecJSON},
		{method: get, pattern: pprofPath, handle: a.profile},
		// "go tool pprof" asks /debug/pprof/symbol by POST.
		{method: post, pattern: pprofPath, handle: a.profile},
	}
}

// prepare derives what matching needs from the patterns.
func (t table) prepare(checks map[string]func(string) (string, error)) {
	for i := range t {
		e := &t[i]
		if e.label == "" {
			e.label = e.pattern
		}
		before, rest, found := strings.Cut(e.pattern, "{")
		if !found {
			continue
		}
		name, after, _ := strings.Cut(rest, "}")
		e.prefix, e.suffix, e.check = before, after, checks[name]
	}
}

// fits tells whether path is the endpoint's, and what its variable is there. A
// variable at the end of a path is not empty: /v1/rooms/ is nothing.
func (e *endpoint) fits(path string) (param string, ok bool) {
	if e.check != nil {
		if len(path) < len(e.prefix)+len(e.suffix) || !strings.HasPrefix(path, e.prefix) || !strings.HasSuffix(path, e.suffix) {
			return "", false
		}
		param = path[len(e.prefix) : len(path)-len(e.suffix)]
		return param, !strings.Contains(param, "/") && (param != "" || e.suffix != "")
	}
	if below, ok := strings.CutSuffix(e.pattern, "/"); ok && below != "" {
		return "", path == below || strings.HasPrefix(path, e.pattern)
	}
	return "", path == e.pattern
}

func (e *endpoint) takes(method string) bool {
	return method == e.method || method == http.MethodHead && e.method == http.MethodGet
}

// match finds the endpoint of a path as url.URL holds it: path is unescaped, and
// raw is the escaped form where the two could be confused (%2F), else empty. If
// no endpoint of the path takes the method, allowed is false; if there is none
// at all, e is nil.
func (t table) match(method, path, raw string) (e *endpoint, param string, allowed bool) {
	for i := range t {
		p, ok := t[i].at(path, raw)
		switch {
		case !ok:
		case t[i].takes(method):
			return &t[i], p, true
		case e == nil:
			e, param = &t[i], p
		}
	}
	return e, param, false
}

// at is fits for both forms of a path. Only a variable may be escaped.
func (e *endpoint) at(path, raw string) (param string, ok bool) {
	if raw == "" {
		return e.fits(path)
	}
	if e.check == nil {
		return "", false
	}
	if param, ok = e.fits(raw); !ok {
		return "", false
	}
	param, err := url.PathUnescape(param)
	return param, err == nil
}

// methods lists what a path takes, as the header Allow has it.
func (t table) methods(path, raw string) string {
	var list []string
	for i := range t {
		if _, ok := t[i].at(path, raw); ok {
			list = append(list, t[i].method)
			if t[i].method == http.MethodGet {
				list = append(list, http.MethodHead)
			}
		}
	}
	return strings.Join(list, ", ")
}
