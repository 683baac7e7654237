package main

// The scenario versus: two sides in alternating pairs on one machine, whose speed
// drifts. Only what was measured right after each other is compared.

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"barrage/loadtest/probe"
	"barrage/loadtest/report"
)

type versus struct {
	*bench
	base      string // "" compares protocols instead
	rounds    int
	parts     []part
	protocols []string
	duration  time.Duration
	hold      time.Duration
	parked    int
	rest      time.Duration
	viewers   int
	latency   time.Duration
	server    string // words before the servers' command
	client    string // and the load test's
}

// side is one of the two that are compared.
type side struct {
	title  string
	binary string
	preset string // of the load test
}

const raw, v1 = "barrage", "barrage.v1" // presets

// pair is two sides.
type pair struct {
	title string
	sides [2]side
}

// part is one kind of measurement.
type part struct {
	name, title string
	run         func(ctx context.Context, v *versus, name string, s side) (*report.Report, error)
	figures     []figure
}

func versusFlags(b *bench, flags *flag.FlagSet) func(context.Context) (string, error) {
	v := &versus{bench: b}
	flags.StringVar(&v.base, "base", "", "`commit`, or path of a binary, to compare with; without it, raw connections and those of barrage.v1 are compared")
	flags.IntVar(&v.rounds, "rounds", 7, "how many pairs of each measurement")
	parts := flags.String("parts", "room,idle", "what is measured: room (deliveries), idle (connects and memory), nodes (two nodes that share a Redis)")
	protocols := flags.String("protocols", raw+","+v1, "with -base: of which protocols")
	rates := flags.String("rates", "10,100,1000", "room: messages a second; RATE@N for N members instead of -connections")
	connections := flags.Int("connections", 10000, "room: members, at most 19000")
	flags.DurationVar(&v.duration, "duration", 5*time.Second, "room: how long messages are published")
	flags.DurationVar(&v.hold, "hold", 2*time.Second, "room: rest before the first message")
	flags.IntVar(&v.parked, "idle", 18000, "idle: connections, at most 19000")
	flags.DurationVar(&v.rest, "rest", 45*time.Second, "idle: how long they rest")
	flags.IntVar(&v.viewers, "viewers", 200, "nodes: viewers")
	flags.DurationVar(&v.latency, "latency", 10*time.Second, "nodes: how long 100 messages a second are published on the other node")
	flags.StringVar(&v.server, "server", "", "words before the servers' command, such as taskset -c 0")
	flags.StringVar(&v.client, "client", "", "words before the load test's, such as taskset -c 1")
	return func(ctx context.Context) (string, error) {
		loads, err := parseRates(*rates, *connections)
		if err != nil {
			return "", err
		}
		if v.parts, err = chooseParts(*parts, loads); err != nil {
			return "", err
		}
		if v.rounds < 1 || v.parked < 1 || v.parked > maxConnections {
			return "", fmt.Errorf("-rounds must be positive, and -idle from 1 to %d", maxConnections)
		}
		v.protocols = strings.Split(*protocols, ",")
		return v.measure(ctx)
	}
}

func chooseParts(names string, loads []load) (parts []part, err error) {
	for name := range strings.SplitSeq(names, ",") {
		switch name {
		case "room":
			for _, l := range loads {
				parts = append(parts, roomPart(l))
			}
		case "idle":
			parts = append(parts, idlePart())
		case "nodes":
			parts = append(parts, nodesPart())
		default:
			return nil, fmt.Errorf("-parts: there is no %q, but room, idle and nodes", name)
		}
	}
	return parts, nil
}

func roomPart(l load) part {
	return part{
		name: fmt.Sprintf("room-%d-%d", l.rate, l.connections), title: l.String(),
		run: func(ctx context.Context, v *versus, name string, s side) (*report.Report, error) {
			n, err := v.startNode(ctx, name, v.command(s), nil)
			if err != nil {
				return nil, err
			}
			return v.loadOf(ctx, name, s, n, "room", "--url", "ws://"+n.public,
				"--connections", strconv.Itoa(l.connections), "--rate", strconv.Itoa(l.rate),
				"--duration", v.duration.String(), "--hold", v.hold.String())
		},
		figures: []figure{
			perCPU(), p50(), p99(),
			{title: "bytes received per copy", number: short, of: func(r *report.Report) float64 { return r.Messages.BytesPerCopy }},
		},
	}
}

