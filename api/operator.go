// What operators and their machines ask: readiness, metrics, profiles.

package api

import (
	"log/slog"
	"net/http"
	"net/http/pprof"
	runtimepprof "runtime/pprof"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

type healthAnswer struct {
	Status string `json:"status"`
}

type readyAnswer struct {
	Ready   bool     `json:"ready"`
	Reasons []string `json:"reasons,omitempty"` // why not; or what is wrong all the same
}

// health handles GET /healthz and /health.
func (a *API) health(x *exchange, _ *http.Request) error {
	return writeJSON(x, http.StatusOK, healthAnswer{Status: "ok"})
}

// ready handles GET /readyz.
func (a *API) ready(x *exchange, _ *http.Request) error {
	if reasons := a.server.NotReady(); len(reasons) > 0 {
		return writeJSON(x, http.StatusServiceUnavailable, readyAnswer{Reasons: reasons})
	}
	return writeJSON(x, http.StatusOK, readyAnswer{Ready: true, Reasons: a.server.Concerns()})
}

func metricsPage(g prometheus.Gatherer, log *slog.Logger) http.Handler {
	if g == nil {
		return nil
	}
	return promhttp.HandlerFor(g, promhttp.HandlerOpts{
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ErrorHandling:     promhttp.ContinueOnError,
		EnableOpenMetrics: true,
	})
}

// showMetrics handles GET /metrics.
func (a *API) showMetrics(x *exchange, r *http.Request) error {
	if a.metricsPage == nil {
		return errNoPath
	}
	a.metricsPage.ServeHTTP(x, r)
	return nil
}

// profile handles /debug/pprof/, but for its cmdline, which would show secrets that were
// given as flags. Importing net/http/pprof also registers it with
// http.DefaultServeMux, which nothing here serves.
func (a *API) profile(x *exchange, r *http.Request) error {
	if !a.cfg.Pprof {
		return errNoPath
	}
	name, ok := strings.CutPrefix(r.URL.Path, pprofPath)
	if !ok {
		// The index links to its profiles relative to the slash.
		http.Redirect(x, r, pprofPath, http.StatusMovedPermanently)
		return nil
	}
	// A profile may take longer than a request's body may. An error would only
	// say that x has no deadlines, and then none has to be lifted.
	_ = http.NewResponseController(x).SetReadDeadline(time.Time{})
	switch name {
	case "":
		pprof.Index(x, r)
	case "profile":
		pprof.Profile(x, r)
	case "symbol":
		pprof.Symbol(x, r)
	case "trace":
		pprof.Trace(x, r)
	default:
		if runtimepprof.Lookup(name) == nil {
			return errNoPath
		}
		pprof.Handler(name).ServeHTTP(x, r)
	}
	return nil
}
