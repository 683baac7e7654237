// Reads metrics in Prometheus' text format.

package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"barrage/internal/outbound"
)

// maxMetrics bounds what is read of an answer; a thousand times what Barrage's
// has.
const maxMetrics = 16 << 20

// Metrics are the answer of one address, by name.
type Metrics map[string]*dto.MetricFamily

// Scrape asks once, with the default client.
func Scrape(ctx context.Context, address string) (Metrics, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("probe: metrics: not a URL")
	}
	return (&Server{client: http.DefaultClient, header: http.Header{}}).scrape(ctx, u)
}

// Sum is the sum of a metric over those of its labels that have the given value,
// or all without one; 0 if there is none.
func (m Metrics) Sum(name string, value ...string) (sum float64) {
	for _, one := range m[name].GetMetric() {
		has := func(l *dto.LabelPair) bool { return slices.Contains(value, l.GetValue()) }
		if len(value) == 0 || slices.ContainsFunc(one.GetLabel(), has) {
			// All but one are of another kind, and so 0.
			sum += one.GetCounter().GetValue() + one.GetGauge().GetValue() + one.GetUntyped().GetValue()
		}
	}
	return sum
}

// scrape asks once. Errors name the address.
func (s *Server) scrape(ctx context.Context, u *url.URL) (Metrics, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, outbound.Cause(err)
	}
	req.Header = s.header.Clone()
	req.Header.Set("Accept", "text/plain;version=0.0.4")
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", outbound.Redacted(u.String()), outbound.Cause(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", outbound.Redacted(u.String()), resp.Status)
	}
	m, err := parseMetrics(io.LimitReader(resp.Body, maxMetrics))
	if err != nil {
		return nil, fmt.Errorf("%s: not Prometheus' text format: %w", outbound.Redacted(u.String()), err)
	}
	return m, nil
}

func parseMetrics(r io.Reader) (Metrics, error) {
	p := expfmt.NewTextParser(model.UTF8Validation)
	return p.TextToMetricFamilies(r)
}

// addScraped adds the metrics to m, or nothing if any address fails: a sum that
// lacks a part would be read as a change.
func (s *Server) addScraped(ctx context.Context, m *Sample) {
	sum := Unknown()
	for i, u := range s.metrics {
		answer, err := s.scrape(ctx, u)
		if err != nil {
			s.failures++
			s.failure = err
			return
		}
		if one := answer.sample(); i == 0 {
			sum = one
		} else {
			sum.add(one)
		}
	}
	if len(s.procs) > 0 { // /proc is fresher, and does not depend on the server
		sum.CPU, sum.RSS, sum.Kernel = m.CPU, m.RSS, m.Kernel
	}
	*m = sum
}

// sample is what one address tells.
func (m Metrics) sample() Sample {
	s := Unknown()
	s.CPU = m.first("process_cpu_seconds_total")
	s.RSS = int64(m.first("process_resident_memory_bytes"))
	s.Heap = int64(m.first("go_memstats_heap_inuse_bytes", "go_memstats_heap_alloc_bytes"))
	s.Stack = int64(m.first("go_memstats_stack_inuse_bytes"))
	s.Sends = m.first("barrage_sends_total")
	s.Delivers = m.first("barrage_messages_delivered_total")
	s.GCs, _, s.GCPause = m.Collections()
	return s
}

// add adds the figures of another process, where both are known.
func (s *Sample) add(o Sample) {
	s.CPU, s.RSS = plus(s.CPU, o.CPU), plus(s.RSS, o.RSS)
	s.Heap, s.Stack = plus(s.Heap, o.Heap), plus(s.Stack, o.Stack)
	s.Sends, s.Delivers = plus(s.Sends, o.Sends), plus(s.Delivers, o.Delivers)
	s.GCs, s.GCPause = plus(s.GCs, o.GCs), max(s.GCPause, o.GCPause)
}

func plus[T int64 | float64](a, b T) T {
	if a < 0 || b < 0 {
		return -1
	}
	return a + b
}

// first is the sum of the first of the named metrics that exists, over all its
// labels; negative if there is none.
func (m Metrics) first(names ...string) float64 {
	for _, name := range names {
		if len(m[name].GetMetric()) > 0 {
			return known(m.Sum(name))
		}
	}
	return -1
}

// known turns what is no sensible figure into -1.
func known(v float64) float64 {
	if math.IsNaN(v) || v < 0 || v > 1<<62 {
		return -1
	}
	return v
}

// Collections is how often a Go program has collected garbage, and the middle and
// the longest of the recent pauses in seconds; negative if it is not known.
func (m Metrics) Collections() (n, median, longest float64) {
	all := m["go_gc_duration_seconds"].GetMetric()
	if len(all) == 0 || all[0].GetSummary() == nil {
		return -1, -1, -1
	}
	median, longest = -1, -1
	for _, q := range all[0].GetSummary().GetQuantile() {
		switch q.GetQuantile() {
		case 0.5:
			median = known(q.GetValue())
		case 1:
			longest = known(q.GetValue())
		}
	}
	return float64(all[0].GetSummary().GetSampleCount()), median, longest
}

// build is the program's name, if it can be told, and its version.
func (m Metrics) build() (name, version string) {
	if info := m.labels("barrage_build_info"); info != nil {
		return "barrage", fmt.Sprintf("%s (commit %s, %s)", info["version"], info["commit"], info["goversion"])
	}
	if info := m.labels("go_info"); info != nil {
		return "", "(" + info["version"] + ")"
	}
	return "", ""
}

// labels are those of a metric that says what is running.
func (m Metrics) labels(name string) map[string]string {
	family := m[name]
	if family == nil || len(family.GetMetric()) == 0 {
		return nil
	}
	labels := make(map[string]string)
	for _, l := range family.GetMetric()[0].GetLabel() {
		labels[l.GetName()] = strings.TrimSpace(l.GetValue())
	}
	return labels
}
