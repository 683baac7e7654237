// What does not bound connections: the queues in front of them, the kernel's
// features, the runtime.

package machine

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
)

// queues are the findings about how connections come and what can be sent to
// them; expected is how many there may be.
func (m Machine) queues(u Use, expected int64) []Finding {
	return []Finding{
		m.backlog("net.core.somaxconn", u, "the kernel silently cuts the setting backlog down to it"),
		m.backlog("net.ipv4.tcp_max_syn_backlog", u, "with it full, new connections are refused or fall back to SYN cookies"),
		m.tcpMem(expected),
	}
}

func (m Machine) backlog(name string, u Use, note string) Finding {
	n, ok := m.sysctl(name)
	if !ok {
		return unread(name)
	}
	f := fact(name, fmt.Sprintf("%d (backlog %d)", n, u.Backlog), OK)
	if n < int64(u.Backlog) {
		f.Verdict, f.Note, f.Lift = Warn, note, sysctlCommand(name, int64(u.Backlog))
	}
	return f
}

// tcpMem compares the kernel's bound on queued bytes of all TCP sockets with a
// moment in which every viewer has something queued.
func (m Machine) tcpMem(expected int64) Finding {
	const name = "net.ipv4.tcp_mem"
	n, ok := m.numbers(sysctlPath(name), 3)
	if !ok {
		return unread(name)
	}
	page := int64(os.Getpagesize())
	busy := min(n[2], math.MaxInt64/page) * page / queuedPerConnection
	f := fact(name, fmt.Sprintf("%d pages (%d busy)", n[2], busy), OK)
	f.Note = "idle connections count nothing; one with a message queued counts about 9 KB, so that many can have something queued at once"
	if busy < expected {
		pages := expected * queuedPerConnection / page * 5 / 4
		f.Verdict = Warn
		f.Lift = fmt.Sprintf("sysctl -w net.ipv4.tcp_mem=\"%d %d %d\"", pages/2, pages*2/3, pages)
	}
	return f
}

// features are the findings about kernel and program.
func (m Machine) features(u Use) []Finding {
	return []Finding{
		m.kernel(), m.tls(), m.hugePages(), m.ports(),
		fact("go", fmt.Sprintf("%s, GOMAXPROCS %d, %d shards", runtime.Version(), runtime.GOMAXPROCS(0), u.Shards), Info),
	}
}

// kernel wants SO_REUSEPORT (3.9) and TCP_USER_TIMEOUT (2.6.37), which the
// server cannot do without; Go itself asks for a newer kernel than both.
func (m Machine) kernel() Finding {
	release, _ := m.text("proc/sys/kernel/osrelease")
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		return unread("kernel")
	}
	f := fact("kernel", release+": SO_REUSEPORT, TCP_USER_TIMEOUT", OK)
	if major < 3 || major == 3 && minor < 9 {
		f.Value, f.Verdict = release+": no SO_REUSEPORT", Warn
		f.Note, f.Lift = "serve needs SO_REUSEPORT, which came with Linux 3.9", "a newer kernel"
	}
	return f
}

func (m Machine) tls() Finding {
	f := fact("kernel tls", "not loaded", Info)
	f.Lift, f.Note = "modprobe tls", "serve speaks no TLS itself at present; terminate it in front"
	if ulps, _ := m.text("proc/sys/net/ipv4/tcp_available_ulp"); slices.Contains(strings.Fields(ulps), "tls") {
		f.Value, f.Lift = "loaded", ""
	}
	return f
}

func (m Machine) hugePages() Finding {
	modes, ok := m.text("sys/kernel/mm/transparent_hugepage/enabled")
	if !ok {
		return unread("transparent_hugepage")
	}
	_, mode, _ := strings.Cut(modes, "[")
	mode, _, _ = strings.Cut(mode, "]")
	f := fact("transparent_hugepage", mode, OK)
	if mode == "always" {
		f.Verdict, f.Lift = Warn, "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"
		f.Note = "with always, resident memory can be a multiple of what is in use"
	}
	return f
}

func (m Machine) ports() Finding {
	const name = "net.ipv4.ip_local_port_range"
	n, ok := m.numbers(sysctlPath(name), 2)
	if !ok {
		return unread(name)
	}
	f := fact(name, fmt.Sprintf("%d-%d", n[0], n[1]), Info)
	f.Note = fmt.Sprintf("of a load generator only: it can open %d connections to one address from each of its own", n[1]-n[0]+1)
	return f
}
