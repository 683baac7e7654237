// Describes the machine for those who want to compare figures.

package probe

import (
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// sysctls are those that bound a load test, or a server under one.
var sysctls = []string{
	"fs.file-max",
	"fs.nr_open",
	"net.core.netdev_max_backlog",
	"net.core.rmem_max",
	"net.core.somaxconn",
	"net.core.wmem_max",
	"net.ipv4.ip_local_port_range",
	"net.ipv4.tcp_congestion_control",
	"net.ipv4.tcp_fin_timeout",
	"net.ipv4.tcp_max_orphans",
	"net.ipv4.tcp_max_syn_backlog",
	"net.ipv4.tcp_max_tw_buckets",
	"net.ipv4.tcp_mem",
	"net.ipv4.tcp_notsent_lowat",
	"net.ipv4.tcp_rmem",
	"net.ipv4.tcp_syncookies",
	"net.ipv4.tcp_tw_reuse",
	"net.ipv4.tcp_wmem",
	"net.netfilter.nf_conntrack_max",
	"vm.max_map_count",
	"vm.overcommit_memory",
}

// ReadEnvironment describes this machine and this program, whose version and
// commit it is told.
func ReadEnvironment(version, commit string) Environment {
	e := here.environment()
	e.Version, e.Commit = version, commit
	return e
}

func (m machine) environment() Environment {
	e := Environment{
		Kernel:  strings.TrimSpace("Linux " + m.read("sys/kernel/osrelease")),
		CPU:     m.cpuModel(),
		Cores:   runtime.NumCPU(), // that this process may use
		Sysctls: make(map[string]string),
		Go:      runtime.Version(),
	}
	if memory, err := m.Meminfo(); err == nil && memory.MemTotalBytes != nil {
		e.Memory = *memory.MemTotalBytes
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil {
		e.NoFile = limit.Cur
	}
	for _, name := range sysctls {
		// What is not there depends on the kernel's modules and on containers.
		if text := m.read("sys/" + strings.ReplaceAll(name, ".", "/")); text != "" {
			e.Sysctls[name] = strings.Join(strings.Fields(text), " ")
		}
	}
	return e
}

// cpuModel is the processor's name; ARM's cores have none in /proc/cpuinfo, so
// there it is the architecture.
func (m machine) cpuModel() string {
	for line := range strings.SplitSeq(m.read("cpuinfo"), "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
