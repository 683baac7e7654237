// Samples the processes and the metrics of a server.

package probe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/procfs"
)

// Server is a target whose processes, metrics, or both can be seen. It belongs to
// one goroutine, and has nothing that must be closed.
type Server struct {
	machine machine
	procs   []*process
	metrics []*url.URL
	header  http.Header
	client  *http.Client

	failures int // scrapes that failed
	failure  error
}

// process is one process of the server.
type process struct {
	pid  int
	stat procfs.ProcStat // the last that was seen
	gone bool
}

// ErrNoProcess is of a pid that does not exist.
var ErrNoProcess = errors.New("there is no such process on this machine")

// scrapeTimeout is the longest wait for metrics. A server that is short of CPU
// answers late, and still does.
const scrapeTimeout = 5 * time.Second

// NewServer looks at processes, metrics in Prometheus' text format, or both.
// metricsURL may be several URLs separated by commas, one for each process; their
// figures are added up. headers, each "Name: value", go with the requests. The
// error names what is not there or does not answer.
func NewServer(pids []int, metricsURL string, headers ...string) (*Server, error) {
	return newServer(here, pids, metricsURL, headers)
}

func newServer(m machine, pids []int, metricsURL string, headers []string) (*Server, error) {
	s := &Server{machine: m, header: make(http.Header), client: newClient()}
	for _, pid := range pids {
		stat, err := m.stat(pid)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("probe: pid %d: %w", pid, ErrNoProcess)
		case err != nil:
			return nil, fmt.Errorf("probe: pid %d cannot be read: %w", pid, err)
		}
		s.procs = append(s.procs, &process{pid: pid, stat: stat})
	}
	for _, h := range headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return nil, fmt.Errorf("probe: header %q is not in the form Name: value", h)
		}
		s.header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	if metricsURL != "" {
		return s, s.addMetrics(metricsURL)
	}
	return s, nil
}

func newClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil // what is measured is near
	// A kept connection would live beyond the Server, and one a second costs
	// little.
	t.DisableKeepAlives = true
	return &http.Client{Transport: t, Timeout: scrapeTimeout}
}

func (s *Server) addMetrics(list string) error {
	for i, text := range strings.Split(list, ",") {
		u, err := url.Parse(strings.TrimSpace(text))
		if err != nil {
			return fmt.Errorf("probe: metrics: address %d is not a URL", i+1) // which is not shown: it may have a password
		}
		if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return fmt.Errorf("probe: metrics: address %d is not an http or https URL with a host", i+1)
		}
		if _, err := s.scrape(context.Background(), u); err != nil {
			return fmt.Errorf("probe: metrics: %w", err)
		}
		s.metrics = append(s.metrics, u)
	}
	return nil
}

// Gone are the processes that have ended since NewServer. Their CPU time counts
// as it last was, and the resident memory is not known any more.
func (s *Server) Gone() (pids []int) {
	for _, p := range s.procs {
		if p.gone {
			pids = append(pids, p.pid)
		}
	}
	return pids
}

// Unanswered is how many Samples lack the metrics because they did not answer,
// and the last reason.
func (s *Server) Unanswered() (n int, last error) { return s.failures, s.failure }

// Sample looks at everything once. It takes as long as the metrics take to
// answer; ctx and five seconds bound that.
func (s *Server) Sample(ctx context.Context) Sample {
	m := Unknown()
	if len(s.procs) > 0 {
		m.CPU, m.RSS = s.processes()
		if slab, buffers, ok := s.machine.kernelMemory(); ok {
			m.Kernel = slab + buffers
		}
	}
	if len(s.metrics) > 0 {
		s.addScraped(ctx, &m)
	}
	return m
}

func (s *Server) processes() (cpu float64, rss int64) {
	for _, p := range s.procs {
		s.look(p)
		cpu += p.stat.CPUTime()
		bytes, ok := s.machine.rss(p.pid)
		if p.gone || !ok || rss < 0 {
			rss = -1
			continue
		}
		rss += bytes
	}
	return cpu, rss
}

// look updates a process, unless it has ended; its pid may be another's by now.
func (s *Server) look(p *process) {
	if p.gone {
		return
	}
	stat, err := s.machine.stat(p.pid)
	if err != nil || stat.Starttime != p.stat.Starttime {
		p.gone = true
		return
	}
	p.stat = stat
}

// Name is the server's executable and, as far as its metrics tell, its version:
// for Environment.Server.
func (s *Server) Name(ctx context.Context) string {
	var names, versions []string
	add := func(list *[]string, text string) {
		if text != "" && !slices.Contains(*list, text) {
			*list = append(*list, text)
		}
	}
	for _, p := range s.procs {
		add(&names, s.machine.executable(p.pid))
	}
	for _, u := range s.metrics {
		if m, err := s.scrape(ctx, u); err == nil {
			name, version := m.build()
			if len(s.procs) == 0 {
				add(&names, name)
			}
			add(&versions, version)
		}
	}
	return strings.TrimSpace(strings.Join(names, ", ") + " " + strings.Join(versions, ", "))
}
