package main

// What a reader needs to judge the figures: the machine, the commit, the command.

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// about is what a reader needs to judge the figures, and to get them again.
type about struct {
	date    time.Time
	machine string
	kernel  string
	system  string
	goes    string // Go's version
	nofile  uint64
	commit  string
	command string
}

func aboutThis(ctx context.Context, o options) about {
	a := about{
		date:    time.Now(),
		machine: fmt.Sprintf("%d cores", runtime.NumCPU()),
		goes:    strings.TrimPrefix(runtime.Version(), "go"),
		commit:  commit(ctx),
		command: strings.Join(append([]string{"go run ./bench"}, o.given...), " "),
		system:  valueIn("/etc/os-release", "PRETTY_NAME="),
	}
	if model := valueIn("/proc/cpuinfo", "model name"); model != "" {
		a.machine += " (" + model + ")"
	}
	var memory unix.Sysinfo_t
	if unix.Sysinfo(&memory) == nil {
		a.machine += fmt.Sprintf(", %.0f GiB", float64(memory.Totalram)*float64(memory.Unit)/(1<<30))
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		a.kernel = unix.ByteSliceToString(name.Release[:])
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		a.nofile = limit.Max
	}
	return a
}

// commit is of the work tree; a tree with changes is told.
func commit(ctx context.Context) string {
	hash, err := output(ctx, "git", "rev-parse", "--short", "HEAD")
	if err != nil {
		return "unknown"
	}
	hash = strings.TrimSpace(hash)
	changes, err := output(ctx, "git", "status", "--porcelain", "--untracked-files=no")
	if err != nil || strings.TrimSpace(changes) != "" {
		hash += " with changes"
	}
	return hash
}

// valueIn is the value of the first line that begins with a key, or empty.
func valueIn(file, key string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), key); ok {
			return strings.Trim(strings.TrimSpace(rest), ": \t\"")
		}
	}
	return ""
}

func (a about) text() string {
	return fmt.Sprintf("Measured on %s, %s, %s, Linux %s, Go %s, commit %s, at most %s open files a process; server and load client share the cores over loopback. With `make bench-peers`, which ran\n\n    cd loadtest/peers && %s\n",
		a.date.Format("2 January 2006"), a.machine, a.system, a.kernel, a.goes, a.commit, thousands(float64(a.nofile)), a.command)
}
