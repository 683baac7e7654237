// What bounds the number of connections, each with the command that lifts it.

package machine

import (
	"fmt"
	"math"
)

const (
	// Of one idle connection: about 4.6 KB of kernel and 0.3 KB of ours.
	bytesPerConnection = 5 << 10
	// Of one connection with something queued, counted by tcp_mem.
	queuedPerConnection = 9 << 10
	// Of a process without connections, generously.
	bytesPerProcess = 64 << 20
	// A limit to raise to where no number is asked for.
	ampleFiles = 1 << 20
)

// limits are the findings that bound connections, for a wish of that many.
func (m Machine) limits(u Use, wish int64) []Finding {
	less := func(n int64) int64 { return n - fileReserve }
	all := []Finding{
		m.files(wish),
		m.sysctlLimit("fs.nr_open", "", wish, connectionsFor),
		m.sysctlLimit("fs.file-max", "fs.file-nr", wish, less),
		m.sysctlLimit("fs.epoll.max_user_watches", "", wish, less),
		m.memoryFor(u, wish),
	}
	if f, ok := m.conntrack(wish); ok {
		all = append(all, f)
	}
	if n := int64(u.MaxConnections); n > 0 {
		all = append(all, limit("max_connections", fmt.Sprint(n), n, fmt.Sprintf("barrage serve --max-connections %d", max(wish, n))))
	}
	return all
}

// above is what to raise a limit to that is now n, for wish connections.
func above(n, wish int64) int64 {
	want := max(ampleFiles, wish+fileReserve)
	if want <= n {
		want = min(n, math.MaxInt64/2) * 2
	}
	return want
}

func (m Machine) files(wish int64) Finding {
	const name = "nofile soft/hard"
	soft, hard, ok := m.openFiles()
	if !ok {
		return unread(name)
	}
	f := limit(name, count(soft)+"/"+count(hard), connectionsFor(hard),
		fmt.Sprintf("as root: ulimit -Hn %d (systemd: LimitNOFILE=%[1]d)", above(hard, wish)))
	f.Note = "serve raises the soft limit to the hard one itself"
	return f
}

func connectionsFor(files int64) int64 { return int64(CapacityFor(uint64(files)).Connections) }

// conntrack is there only where connection tracking is.
func (m Machine) conntrack(wish int64) (Finding, bool) {
	const count = "net.netfilter.nf_conntrack_count"
	f := m.sysctlLimit("net.netfilter.nf_conntrack_max", count, wish, func(n int64) int64 { return n })
	if used, counted := m.sysctl(count); counted && used == 0 {
		f.Connections, f.Verdict = Unbounded, Info
		f.Note = "loaded, but tracks nothing at present; once a firewall rule needs it, each connection takes an entry"
	}
	return f, f.Verdict != Unread
}

// sysctlLimit is the limit of a sysctl, of which another (by its first number)
// tells how much is in use; room is the connections that the rest allows.
func (m Machine) sysctlLimit(name, inUse string, wish int64, room func(n int64) int64) Finding {
	n, ok := m.sysctl(name)
	if !ok {
		return unread(name)
	}
	value, used := count(n), int64(0)
	if inUse != "" {
		used, _ = m.sysctl(inUse)
		value += fmt.Sprintf(" (%d in use)", used)
	}
	return limit(name, value, room(n-used), sysctlCommand(name, above(n, wish+used)))
}

func (m Machine) memoryFor(u Use, wish int64) Finding {
	bytes, from, ok := m.memory()
	if !ok {
		return unread("memory")
	}
	left := bytes - bytes/10 - bytesPerProcess - u.LogBytes
	need := wish*bytesPerConnection + bytesPerProcess + u.LogBytes
	f := limit("memory", fmt.Sprintf("%s (%s)", mebibytes(bytes), from), left/bytesPerConnection,
		fmt.Sprintf("give it %s, or lower log_bytes", mebibytes(need+need/9)))
	f.Note = fmt.Sprintf("an idle connection takes about 5 KB (4.6 of the kernel's, 0.3 of ours); kept free of it: a tenth, %s for the process, log_bytes (%s)",
		mebibytes(bytesPerProcess), mebibytes(u.LogBytes))
	return f
}

func sysctlCommand(name string, value int64) string {
	return fmt.Sprintf("sysctl -w %s=%d", name, value)
}

// count writes a limit that may be none.
func count(n int64) string {
	if n == math.MaxInt64 {
		return "unlimited"
	}
	return fmt.Sprint(n)
}

// mebibytes keeps to one unit, so that what is left can be worked out; humanize
// would choose one for each number.
func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }
