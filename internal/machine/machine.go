// Package machine tells how many connections a Linux machine can hold: which of
// its limits (open files, sysctls, memory, the control groups' too) comes first,
// which command lifts it, and what else of the kernel makes connections slow or
// few. It also shares out the process's own limit on open files. It only reads.
package machine

import (
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Machine is a tree with proc and sys in it, "/" being the machine that this
// runs on; tests describe others. An empty one is "/".
//
// prometheus/procfs, which has neither hard limits nor the memory of control
// groups and fails on counts above int64, would save only the reading of MemTotal;
// KimMachineGun/automemlimit looks at the machine that it runs on and no other.
type Machine struct {
	Root string
}

// text reads a file; ok is false if there is none.
func (m Machine) text(name string) (text string, ok bool) {
	b, err := os.ReadFile(filepath.Join("/", m.Root, name))
	return strings.TrimSpace(string(b)), err == nil
}

// field is what follows a label at the beginning of a line of a file.
func (m Machine) field(name, label string) []string {
	text, _ := m.text(name)
	for line := range strings.SplitSeq(text, "\n") {
		if rest, ok := strings.CutPrefix(line, label); ok {
			return strings.Fields(rest)
		}
	}
	return nil
}

// numbers reads a file of numbers; ok is false if any is none.
func (m Machine) numbers(name string, atLeast int) (numbers []int64, ok bool) {
	text, _ := m.text(name)
	return counts(strings.Fields(text), atLeast)
}

// counts reads numbers, "max" and "unlimited". What is too large for an int64 is
// the largest, which is how the kernel writes "no limit".
func counts(fields []string, atLeast int) (numbers []int64, ok bool) {
	for _, field := range fields {
		if field == "max" || field == "unlimited" {
			numbers = append(numbers, math.MaxInt64)
			continue
		}
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return nil, false
		}
		numbers = append(numbers, int64(min(n, math.MaxInt64)))
	}
	return numbers, len(numbers) >= atLeast
}

// sysctl reads a sysctl's first number by its dotted name.
func (m Machine) sysctl(name string) (value int64, ok bool) {
	numbers, ok := m.numbers(sysctlPath(name), 1)
	if !ok {
		return 0, false
	}
	return numbers[0], true
}

func sysctlPath(name string) string {
	return "proc/sys/" + strings.ReplaceAll(name, ".", "/")
}

// openFiles reads the process's own limit on open files.
func (m Machine) openFiles() (soft, hard int64, ok bool) {
	fields := m.field("proc/self/limits", "Max open files")
	n, ok := counts(fields[:min(2, len(fields))], 2)
	if !ok {
		return 0, 0, false
	}
	return n[0], n[1], true
}

// memory is what the process may use: that of the machine, or of the smallest of
// the control groups it is in.
func (m Machine) memory() (bytes int64, from string, ok bool) {
	fields := m.field("proc/meminfo", "MemTotal:")
	if n, known := counts(fields[:min(1, len(fields))], 1); known && n[0] <= math.MaxInt64>>10 {
		bytes, from, ok = n[0]<<10, "MemTotal", true
	}
	if limit, name := m.groupMemory(); limit > 0 && (!ok || limit < bytes) {
		return limit, name, true
	}
	return bytes, from, ok
}

// groupMemory finds the smallest memory limit of the process's control groups,
// of version 2 or 1; 0 if there is none. A limit holds for all groups below.
func (m Machine) groupMemory() (bytes int64, from string) {
	text, _ := m.text("proc/self/cgroup")
	for line := range strings.SplitSeq(text, "\n") {
		parts := strings.SplitN(line, ":", 3)
		if len(parts) != 3 {
			continue
		}
		base, file := "sys/fs/cgroup", "memory.max"
		switch {
		case parts[0] == "0" && parts[1] == "":
		case slices.Contains(strings.Split(parts[1], ","), "memory"):
			base, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		// In a container the path may not exist: then only the root of what is
		// mounted does.
		for dir := path.Clean("/" + parts[2]); ; dir = path.Dir(dir) {
			if n, ok := m.numbers(base+dir+"/"+file, 1); ok && n[0] > 0 && (bytes == 0 || n[0] < bytes) {
				bytes, from = n[0], "cgroup "+file
			}
			if dir == "/" {
				break
			}
		}
	}
	return bytes, from
}