// idlePart has members of one room that rest. Raw ones are anonymous; each of
// barrage.v1 is a user of its own, with a token, and joins with presence.
func idlePart() part {
	return part{
		name: "idle", title: "idle",
		run: func(ctx context.Context, v *versus, name string, s side) (*report.Report, error) {
			var env, flags []string
			path := ""
			if s.preset == v1 {
				secret := filepath.Join(v.work, "secret")
				if err := writeSecret(secret); err != nil {
					return nil, err
				}
				env, path = []string{"BARRAGE_AUTH_SECRET_FILE=" + secret}, "/ws"
				flags = []string{"--auth-secret-file", secret, "--open-text", `{"id":1,"cmd":"join","room":"{room}","presence":true}`}
			}
			n, err := v.startNode(ctx, name, v.command(s), env)
			if err != nil {
				return nil, err
			}
			return v.loadOf(ctx, name, s, n, append([]string{"idle", "--url", "ws://" + n.public + path,
				"--connections", strconv.Itoa(v.parked), "--hold", v.rest.String()}, flags...)...)
		},
		figures: []figure{
			connects(),
			{title: "server CPU for each connect, µs", number: short, of: func(r *report.Report) float64 {
				return 1e6 * r.Server.ConnectCPUSeconds / float64(max(r.Connections.Opened, 1))
			}},
			resident(),
			{title: "kernel bytes for each, both ends", number: thousands, of: func(r *report.Report) float64 { return r.Server.BytesPerConnection.Kernel }},
		},
	}
}

func writeSecret(file string) error {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails
	return os.WriteFile(file, []byte(base64.StdEncoding.EncodeToString(key[:])), 0o600)
}

// nodesPart is the way of a message through two nodes and their Redis.
func nodesPart() part {
	return part{
		name: "nodes", title: "two nodes",
		run: func(ctx context.Context, v *versus, name string, s side) (*report.Report, error) {
			redis, err := v.startRedis(ctx)
			if err != nil {
				return nil, err
			}
			near, err := v.startNode(ctx, name+"-a", v.command(s), nil, "--redis", redis)
			if err != nil {
				return nil, err
			}
			far, err := v.startNode(ctx, name+"-b", v.command(s), nil, "--redis", redis)
			if err != nil {
				return nil, err
			}
			return v.loadOf(ctx, name, s, near, "room", "--url", "ws://"+far.public,
				"--connections", strconv.Itoa(v.viewers), "--rate", "100", "--duration", v.latency.String())
		},
		figures: []figure{
			p50(), p99(),
			{title: "publishing behind at worst, ms", number: short, of: func(r *report.Report) float64 { return r.Messages.PublishLagMax }},
		},
	}
}

func (v *versus) command(s side) string { return v.server + " " + s.binary }

// loadOf runs the load test, which publishes on node n and watches all servers.
func (v *versus) loadOf(ctx context.Context, name string, s side, n node, args ...string) (*report.Report, error) {
	var pids []int
	for _, p := range v.running {
		pids = append(pids, p.pids()...)
	}
	return v.load(ctx, name, v.client+" "+v.barrage, io.Discard, append(args,
		"--preset", s.preset, "--publish-url", "http://"+n.admin, "--plain", "--pid", join(pids))...)
}

// pairs are what is compared with what.
func (v *versus) pairs(ctx context.Context) ([]pair, error) {
	if v.base == "" {
		return []pair{{"barrage.v1 beside raw", [2]side{{"raw", v.barrage, raw}, {v1, v.barrage, v1}}}}, nil
	}
	binary, err := v.provideBase(ctx)
	if err != nil {
		return nil, err
	}
	var all []pair
	for _, preset := range v.protocols {
		if preset != raw && preset != v1 {
			return nil, fmt.Errorf("-protocols: there is no %q, but %s and %s", preset, raw, v1)
		}
		title := preset
		if preset == raw {
			title = "raw"
		}
		all = append(all, pair{title, [2]side{{"before", binary, preset}, {"now", v.barrage, preset}}})
	}
	return all, nil
}

// provideBase returns the binary to compare with, built of a commit if need be.
func (v *versus) provideBase(ctx context.Context) (binary string, err error) {
	if info, err := os.Stat(v.base); err == nil && info.Mode().IsRegular() {
		return v.base, nil
	}
	tree, binary := filepath.Join(v.work, "base"), filepath.Join(v.work, "barrage-base")
	if _, err := output(ctx, "git", "worktree", "add", "--detach", tree, v.base); err != nil {
		return "", fmt.Errorf("-base %q is neither a binary nor a commit: %w", v.base, err)
	}
	fmt.Println("building", v.base)
	_, err = output(ctx, "go", "build", "-C", tree, "-trimpath", "-ldflags", "-X main.version="+v.base, "-o", binary, "./cmd/barrage")
	_, removed := output(context.WithoutCancel(ctx), "git", "worktree", "remove", "--force", tree)
	return binary, errors.Join(err, removed)
}

