package main

// The scenario versus: two sides in alternating pairs on one machine, whose speed
// drifts. Only what was measured right after each other is compared.

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"barrage/loadtest/report"
)

type versus struct {
	*bench
	base             string // "" compares protocols instead
	rounds, parked   int
	loads            []load
	parts, protocols []string
	duration, hold   time.Duration
	rest             time.Duration
	viewers          int
	latency          time.Duration
}

// pair is two sides, each a build and a protocol, and what is measured of them.
type pair struct {
	title string
	sides [2]subject
	tasks []task
}

func versusFlags(b *bench, flags *flag.FlagSet) measurement {
	v := &versus{bench: b}
	flags.StringVar(&v.base, "base", "", "`commit`, or path of a binary, to compare with; without it, those of -protocols are compared with raw")
	flags.IntVar(&v.rounds, "rounds", 7, "how many pairs of each measurement")
	parts := flags.String("parts", "room,idle", "what is measured: room (deliveries), idle (connects and memory), nodes (two nodes that share a Redis)")
	protocols := flags.String("protocols", raw+","+v1, "of which protocols: "+raw+", "+v1+", "+sse+" and "+tcp)
	rates := flags.String("rates", "10,100,1000", "room: messages a second; RATE@N for N members instead of -connections")
	connections := flags.Int("connections", 10000, "room: members, at most 19000")
	flags.DurationVar(&v.duration, "duration", 5*time.Second, "room: how long messages are published")
	flags.DurationVar(&v.hold, "hold", 2*time.Second, "room: rest before the first message")
	flags.IntVar(&v.parked, "idle", 18000, "idle: connections, at most 19000")
	flags.DurationVar(&v.rest, "rest", 45*time.Second, "idle: how long they rest")
	flags.IntVar(&v.viewers, "viewers", 200, "nodes: viewers")
	flags.DurationVar(&v.latency, "latency", 10*time.Second, "nodes: how long 100 messages a second are published on the other node")
	flags.StringVar(&b.server, "server", "", "words before the servers' command, such as taskset -c 0")
	flags.StringVar(&b.client, "client", "", "words before the load test's, such as taskset -c 1")
	return func(ctx context.Context) (title, body string, err error) {
		if v.loads, err = parseRates(*rates, *connections); err != nil {
			return "", "", err
		}
		if v.rounds < 1 || v.parked < 1 || v.parked > maxConnections {
			return "", "", fmt.Errorf("-rounds must be positive, and -idle from 1 to %d", maxConnections)
		}
		v.parts, v.protocols = strings.Split(*parts, ","), strings.Split(*protocols, ",")
		return v.run(ctx)
	}
}

func (v *versus) run(ctx context.Context) (title, body string, err error) {
	var parts []task
	for _, name := range v.parts {
		switch name {
		case "room":
			for _, l := range v.loads {
				parts = append(parts, v.room(l))
			}
		case "idle":
			parts = append(parts, v.idle())
		case "nodes":
			parts = append(parts, v.nodes())
		default:
			return "", "", fmt.Errorf("-parts: there is no %q, but room, idle and nodes", name)
		}
	}
	pairs, err := v.pairs(ctx)
	if err != nil {
		return "", "", err
	}
	var all []task
	for i := range pairs {
		p := &pairs[i]
		for _, t := range parts {
			t.subjects, t.cells = p.sides[:], make([]cell, len(p.sides))
			p.tasks = append(p.tasks, t)
		}
		all = append(all, p.tasks...)
	}
	if err := v.measure(ctx, all, v.rounds); err != nil {
		return "", "", err
	}
	return "Two sides in turn", v.section(pairs), nil
}

func (v *versus) room(l load) task {
	return task{
		name: l.file(), title: l.String(), figures: []figure{perCPU, p50, p99, perCopy},
		run: func(ctx context.Context, name string, s subject) (*report.Report, error) {
			n, err := v.startFor(ctx, s.preset, name, s.binary, nil)
			if err != nil {
				return nil, err
			}
			return v.load(ctx, name, n, "room", "--url", n.url(s.preset), "--preset", s.preset,
				"--connections", strconv.Itoa(l.connections), "--rate", strconv.Itoa(l.rate),
				"--duration", v.duration.String(), "--hold", v.hold.String())
		},
	}
}

