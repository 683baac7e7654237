// What the kernel tells in /proc, of processes and the machine. The root is a
// parameter, so that tests can describe machines that are not at hand.

package probe

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/prometheus/procfs"
)

// machine is a tree with proc in it.
type machine struct {
	root string
	procfs.FS
}

// here is the machine that this process runs on.
var here = newMachine("/")

func newMachine(root string) machine {
	all, _ := procfs.NewFS(filepath.Join(root, "proc")) // where there is none, no file can be read
	return machine{root, all}
}

// read reads a file in /proc.
func (m machine) read(name string) string {
	b, _ := os.ReadFile(filepath.Join(m.root, "proc", name)) // what is not there is not known
	return strings.TrimSpace(string(b))
}

// stat reads /proc/PID/stat; a process that has ended does not exist, even if its
// parent has not asked for its status yet.
func (m machine) stat(pid int) (s procfs.ProcStat, err error) {
	p, err := m.Proc(pid)
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

// rss is the resident memory in bytes of a process.
func (m machine) rss(pid int) (bytes int64, ok bool) {
	p, err := m.Proc(pid)
	if err != nil {
		return 0, false
	}
	s, err := p.NewStatus()
	return int64(s.VmRSS), err == nil && s.VmRSS > 0
}

// kernelMemory is what sockets and connections cost beyond the processes: slab
// objects and the pages of TCP's buffers, in bytes. It is the whole machine's, and so
// that of both ends of a connection over loopback.
func (m machine) kernelMemory() (slab, buffers int64, ok bool) {
	memory, err1 := m.Meminfo()
	sockets, err2 := m.NetSockstat()
	if errors.Join(err1, err2) != nil || memory.SlabBytes == nil {
		return 0, 0, false
	}
	for _, p := range sockets.Protocols {
		if p.Protocol == "TCP" && p.Mem != nil {
			return int64(*memory.SlabBytes), int64(*p.Mem * os.Getpagesize()), true
		}
	}
	return 0, 0, false
}

// cpu is the time that the machine's cores were busy since boot, and all the
// time they had, in seconds. Stolen time counts as busy, as nobody here can use
// it. That of guests is part of user already.
func (m machine) cpu() (busy, total float64) {
	s, err := m.Stat()
	if err != nil {
		return 0, 0
	}
	c := s.CPUTotal
	busy = c.User + c.Nice + c.System + c.IRQ + c.SoftIRQ + c.Steal
	return busy, busy + c.Idle + c.Iowait
}

// executable is the name of a process's program.
func (m machine) executable(pid int) string {
	p, err := m.Proc(pid)
	if err != nil {
		return ""
	}
	if path, err := p.Executable(); err == nil && path != "" {
		return strings.TrimSuffix(filepath.Base(path), " (deleted)")
	}
	name, _ := p.Comm() // readable for everyone, but cut after 15 bytes
	return name
}