// outcome is the reports of one part of one pair: of each side, by round; nil for
// those that failed.
type outcome struct {
	reports  [2][]*report.Report
	failures [2][]string
}

func (v *versus) measure(ctx context.Context) (string, error) {
	pairs, err := v.pairs(ctx)
	if err != nil {
		return "", err
	}
	results := make([][]outcome, len(pairs))
	for i := range results {
		results[i] = make([]outcome, len(v.parts))
	}
	for round := range v.rounds {
		for i, p := range pairs {
			for j, part := range v.parts {
				if err := v.both(ctx, p, part, round, &results[i][j]); err != nil {
					return "", err
				}
			}
		}
	}
	return v.section(ctx, pairs, results), nil
}

// both measures both sides, the second first in every other round.
func (v *versus) both(ctx context.Context, p pair, what part, round int, to *outcome) error {
	order := []int{0, 1}
	if round%2 == 1 {
		slices.Reverse(order)
	}
	for _, k := range order {
		s := p.sides[k]
		name := fmt.Sprintf("%s-%s-%s-%d", what.name, s.preset, s.title, round+1)
		r, err := what.run(ctx, v, name, s)
		v.stop()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		line := ""
		if err != nil {
			to.failures[k] = append(to.failures[k], public(err))
			line = "failed: " + err.Error()
		} else {
			line = what.figures[0].title + " " + what.figures[0].number(what.figures[0].of(r))
		}
		to.reports[k] = append(to.reports[k], r)
		fmt.Printf("round %d of %d, %s, %s, %s: %s\n", round+1, v.rounds, p.title, what.title, s.title, line)
	}
	return nil
}

func (v *versus) section(ctx context.Context, pairs []pair, results [][]outcome) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## Two sides in turn\n\n%s\nRounds: %d, each side first in every other one; medians [smallest to largest], ratios and differences of what was measured in turn.\n",
		v.about(probe.ReadEnvironment("", commit(ctx)), time.Now()), v.rounds)
	if v.base != "" {
		for _, s := range pairs[0].sides {
			version, _, _ := strings.Cut(first(output(ctx, s.binary, "version")), "\n")
			fmt.Fprintf(&b, "%s: %s. ", s.title, version)
		}
		b.WriteString("\n")
	}
	for i, p := range pairs {
		t := table{{p.title, p.sides[0].title, p.sides[1].title, "times", "plus"}}
		var notes []string
		for j, part := range v.parts {
			o := &results[i][j]
			for _, f := range part.figures {
				t.row(o.cells(part.title+": "+f.title, f)...)
			}
			notes = append(notes, o.notes(part, p)...)
		}
		if len(notes) == 0 {
			notes = []string{"Nothing was lost, duplicated, out of order, refused or closed in any run."}
		}
		fmt.Fprintf(&b, "\n%s\n%s\n", t, strings.Join(notes, "\n"))
	}
	return b.String()
}

func first(text string, _ error) string { return text }

// cells is the row of a figure.
func (o *outcome) cells(title string, f figure) []string {
	var values [2][]float64
	var times, plus []float64
	for round := range o.reports[0] {
		var v [2]float64
		for k := range v {
			if r := o.reports[k][round]; r != nil {
				v[k] = f.of(r)
			}
			values[k] = append(values[k], v[k])
		}
		if v[0] > 0 && v[1] > 0 {
			times, plus = append(times, v[1]/v[0]), append(plus, v[1]-v[0])
		}
	}
	hundredths := func(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }
	return []string{title, ranged(statOf(positive(values[0])), f.number), ranged(statOf(positive(values[1])), f.number),
		ranged(statOf(times), hundredths), ranged(statOf(plus), f.number)}
}

// notes are what the figures do not say.
func (o *outcome) notes(what part, p pair) (notes []string) {
	for k, s := range p.sides {
		lost, runs := uint64(0), 0
		for _, r := range o.reports[k] {
			if r != nil && losses(r) > 0 {
				lost, runs = lost+losses(r), runs+1
			}
		}
		if runs > 0 {
			notes = append(notes, fmt.Sprintf("- %s, %s: %d of %d runs with losses, %s in all (copies missing, duplicated or out of order, messages not taken, connections failed or closed)",
				what.title, s.title, runs, len(o.reports[k]), thousands(float64(lost))))
		}
		if n := len(o.failures[k]); n > 0 {
			notes = append(notes, fmt.Sprintf("- %s, %s: %d of %d runs failed: %s", what.title, s.title, n, len(o.reports[k]), o.failures[k][0]))
		}
	}
	return notes
}
