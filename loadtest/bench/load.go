package main

// Running the load test, and what came of it.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"barrage/loadtest/report"
)

// loadWithin is more than any run takes, and bounds one that hangs.
const loadWithin = 2 * time.Hour

// failure is an error in two parts: what a document may say, and what is for the
// terminal, since it may name folders of this machine.
type failure struct {
	what   string
	detail error
}

func (f *failure) Error() string { return f.what + ": " + f.detail.Error() }

func (f *failure) Unwrap() error { return f.detail }

// public is the part of an error that a document may say.
func public(err error) string {
	var f *failure
	if errors.As(err, &f) {
		return f.what
	}
	return "the bench itself failed"
}

// load runs a load test, which publishes on n and watches all servers that run, one
// of Redis included. Its report is kept as NAME.json and its words as NAME.txt. That it
// judges the run to have failed is in its report; it is an error only if there is none.
func (b *bench) load(ctx context.Context, name string, n node, args ...string) (*report.Report, error) {
	file := filepath.Join(b.out, name+".json")
	// A report of an earlier bench in the same folder must not pass for this one.
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, loadWithin)
	defer cancel()
	args = append(args, "--publish-url", "http://"+n.admin, "--plain", "--json", file)
	for _, p := range b.running {
		for _, pid := range p.pids {
			args = append(args, "--pid", strconv.Itoa(pid))
		}
	}
	words := append(strings.Fields(b.client), b.barrage, "loadtest")
	cmd := exec.CommandContext(ctx, words[0], append(words[1:], args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopWithin
	said, ran := cmd.CombinedOutput()
	if err := os.WriteFile(filepath.Join(b.out, name+".txt"), said, 0o644); err != nil {
		return nil, err
	}
	for _, p := range b.running {
		if !p.alive() {
			return nil, &failure{"the server ended during the run", fmt.Errorf("it said %q", lastLine(p.log))}
		}
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, &failure{"the load client gave no report", fmt.Errorf("%w: %s", errors.Join(ctx.Err(), ran), last(string(said)))}
	}
	defer f.Close()
	r, err := report.ReadJSON(f)
	if err != nil || r.Connections.Wanted == 0 {
		return nil, &failure{"the load client's report makes no sense", errors.Join(err, errors.New("or has no connections"))}
	}
	return r, nil
}
