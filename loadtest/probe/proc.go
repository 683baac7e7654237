package probe

// This file reads /proc. The root is a parameter, so that tests can describe
// machines that are not at hand.

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// machine is a tree with proc in it.
type machine struct {
	root string
}

// here is the machine that this process runs on.
var here = machine{"/"}

// userHZ is the unit of CPU times in /proc, the same for all programs whatever
// the kernel's own tick is (proc(5), sysconf(_SC_CLK_TCK)).
const userHZ = 100

func (m machine) read(name string) (string, error) {
	b, err := os.ReadFile(filepath.Join(m.root, "proc", name))
	return string(b), err
}

// procStat is what is wanted of /proc/PID/stat.
type procStat struct {
	cpu   float64 // seconds
	start uint64  // ticks since boot: tells two processes with the same pid apart
	over  bool    // it has ended, and its parent has not asked for its status yet
}

// parseStat reads a line of /proc/PID/stat. The second field, the name in
// brackets, may itself hold brackets, blanks and line feeds.
func parseStat(text string) (s procStat, ok bool) {
	_, rest, found := cutLast(text, ')')
	fields := strings.Fields(rest)
	if !found || len(fields) < 20 {
		return procStat{}, false
	}
	// Counted from 1 with the pid, these are fields 3, 14, 15 and 22 of proc(5).
	user, err1 := strconv.ParseUint(fields[11], 10, 64)
	system, err2 := strconv.ParseUint(fields[12], 10, 64)
	start, err3 := strconv.ParseUint(fields[19], 10, 64)
	if errors.Join(err1, err2, err3) != nil {
		return procStat{}, false
	}
	state := fields[0]
	return procStat{(float64(user) + float64(system)) / userHZ, start, state == "Z" || state == "X"}, true
}

func cutLast(s string, sep byte) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// stat reads /proc/PID/stat; a process that has ended does not exist.
func (m machine) stat(pid int) (procStat, error) {
	name := strconv.Itoa(pid) + "/stat"
	text, err := m.read(name)
	if err != nil {
		return procStat{}, err
	}
	s, ok := parseStat(text)
	if !ok {
		return procStat{}, &fs.PathError{Op: "parse", Path: "/proc/" + name, Err: errors.New("not in the form of proc(5)")}
	}
	if s.over {
		return procStat{}, fs.ErrNotExist
	}
	return s, nil
}

// rss is the resident memory in bytes of a process, of which name is the pid or
// "self".
func (m machine) rss(name string) (bytes int64, ok bool) {
	text, err := m.read(name + "/status")
	if err != nil {
		return 0, false
	}
	return kilobytes(text, "VmRSS:")
}

// kilobytes finds a line "name   123 kB" and returns the number of bytes.
func kilobytes(text, name string) (bytes int64, ok bool) {
	for line := range strings.SplitSeq(text, "\n") {
		rest, found := strings.CutPrefix(line, name)
		if !found {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		return n << 10, err == nil && n >= 0 && n < 1<<50
	}
	return 0, false
}

// kernelMemory is what sockets and connections cost beyond the processes: slab
// objects and the pages of TCP's buffers. It is the whole machine's, and so that
// of both ends of a connection over loopback.
func (m machine) kernelMemory() (bytes int64, ok bool) {
	meminfo, err1 := m.read("meminfo")
	sockstat, err2 := m.read("net/sockstat")
	slab, ok := kilobytes(meminfo, "Slab:")
	if err1 != nil || err2 != nil || !ok {
		return 0, false
	}
	for line := range strings.SplitSeq(sockstat, "\n") {
		if rest, found := strings.CutPrefix(line, "TCP:"); found {
			_, pages, _ := strings.Cut(rest, " mem ")
			n, err := strconv.ParseInt(strings.TrimSpace(pages), 10, 64)
			return slab + n*int64(os.Getpagesize()), err == nil && n >= 0 && n < 1<<40
		}
	}
	return 0, false
}

// cpu is the time that the machine's cores were busy since boot, and all the
// time they had, in seconds. Stolen time counts as busy, as nobody here can use
// it.
func (m machine) cpu() (busy, total float64) {
	text, err := m.read("stat")
	if err != nil {
		return 0, 0
	}
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, 0
	}
	// user nice system idle iowait irq softirq steal; what follows is part of
	// user already.
	for i, field := range fields[1:9] {
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return 0, 0
		}
		total += float64(n) / userHZ
		if idle := i == 3 || i == 4; !idle {
			busy += float64(n) / userHZ
		}
	}
	return busy, total
}

// executable is the name of a process's program.
func (m machine) executable(pid int) string {
	dir := strconv.Itoa(pid)
	if path, err := os.Readlink(filepath.Join(m.root, "proc", dir, "exe")); err == nil {
		return strings.TrimSuffix(filepath.Base(path), " (deleted)")
	}
	name, _ := m.read(dir + "/comm") // readable for everyone, but cut after 15 bytes
	return strings.TrimSpace(name)
}
