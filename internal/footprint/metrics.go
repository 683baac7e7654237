// The metrics of the process.

package footprint

import (
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// Collector tells the process's own figures. client_golang's, and procfs on which
// it is built, list /proc/self/fd on kernels before 6.2, which with 300,000
// connections leaves some 30 MB of garbage at each scrape.
type Collector struct{}

// started is when this process began, near enough.
var started = time.Now()

// Describe makes this an unchecked collector: not every kernel tells all.
func (Collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the figures.
func (Collector) Collect(ch chan<- prometheus.Metric) {
	tell := func(t prometheus.ValueType, v float64, name, help string) {
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, nil), t, v)
	}
	tell(prometheus.GaugeValue, float64(started.UnixMilli())/1000, "process_start_time_seconds", "When the process started, since 1970.")
	var used unix.Rusage // in microseconds, where /proc/self/stat has ticks of 10 ms
	if unix.Getrusage(unix.RUSAGE_SELF, &used) == nil {
		tell(prometheus.CounterValue, float64(used.Utime.Nano()+used.Stime.Nano())/1e9, "process_cpu_seconds_total", "User and system CPU time.")
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		tell(prometheus.GaugeValue, float64(limit.Cur), "process_max_fds", "Limit of open file descriptors.")
	}
	if self, err := procfs.Self(); err == nil {
		if stat, err := self.Stat(); err == nil {
			tell(prometheus.GaugeValue, float64(stat.ResidentMemory()), "process_resident_memory_bytes", "Resident memory.")
		}
	}
	// Its size is the number of descriptors since Linux 6.2, and 0 before.
	if st, err := os.Stat("/proc/self/fd"); err == nil && st.Size() > 0 {
		tell(prometheus.GaugeValue, float64(st.Size()), "process_open_fds", "Open file descriptors; absent where the kernel, before Linux 6.2, would have to list them.")
	}
}
