// Samples of real processes and of metrics.

package probe

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

func newTestServer(t *testing.T, m machine, pids []int, url string, headers ...string) *Server {
	t.Helper()
	s, err := newServer(m, pids, url, headers)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestProcess looks at a real process that uses CPU and memory, and ends.
func TestProcess(t *testing.T) {
	c, other := startChild(t), startChild(t)
	s, err := NewServer([]int{c.pid(), other.pid()}, "")
	if err != nil {
		t.Fatal(err)
	}
	first := s.Sample(t.Context())
	c.do("burn")
	if d := s.Sample(t.Context()).CPU - first.CPU; d < 0.15 {
		t.Errorf("%.2f s of CPU after 0.2 s were used", d)
	}
	c.do("allocate")
	if d := s.Sample(t.Context()).RSS - first.RSS; d < childBytes*9/10 {
		t.Errorf("%d bytes more after %d were touched", d, childBytes)
	}
	if first.Kernel <= 0 {
		t.Errorf("kernel memory %d", first.Kernel)
	}
	if first.Heap >= 0 || first.Stack >= 0 || first.Sends >= 0 || first.Delivers >= 0 || first.GCs >= 0 {
		t.Errorf("figures from nowhere: %+v", first)
	}
	exe, _ := os.Executable()
	if got, want := s.Name(t.Context()), filepath.Base(exe); got != want {
		t.Errorf("name %q, want %q", got, want)
	}

	if gone := s.Gone(); gone != nil {
		t.Errorf("%v gone too early", gone)
	}
	cpu := s.Sample(t.Context()).CPU
	c.end() // a zombie, as nobody has waited for it
	var last Sample
	await(t, "end of the process", func() bool {
		last = s.Sample(t.Context())
		return slices.Equal(s.Gone(), []int{c.pid()})
	})
	if last.RSS != -1 || last.CPU < cpu-0.005 {
		t.Errorf("%+v as the process ended, CPU %v before", last, cpu)
	}
}

func TestNoSuchProcess(t *testing.T) {
	c := startChild(t)
	c.stop()
	_, err := NewServer([]int{os.Getpid(), c.pid()}, "")
	if !errors.Is(err, ErrNoProcess) || !strings.Contains(err.Error(), fmt.Sprint(c.pid())) {
		t.Errorf("got %v, want pid %d named", err, c.pid())
	}
}

// TestPIDReused: another process with the pid of one that has ended is not it.
func TestPIDReused(t *testing.T) {
	files := map[string]string{
		"proc/9/stat":   statLine("a", "S", "100", "100", "500"),
		"proc/9/status": "VmRSS: 8 kB\n",
	}
	m := tree(t, files)
	s := newTestServer(t, m, []int{9}, "")
	if got := s.Sample(t.Context()); got.CPU != 2 || got.RSS != 8<<10 || got.Kernel >= 0 {
		t.Errorf("got %+v", got)
	}
	if err := os.WriteFile(m.root+"/proc/9/stat", []byte(statLine("b", "S", "900", "0", "600")), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := s.Sample(t.Context()); got.CPU != 2 || got.RSS != -1 {
		t.Errorf("got %+v of another process", got)
	}
	if got := s.Gone(); !slices.Equal(got, []int{9}) {
		t.Errorf("gone %v", got)
	}
}

const barrageMetrics = `# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 12.5
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 3.145728e+07
# TYPE go_memstats_heap_alloc_bytes gauge
go_memstats_heap_alloc_bytes 1e+06
# TYPE go_memstats_heap_inuse_bytes gauge
go_memstats_heap_inuse_bytes 2e+06
# TYPE go_memstats_stack_inuse_bytes gauge
go_memstats_stack_inuse_bytes 300000
# TYPE barrage_sends_total counter
barrage_sends_total 40
# TYPE barrage_messages_delivered_total counter
barrage_messages_delivered_total 400
# TYPE go_gc_duration_seconds summary
go_gc_duration_seconds{quantile="0.5"} 1e-05
go_gc_duration_seconds{quantile="1"} 0.0025
go_gc_duration_seconds_sum 0.01
go_gc_duration_seconds_count 17
# TYPE barrage_build_info gauge
barrage_build_info{commit="abc",goversion="go1.26.0",version="1.2.3"} 1
`

// serveText answers with text, and with status if it is not 0.
func serveText(t *testing.T, text string, status *atomic.Int32) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if code := status.Load(); code != 0 {
			w.WriteHeader(int(code))
			return
		}
		fmt.Fprint(w, text)
	}))
	t.Cleanup(srv.Close)
	return srv.URL + "/metrics"
}

func TestMetrics(t *testing.T) {
	var ok atomic.Int32
	one := Sample{
		CPU: 12.5, RSS: 30 << 20, Heap: 2e6, Stack: 3e5, Kernel: -1,
		Sends: 40, Delivers: 400, GCs: 17, GCPause: 0.0025,
	}
	two := Sample{
		CPU: 25, RSS: 60 << 20, Heap: 4e6, Stack: 6e5, Kernel: -1,
		Sends: 80, Delivers: 800, GCs: 34, GCPause: 0.0025,
	}
	alloc := Unknown()
	alloc.Heap = 1000
	none := Unknown()
	url := serveText(t, barrageMetrics, &ok)
	for _, c := range []struct {
		name, url string
		want      Sample
	}{
		{"one", url, one},
		{"two are added up", url + ", " + url, two},
		{"allocated instead of in use", serveText(t, "go_memstats_heap_alloc_bytes 1000\n", &ok), alloc},
		{"labels are added up", serveText(t, "go_memstats_heap_alloc_bytes{a=\"1\"} 400\ngo_memstats_heap_alloc_bytes{a=\"2\"} 600\n", &ok), alloc},
		{"of one only", url + "," + serveText(t, "x 1\n", &ok), Sample{-1, -1, -1, -1, -1, -1, -1, -1, 0.0025}},
		{"nothing known", serveText(t, "x 1\n", &ok), none},
		{"no sensible figures", serveText(t, "process_cpu_seconds_total NaN\nbarrage_sends_total -1\ngo_memstats_stack_inuse_bytes +Inf\n", &ok), none},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := newTestServer(t, here, nil, c.url).Sample(t.Context()); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestProcessAndMetrics(t *testing.T) {
	var status atomic.Int32
	m := tree(t, map[string]string{
		"proc/9/stat":   statLine("a", "S", "100", "100", "500"),
		"proc/9/status": "VmRSS: 8 kB\n",
		"proc/9/comm":   "barrage\n",
	})
	s := newTestServer(t, m, []int{9}, serveText(t, barrageMetrics, &status))
	got := s.Sample(t.Context())
	if got.CPU != 2 || got.RSS != 8<<10 || got.Heap != 2e6 || got.Sends != 40 {
		t.Errorf("got %+v", got)
	}
	if got, want := s.Name(t.Context()), "barrage 1.2.3 (commit abc, go1.26.0)"; got != want {
		t.Errorf("name %q, want %q", got, want)
	}
	if n, err := s.Unanswered(); n != 0 || err != nil {
		t.Errorf("unanswered %d, %v", n, err)
	}
	status.Store(http.StatusServiceUnavailable)
	if got := s.Sample(t.Context()); got.CPU != 2 || got.Heap != -1 || got.Sends != -1 {
		t.Errorf("got %+v without an answer", got)
	}
	if n, err := s.Unanswered(); n != 1 || err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("unanswered %d, %v", n, err)
	}
}

func TestNameByMetrics(t *testing.T) {
	var ok atomic.Int32
	for text, want := range map[string]string{
		barrageMetrics:                   "barrage 1.2.3 (commit abc, go1.26.0)",
		"go_info{version=\"go1.9\"} 1\n": "(go1.9)",
		"x 1\n":                          "",
	} {
		if got := newTestServer(t, here, nil, serveText(t, text, &ok)).Name(t.Context()); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestHeaders(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer srv.Close()
	if _, err := NewServer(nil, srv.URL, "Authorization: Bearer secret"); err != nil {
		t.Error(err)
	}
	if _, err := NewServer(nil, srv.URL); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("without the header: %v", err)
	}
}

func TestMetricsErrors(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := "http://" + ln.Addr().String() + "/metrics"
	ln.Close()
	var ok, missing atomic.Int32
	missing.Store(http.StatusNotFound)
	absent, page := serveText(t, "", &missing), serveText(t, "<html>hello</html>", &ok)
	for _, c := range []struct {
		name, url string
		header    string
		want      []string
	}{
		{"refused", refusing, "A: b", []string{refusing, "refused"}},
		{"not found", absent, "A: b", []string{absent, "404 Not Found"}},
		{"a web page", page, "A: b", []string{page, "text format"}},
		{"second of two", serveText(t, "x 1\n", &ok) + "," + refusing, "A: b", []string{refusing}},
		{"no URL", "127.0.0.1:80", "A: b", []string{"address 1", "not a URL"}},
		{"no scheme", "localhost/metrics", "A: b", []string{"address 1", "http"}},
		{"no host", "http:///metrics", "A: b", []string{"address 1", "a host"}},
		{"no header", page, "nothing", []string{`"nothing"`, "Name: value"}},
		{"a password is not told", strings.Replace(absent, "//", "//u:secret@", 1) + "?key=secret", "A: b", []string{"404"}},
		{"nor is a query", refusing + "?key=secret", "A: b", []string{refusing, "refused"}},
		{"nor what is no URL", "http://u:secret/", "A: b", []string{"address 1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := NewServer(nil, c.url, c.header)
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range append(c.want, "probe: ") {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not tell %q", err, w)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("%q tells a secret", err)
			}
		})
	}
}

func TestSampleEndsWithContext(t *testing.T) {
	var hang atomic.Bool
	ended := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hang.Load() {
			<-ended
		}
	}))
	defer srv.Close()
	defer close(ended)
	s := newTestServer(t, here, nil, srv.URL)
	hang.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := s.Sample(ctx); got != Unknown() {
		t.Errorf("got %+v", got)
	}
	if n, err := s.Unanswered(); n != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("unanswered %d, %v", n, err)
	}
}

