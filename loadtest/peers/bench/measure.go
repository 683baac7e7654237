package main

// The rounds: a fresh server, one run of the load client, and what came of it.

import (
	"bytes"
	"context"
	"encoding/json"
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
)

// contender is a server that can be measured.
type contender struct {
	server
	binary  string
	version string
}

// missing is a server that cannot, and why.
type missing struct {
	server
	reason string
}

// measurement is one run of the load client against one server.
type measurement struct {
	server string
	load   load
	round  int
	report report
	failed error // why there is no report; nil if there is
}

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

type bench struct {
	options
	dir       string // binaries and the servers' own directories
	available []contender
	absent    []missing
}

// newBench builds and finds the servers. Without the load client nothing can be
// measured.
func newBench(ctx context.Context, o options) (*bench, error) {
	if _, err := output(ctx, o.barrage, "version"); err != nil {
		return nil, fmt.Errorf("the load client, -barrage: %w", err)
	}
	dir, err := os.MkdirTemp("", "bench-peers-work-")
	if err != nil {
		return nil, err
	}
	// Workers of nginx, which run as another user, have to reach their directory.
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	b := &bench{options: o, dir: dir}
	for _, s := range o.servers {
		binary, version, err := s.provide(ctx, o, dir)
		if err != nil {
			fmt.Printf("%s: not measured: %s\n", s.name, oneLine(err.Error()))
			b.absent = append(b.absent, missing{s, public(err)})
			continue
		}
		fmt.Printf("%s: %s\n", s.name, version)
		b.available = append(b.available, contender{s, binary, version})
	}
	if len(b.available) == 0 {
		b.close()
		return nil, errors.New("no server to measure")
	}
	return b, nil
}

func (b *bench) close() { os.RemoveAll(b.dir) }

// measure runs all rounds. It ends early only if ctx does.
func (b *bench) measure(ctx context.Context) ([]measurement, error) {
	var all []measurement
	total := b.rounds * len(b.rates) * len(b.available)
	for round := range b.rounds {
		for _, l := range b.rates {
			for i := range b.available {
				c := b.available[(i+round)%len(b.available)]
				m := measurement{server: c.name, load: l, round: round + 1}
				report, err := b.one(ctx, c, l, round+1)
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				m.report, m.failed = report, err
				all = append(all, m)
				fmt.Printf("%d/%d round %d, %s, %s: %s\n", len(all), total, m.round, l, c.name, m.line())
			}
		}
	}
	return all, nil
}

// one starts a server, measures it and stops it.
func (b *bench) one(ctx context.Context, c contender, l load, round int) (report, error) {
	p, err := freePorts()
	if err != nil {
		return report{}, err
	}
	dir, err := os.MkdirTemp(b.dir, c.name+"-")
	if err != nil {
		return report{}, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		return report{}, err
	}
	server, err := start(ctx, c.server, c.binary, dir, p)
	if err != nil {
		return report{}, err
	}
	defer server.stop()
	file := filepath.Join(b.raw, fmt.Sprintf("round%d_rate%d_members%d_%s.json", round, l.rate, l.connections, c.name))
	r, err := b.loadtest(ctx, c, l, p, server.pids(), file)
	if err == nil && !server.alive() {
		err = &failure{"the server ended during the run", fmt.Errorf("it said: %q", server.log.last())}
	}
	return r, err
}

// loadtest runs the load client. That it judges the run to have failed is in its
// report; it is an error only if there is none.
func (b *bench) loadtest(ctx context.Context, c contender, l load, p ports, pids, file string) (report, error) {
	// A report of an earlier bench in the same directory must not pass for this one.
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return report{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute+b.hold+b.drain+time.Duration(b.seconds)*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.barrage, b.arguments(c, l, p, pids, file)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopWithin
	said := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = said, said
	ran := cmd.Run()
	data, err := os.ReadFile(file)
	if err != nil {
		return report{}, &failure{"the load client gave no report", fmt.Errorf("%v: %s", ran, lastLine(said.String()))}
	}
	r, err := parseReport(data)
	if err != nil {
		return report{}, &failure{"the load client's report makes no sense", err}
	}
	return r, nil
}

func (b *bench) arguments(c contender, l load, p ports, pids, file string) []string {
	return []string{
		"loadtest", "room", "--preset", c.preset,
		"--url", "ws://" + p.public, "--publish-url", "http://" + c.publish(p),
		"--connections", strconv.Itoa(l.connections), "--rate", strconv.Itoa(l.rate),
		"--duration", fmt.Sprintf("%ds", b.seconds), "--size", "64",
		"--hold", b.hold.String(), "--drain", b.drain.String(),
		"--pid", pids, "--json", file,
	}
}

func parseReport(data []byte) (report, error) {
	var r report
	if err := json.Unmarshal(data, &r); err != nil {
		return report{}, err
	}
	if r.Connections.Wanted == 0 || r.Messages.Offered == 0 {
		return report{}, errors.New("it has no connections or no messages")
	}
	return r, nil
}

// line is a measurement for the terminal.
func (m measurement) line() string {
	if m.failed != nil {
		return "failed: " + oneLine(m.failed.Error())
	}
	r := m.report
	parts := []string{
		fmt.Sprintf("%s deliveries per CPU-second", thousands(r.Server.DeliveriesPerCPUSecond)),
		fmt.Sprintf("p50 %s ms, p99 %s ms", short(r.Latency.P50), short(r.Latency.P99)),
		fmt.Sprintf("%s bytes a connection", thousands(r.Server.BytesPerConnection.Resident)),
	}
	if lost := r.losses(); lost > 0 {
		parts = append(parts, fmt.Sprintf("%s losses (missing, duplicated, out of order, unpublished, or connections failed)", thousands(lost)))
	}
	return strings.Join(parts, ", ")
}
