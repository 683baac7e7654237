package main

// This file judges what limits the number of connections: files, watches,
// conntrack, memory, and the queues in front of them.

import (
	"fmt"
	"math"
	"os"
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

// verdict is the judgement on one finding.
type verdict string

const (
	verdictOK     verdict = "ok"
	verdictLow    verdict = "TOO LOW" // the target cannot be met
	verdictWarn   verdict = "warn"    // costs speed or connects, not connections
	verdictInfo   verdict = "info"
	verdictUnread verdict = "unreadable"
)

// unbounded is the number of connections of a finding that does not limit them.
const unbounded = -1

// finding is one line of the table.
type finding struct {
	name        string
	value       string
	connections int64 // that it allows, or unbounded
	verdict     verdict
	lift        string // the command that lifts it
	note        string // what the line cannot say
}

// limit is a finding that allows a number of connections.
func limit(name, value string, connections int64, lift string) finding {
	return finding{name: name, value: value, connections: max(connections, 0), verdict: verdictOK, lift: lift}
}

func unread(name string) finding {
	return finding{name: name, value: "-", connections: unbounded, verdict: verdictUnread}
}

// limits are the findings that bound connections, for a wish of that many.
func (m machine) limits(cfg *Config, wish int64) []finding {
	all := []finding{
		m.fileFinding(wish), m.nrOpenFinding(wish), m.fileMaxFinding(wish), m.watchFinding(wish), m.memoryFinding(cfg, wish),
	}
	if f, ok := m.conntrackFinding(wish); ok {
		all = append(all, f)
	}
	if cfg.MaxConnections > 0 {
		all = append(all, limit("max_connections", fmt.Sprint(cfg.MaxConnections), int64(cfg.MaxConnections),
			fmt.Sprintf("barrage serve --max-connections %d", max(wish, int64(cfg.MaxConnections)))))
	}
	return all
}

// above is what to raise a limit to that is now n, for wish connections.
func above(n, wish int64) int64 {
	want := max(ampleFiles, wish+fdReserve)
	if want <= n {
		want = min(n, math.MaxInt64/2) * 2
	}
	return want
}

func (m machine) fileFinding(wish int64) finding {
	l, ok := m.openFiles()
	if !ok {
		return unread("nofile soft/hard")
	}
	f := limit("nofile soft/hard", fmt.Sprintf("%s/%s", count(l.soft), count(l.hard)), int64(connectionsFor(l.hard)),
		fmt.Sprintf("as root: ulimit -Hn %d (systemd: LimitNOFILE=%[1]d)", above(int64(l.hard), wish)))
	f.note = "serve raises the soft limit to the hard one itself"
	return f
}

func (m machine) nrOpenFinding(wish int64) finding {
	n, ok := m.sysctl("fs.nr_open")
	if !ok {
		return unread("fs.nr_open")
	}
	return limit("fs.nr_open", count(uint64(n)), int64(connectionsFor(uint64(n))), sysctlCommand("fs.nr_open", above(n, wish)))
}

func (m machine) fileMaxFinding(wish int64) finding {
	n, ok := m.sysctl("fs.file-max")
	if !ok {
		return unread("fs.file-max")
	}
	used := int64(0)
	if nr, ok := m.numbers("proc/sys/fs/file-nr", 3); ok {
		used = nr[0]
	}
	return limit("fs.file-max", fmt.Sprintf("%s (%d in use)", count(uint64(n)), used), n-used-fdReserve,
		sysctlCommand("fs.file-max", above(n, wish+used)))
}

func (m machine) watchFinding(wish int64) finding {
	const name = "fs.epoll.max_user_watches"
	n, ok := m.sysctl(name)
	if !ok {
		return unread(name)
	}
	return limit(name, count(uint64(n)), n-fdReserve, sysctlCommand(name, above(n, wish)))
}

// conntrackFinding is there only where connection tracking is.
func (m machine) conntrackFinding(wish int64) (finding, bool) {
	const name = "net.netfilter.nf_conntrack_max"
	n, ok := m.sysctl(name)
	if !ok {
		return finding{}, false
	}
	used, counted := m.sysctl("net.netfilter.nf_conntrack_count")
	f := limit(name, fmt.Sprintf("%d (%d in use)", n, used), n-used, sysctlCommand(name, above(n, wish+used)))
	if counted && used == 0 {
		f.connections, f.verdict = unbounded, verdictInfo
		f.note = "loaded, but tracks nothing at present; once a firewall rule needs it, each connection takes an entry"
	}
	return f, true
}

func (m machine) memoryFinding(cfg *Config, wish int64) finding {
	bytes, from, ok := m.memory()
	if !ok {
		return unread("memory")
	}
	left := bytes - bytes/10 - bytesPerProcess - int64(cfg.LogBytes)
	need := wish*bytesPerConnection + bytesPerProcess + int64(cfg.LogBytes)
	f := limit("memory", fmt.Sprintf("%s (%s)", mebibytes(bytes), from), left/bytesPerConnection,
		fmt.Sprintf("give it %s, or lower log_bytes", mebibytes(need+need/9)))
	f.note = fmt.Sprintf("an idle connection takes about 5 KB (4.6 of the kernel's, 0.3 of ours); kept free of it: a tenth, %s for the process, log_bytes (%v)",
		mebibytes(bytesPerProcess), cfg.LogBytes)
	return f
}

// queues are the findings that do not bound connections but how they come and
// what can be sent to them; expected is how many there may be.
func (m machine) queues(cfg *Config, expected int64) []finding {
	return []finding{
		m.backlogFinding("net.core.somaxconn", cfg, "the kernel silently cuts the setting backlog down to it"),
		m.backlogFinding("net.ipv4.tcp_max_syn_backlog", cfg, "with it full, new connections are refused or fall back to SYN cookies"),
		m.tcpMemFinding(expected),
	}
}

func (m machine) backlogFinding(name string, cfg *Config, note string) finding {
	n, ok := m.sysctl(name)
	if !ok {
		return unread(name)
	}
	f := finding{name: name, value: fmt.Sprintf("%d (backlog %d)", n, cfg.Backlog), connections: unbounded, verdict: verdictOK}
	if n < int64(cfg.Backlog) {
		f.verdict, f.note, f.lift = verdictWarn, note, sysctlCommand(name, int64(cfg.Backlog))
	}
	return f
}

// tcpMemFinding compares the kernel's bound on queued bytes of all TCP sockets
// with a moment in which every viewer has something queued.
func (m machine) tcpMemFinding(expected int64) finding {
	const name = "net.ipv4.tcp_mem"
	n, ok := m.numbers(sysctlPath(name), 3)
	if !ok {
		return unread(name)
	}
	page := int64(os.Getpagesize())
	busy := min(n[2], math.MaxInt64/page) * page / queuedPerConnection
	f := finding{name: name, value: fmt.Sprintf("%d pages (%d busy)", n[2], busy), connections: unbounded, verdict: verdictOK}
	f.note = "idle connections count nothing; one with a message queued counts about 9 KB, so that many can have something queued at once"
	if busy < expected {
		pages := expected * queuedPerConnection / page * 5 / 4
		f.verdict = verdictWarn
		f.lift = fmt.Sprintf("sysctl -w net.ipv4.tcp_mem=\"%d %d %d\"", pages/2, pages*2/3, pages)
	}
	return f
}

func sysctlCommand(name string, value int64) string {
	return fmt.Sprintf("sysctl -w %s=%d", name, value)
}

// count writes a limit that may be none.
func count(n uint64) string {
	if n >= math.MaxInt64 {
		return "unlimited"
	}
	return fmt.Sprint(n)
}

func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }
