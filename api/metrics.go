// Counting and timing requests. Labels come from fixed lists, routes and HTTP
// statuses, never a room or an address.

package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	open     prometheus.Gauge
	evicted  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "barrage_http_requests_total",
			Help: "Requests to the admin listener by route and status; 499 is a client that left.",
		}, []string{"route", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "barrage_http_request_duration_seconds",
			Help:    "Time to answer a request to the admin listener, its body's arrival included.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 8), // 0.1 ms to 1.6 s
		}, []string{"route"}),
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "barrage_http_connections",
			Help: "Connections of the admin listener.",
		}),
		evicted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "barrage_http_connections_evicted_total",
			Help: "Idle connections of the admin listener that were closed to make room for others.",
		}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, m.duration, m.open, m.evicted} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// attach looks up an endpoint's metrics once, as publishing is hot.
func (m *metrics) attach(e *endpoint) {
	e.ok = m.requests.WithLabelValues(e.label, strconv.Itoa(http.StatusOK))
	e.took = m.duration.WithLabelValues(e.label)
}

// observe counts one request; status 0 is a handler that wrote nothing, which
// net/http answers with 200.
func (m *metrics) observe(e *endpoint, status int, took time.Duration) {
	if status == 0 || status == http.StatusOK {
		e.ok.Inc()
	} else {
		m.requests.WithLabelValues(e.label, strconv.Itoa(status)).Inc()
	}
	e.took.Observe(took.Seconds())
}