// idle has members of one room that rest. Raw ones, event streams and those of plain TCP are anonymous; each of barrage.v1
// is a user of its own, with a token, and joins with presence.
func (v *versus) idle() task {
	return task{
		name: "idle", title: "idle", figures: []figure{connects, connectCPU, resident, kernel},
		run: func(ctx context.Context, name string, s subject) (*report.Report, error) {
			var env, flags []string
			path := ""
			if s.preset == v1 {
				secret := filepath.Join(v.work, "secret")
				if err := os.WriteFile(secret, []byte(rand.Text()+rand.Text()), 0o600); err != nil {
					return nil, err
				}
				env, path = []string{"BARRAGE_AUTH_SECRET_FILE=" + secret}, "/ws"
				flags = []string{"--auth-secret-file", secret, "--open-text", `{"id":1,"cmd":"join","room":"{room}","presence":true}`}
			}
			n, err := v.startFor(ctx, s.preset, name, s.binary, env)
			if err != nil {
				return nil, err
			}
			return v.load(ctx, name, n, append([]string{"idle", "--url", n.url(s.preset) + path, "--preset", s.preset,
				"--connections", strconv.Itoa(v.parked), "--hold", v.rest.String()}, flags...)...)
		},
	}
}

// nodes is the way of a message through two nodes and their Redis.
func (v *versus) nodes() task {
	return task{
		name: "nodes", title: "two nodes", figures: []figure{p50, p99, publishLag},
		run: func(ctx context.Context, name string, s subject) (*report.Report, error) {
			redis, err := v.startRedis(ctx)
			if err != nil {
				return nil, err
			}
			near, err := v.startNode(ctx, name+"-a", s.binary, nil, "--redis", redis)
			if err != nil {
				return nil, err
			}
			far, err := v.startFor(ctx, s.preset, name+"-b", s.binary, nil, "--redis", redis)
			if err != nil {
				return nil, err
			}
			return v.load(ctx, name, near, "room", "--url", far.url(s.preset), "--preset", s.preset,
				"--connections", strconv.Itoa(v.viewers), "--rate", "100", "--duration", v.latency.String())
		},
	}
}

// pairs are what is compared with what.
func (v *versus) pairs(ctx context.Context) (all []pair, err error) {
	side := func(title, binary, preset string) subject {
		s, bad := barrage(ctx, server{name: preset + "-" + title, title: title, preset: preset}, binary)
		err = errors.Join(err, bad)
		return s
	}
	titles := map[string]string{raw: "raw", v1: v1, sse: "sse", tcp: "tcp"}
	for _, preset := range v.protocols {
		if titles[preset] == "" {
			return nil, fmt.Errorf("-protocols: there is no %q, but %s, %s, %s and %s", preset, raw, v1, sse, tcp)
		}
	}
	if v.base == "" {
		for _, other := range v.protocols {
			if other != raw {
				all = append(all, pair{title: titles[other] + " beside raw", sides: [2]subject{side("raw", v.barrage, raw), side(titles[other], v.barrage, other)}})
			}
		}
		return all, err
	}
	base, err := v.provideBase(ctx)
	if err != nil {
		return nil, err
	}
	for _, preset := range v.protocols {
		all = append(all, pair{title: titles[preset], sides: [2]subject{side("before", base, preset), side("now", v.barrage, preset)}})
	}
	return all, err
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
	_, err = output(ctx, "go", "build", "-C", tree, "-trimpath", "-ldflags", "-X barrage/internal/build.version="+v.base, "-o", binary, "./cmd/barrage")
	_, removed := output(context.WithoutCancel(ctx), "git", "worktree", "remove", "--force", tree)
	return binary, errors.Join(err, removed)
}

func (v *versus) section(pairs []pair) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Rounds: %d, each side first in every other one; medians [smallest to largest], ratios and differences of what was measured in turn.\n", v.rounds)
	if v.base != "" {
		before, now := pairs[0].sides[0], pairs[0].sides[1]
		fmt.Fprintf(&b, "before: barrage %s. now: barrage %s.\n", before.version, now.version)
	}
	for _, p := range pairs {
		t := table{{p.title, p.sides[0].title, p.sides[1].title, "times", "plus"}}
		var notes []string
		for _, task := range p.tasks {
			for _, f := range task.figures {
				t.row(compared(task.title+": "+f.title, f, &task.cells[0], &task.cells[1])...)
			}
			for i, s := range p.sides {
				for _, note := range task.cells[i].notes() {
					notes = append(notes, "- "+task.title+", "+s.title+": "+note)
				}
			}
		}
		if len(notes) == 0 {
			notes = []string{"Nothing was lost, duplicated, out of order, refused or closed in any run."}
		}
		fmt.Fprintf(&b, "\n%s\n%s\n", t, strings.Join(notes, "\n"))
	}
	return b.String()
}

// compared is the row of a figure.
func compared(title string, f figure, one, other *cell) []string {
	var times, plus []float64
	others := other.values(f)
	for i, v := range one.values(f) {
		if w := others[i]; v > 0 && w > 0 {
			times, plus = append(times, w/v), append(plus, w-v)
		}
	}
	hundredths := func(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }
	return []string{title, ranged(one.stat(f), f.number), ranged(other.stat(f), f.number), ranged(statOf(times), hundredths), ranged(statOf(plus), f.number)}
}
