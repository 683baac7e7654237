package main

// This file reads what the kernel says about the machine under proc and sys. The
// root is a parameter, so that tests can describe machines that are not at hand.

import (
	"math"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// machine is a tree with proc and sys in it.
type machine struct {
	root string
}

// text reads a file; ok is false if there is none.
func (m machine) text(name string) (text string, ok bool) {
	b, err := os.ReadFile(filepath.Join(m.root, name))
	if err != nil {
		return "", false
	}
	return strings.TrimSpace(string(b)), true
}

// numbers reads a file of numbers; ok is false if any is none. What is too large
// for an int64 is the largest, which is how the kernel writes "no limit".
func (m machine) numbers(name string, atLeast int) (numbers []int64, ok bool) {
	text, ok := m.text(name)
	if !ok {
		return nil, false
	}
	for _, field := range strings.Fields(text) {
		n, err := parseCount(field)
		if err != nil {
			return nil, false
		}
		numbers = append(numbers, n)
	}
	return numbers, len(numbers) >= atLeast
}

// sysctl reads a sysctl's first number by its dotted name.
func (m machine) sysctl(name string) (value int64, ok bool) {
	numbers, ok := m.numbers(sysctlPath(name), 1)
	if !ok {
		return 0, false
	}
	return numbers[0], true
}

func sysctlPath(name string) string {
	return "proc/sys/" + strings.ReplaceAll(name, ".", "/")
}

// parseCount reads a number, "max" or "unlimited".
func parseCount(field string) (int64, error) {
	if field == "max" || field == "unlimited" {
		return math.MaxInt64, nil
	}
	n, err := strconv.ParseUint(field, 10, 64)
	if err != nil {
		return 0, err
	}
	return int64(min(n, math.MaxInt64)), nil
}

// openFiles reads the process's own limit on open files.
func (m machine) openFiles() (fileLimit, bool) {
	text, _ := m.text("proc/self/limits")
	for line := range strings.SplitSeq(text, "\n") {
		rest, ok := strings.CutPrefix(line, "Max open files")
		if !ok {
			continue
		}
		fields := strings.Fields(rest)
		if len(fields) < 2 {
			return fileLimit{}, false
		}
		soft, err1 := parseCount(fields[0])
		hard, err2 := parseCount(fields[1])
		return fileLimit{uint64(soft), uint64(hard)}, err1 == nil && err2 == nil
	}
	return fileLimit{}, false
}

// memory is what the process may use: that of the machine, or of the smallest of
// the control groups it is in.
func (m machine) memory() (bytes int64, from string, ok bool) {
	bytes, from, ok = m.totalMemory()
	if limit, name := m.groupMemory(); limit > 0 && (!ok || limit < bytes) {
		return limit, name, true
	}
	return bytes, from, ok
}

func (m machine) totalMemory() (bytes int64, from string, ok bool) {
	text, _ := m.text("proc/meminfo")
	for line := range strings.SplitSeq(text, "\n") {
		if rest, found := strings.CutPrefix(line, "MemTotal:"); found {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil || kb > math.MaxInt64>>10 {
				return 0, "", false
			}
			return kb << 10, "MemTotal", true
		}
	}
	return 0, "", false
}

// groupMemory finds the smallest memory limit of the process's control groups,
// of version 2 or 1; 0 if there is none. A limit holds for all groups below.
func (m machine) groupMemory() (bytes int64, from string) {
	text, _ := m.text("proc/self/cgroup")
	for line := range strings.SplitSeq(text, "\n") {
		parts := strings.SplitN(line, ":", 3)
		if len(parts) != 3 {
			continue
		}
		base, file := "sys/fs/cgroup", "memory.max"
		switch {
		case parts[0] == "0" && parts[1] == "":
		case hasController(parts[1], "memory"):
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

func hasController(list, name string) bool {
	for c := range strings.SplitSeq(list, ",") {
		if c == name {
			return true
		}
	}
	return false
}

// kernel is the kernel's version; ok is false if it cannot be told.
func (m machine) kernel() (release string, major, minor int, ok bool) {
	release, ok = m.text("proc/sys/kernel/osrelease")
	if !ok {
		return "", 0, 0, false
	}
	parts := strings.SplitN(release, ".", 3)
	if len(parts) < 2 {
		return release, 0, 0, false
	}
	minorDigits := parts[1]
	if i := strings.IndexFunc(minorDigits, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		minorDigits = minorDigits[:i]
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(minorDigits)
	return release, major, minor, err1 == nil && err2 == nil
}
