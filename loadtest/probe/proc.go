package probe

// This file reads /proc. The root is a parameter, so that tests can describe
// machines that are not at hand.

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
)

// machine is a tree with proc in it.
type machine struct {
	root string
}

// here is the machine that this process runs on.
var here = machine{"/"}

func (m machine) read(name string) (string, error) {
	b, err := os.ReadFile(filepath.Join(m.root, "proc", name))
	return string(b), err
}

func (m machine) proc() (procfs.FS, error) { return procfs.NewFS(filepath.Join(m.root, "proc")) }

// stat reads /proc/PID/stat; a process that has ended does not exist, though its
// parent may not have asked for its status yet.
func (m machine) stat(pid int) (s procfs.ProcStat, err error) {
	proc, err := m.proc()
	if err != nil {
		return s, err
	}
	p, err := proc.Proc(pid)
	if err != nil {
		return s, err
	}
	if s, err = p.Stat(); err != nil {
		return s, fmt.Errorf("/proc/%d/stat: %w", pid, err)
	}
	if s.State == "Z" || s.State == "X" {
		return s, fs.ErrNotExist
	}
	return s, nil
}

// kernelMemory is what sockets and connections cost beyond the processes: slab
// objects and the pages of TCP's buffers. It is the whole machine's, and so that
// of both ends of a connection over loopback.
func (m machine) kernelMemory() (bytes int64, ok bool) {
	proc, err := m.proc()
	if err != nil {
		return 0, false
	}
	memory, err1 := proc.Meminfo()
	sockets, err2 := proc.NetSockstat()
	if err1 != nil || err2 != nil || memory.SlabBytes == nil {
		return 0, false
	}
	for _, p := range sockets.Protocols {
		if p.Protocol == "TCP" && p.Mem != nil {
			return int64(*memory.SlabBytes) + int64(*p.Mem)*int64(os.Getpagesize()), true
		}
	}
	return 0, false
}

// userHZ is the unit of CPU times in /proc, the same for all programs whatever
// the kernel's own tick is (proc(5), sysconf(_SC_CLK_TCK)).
const userHZ = 100

// cpu is the time that the machine's cores were busy since boot, and all the
// time they had, in seconds. Stolen time counts as busy, as nobody here can use
// it. procfs would read the rest of the file, too, which has a number for each
// interrupt.
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