func FuzzMetrics(f *testing.F) {
	f.Add(barrageMetrics)
	f.Add("go_gc_duration_seconds 1\n")
	f.Add("# TYPE go_gc_duration_seconds summary\ngo_gc_duration_seconds{quantile=\"1\"} NaN\n")
	f.Add("barrage_build_info 1\nprocess_cpu_seconds_total 1e300\nprocess_resident_memory_bytes -Inf\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseMetrics(strings.NewReader(text))
		if err != nil {
			return
		}
		s := m.sample()
		if math.IsNaN(s.CPU) || s.CPU < 0 && s.CPU != -1 || s.RSS < -1 || s.Heap < -1 || s.Stack < -1 || s.GCPause < -1 {
			t.Errorf("sample %+v", s)
		}
		m.build()
	})
}

func TestSelf(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, threads := Self(), Threads()
	for t := Self(); Self() < t+0.1; {
	}
	if d := Self() - before; d < 0.1 {
		t.Errorf("%v s after 0.1 s were used", d)
	}
	busiest := 0.0
	for id, cpu := range Threads() {
		busiest = max(busiest, cpu-threads[id])
	}
	if busiest < 0.05 {
		t.Errorf("the busiest thread used %v s", busiest)
	}
	if rss, ok := here.rss(os.Getpid()); !ok || rss < 1<<20 {
		t.Errorf("%d bytes resident, %v", rss, ok)
	}
	if busy, total := Machine(); busy <= 0 || total < busy {
		t.Errorf("machine busy for %v of %v s", busy, total)
	}
}

func TestEnvironment(t *testing.T) {
	e := ReadEnvironment("v1", "abc")
	if e.Version != "v1" || e.Commit != "abc" || e.Go != runtime.Version() || e.Cores < 1 || e.Memory == 0 || e.NoFile == 0 {
		t.Errorf("got %+v", e)
	}
	m := tree(t, map[string]string{
		"proc/cpuinfo":                    "processor\t: 0\nmodel name\t: Fast CPU\n",
		"proc/meminfo":                    "MemTotal:   2048 kB\n",
		"proc/sys/kernel/osrelease":       "6.1.0-test\n",
		"proc/sys/net/ipv4/tcp_wmem":      "4096\t16384\t4194304\n",
		"proc/sys/net/core/somaxconn":     "4096\n",
		"proc/sys/net/ipv4/tcp_not_asked": "1\n",
	})
	e = m.environment()
	if e.Kernel != "Linux 6.1.0-test" || e.CPU != "Fast CPU" || e.Memory != 2<<20 {
		t.Errorf("got %+v", e)
	}
	want := map[string]string{"net.ipv4.tcp_wmem": "4096 16384 4194304", "net.core.somaxconn": "4096"}
	if fmt.Sprint(e.Sysctls) != fmt.Sprint(want) {
		t.Errorf("sysctls %v, want %v", e.Sysctls, want)
	}
	if got := newMachine(t.TempDir()).environment(); got.CPU != runtime.GOARCH || got.Kernel != "Linux" {
		t.Errorf("of an empty machine %+v", got)
	}
}
