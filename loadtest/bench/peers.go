package main

// The scenario peers: Barrage and other servers on the same load, in turn.

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"

	"barrage/loadtest/report"
)

type peers struct {
	*bench
	images      string
	rounds      int
	loads       []load
	seconds     int
	hold, drain time.Duration

	subjects []subject
	tasks    []task   // of each load
	absent   []string // who cannot be measured, and why
}

func peersFlags(b *bench, flags *flag.FlagSet) measurement {
	p := &peers{bench: b}
	flags.StringVar(&p.images, "images", "", "`folder` to draw the plots in")
	chosen := flags.String("servers", "all", "`names` of servers: "+strings.Join(names(servers), ","))
	rates := flags.String("rates", "10,100,1000", "messages a second; RATE@N for N connections instead of -connections")
	connections := flags.Int("connections", 10000, "members of the room, at most 19000")
	flags.IntVar(&p.rounds, "rounds", 5, "how often each server is measured at each rate")
	flags.IntVar(&p.seconds, "seconds", 5, "how long messages are published")
	flags.DurationVar(&p.hold, "hold", 3*time.Second, "silence before memory is read and publishing starts")
	flags.DurationVar(&p.drain, "drain", 30*time.Second, "how long messages may still arrive after the last was published")
	return func(ctx context.Context) (title, body string, err error) {
		if p.rounds < 1 || p.seconds < 1 || p.hold < 0 || p.drain <= 0 {
			err = errors.New("-rounds, -seconds and -drain must be positive, -hold not negative")
		}
		wanted, bad := choose(*chosen)
		err = errors.Join(err, bad)
		p.loads, bad = parseRates(*rates, *connections)
		if err = errors.Join(err, bad); err != nil {
			return "", "", err
		}
		return p.run(ctx, wanted)
	}
}

func (p *peers) run(ctx context.Context, wanted []server) (title, body string, err error) {
	for _, one := range wanted {
		s, err := p.provide(ctx, one)
		if err != nil {
			fmt.Printf("%s: not measured: %s\n", one.name, oneLine(err.Error()))
			p.absent = append(p.absent, fmt.Sprintf("- %s: %s\n", one.title, oneLine(public(err))))
			continue
		}
		fmt.Printf("%s: %s\n", s.name, s.version)
		p.subjects = append(p.subjects, s)
	}
	if len(p.subjects) == 0 {
		return "", "", errors.New("no server to measure")
	}
	for _, l := range p.loads {
		p.tasks = append(p.tasks, p.task(l))
	}
	fmt.Println(p.estimate())
	if err := p.measure(ctx, p.tasks, p.rounds); err != nil {
		return "", "", err
	}
	plots := ""
	if p.images != "" {
		plots, err = p.draw()
	}
	return "Barrage and its peers", p.section(plots), err
}

// estimate says how long it will take: connecting at 5,000 to 15,000 a second, 2
// to 4 seconds around it, and a drain of none to all.
func (p *peers) estimate() string {
	var least, most time.Duration
	for _, l := range p.loads {
		fixed := p.hold + time.Duration(p.seconds)*time.Second
		least += fixed + 2*time.Second + time.Duration(l.connections)*time.Second/15000
		most += fixed + 4*time.Second + time.Duration(l.connections)*time.Second/5000 + p.drain
	}
	n := time.Duration(len(p.subjects) * p.rounds)
	return fmt.Sprintf("%d servers, %d rates, %d rounds: %d runs, %s to %s", len(p.subjects), len(p.loads), p.rounds,
		int(n)*len(p.loads), (n * least).Round(time.Minute), (n * most).Round(time.Minute))
}

func (p *peers) task(l load) task {
	return task{
		name: l.file(), title: l.String(), figures: []figure{resident, perCPU, p50, p99},
		subjects: p.subjects, cells: make([]cell, len(p.subjects)),
		run: func(ctx context.Context, name string, s subject) (*report.Report, error) {
			n, err := p.serve(ctx, s, name)
			if err != nil {
				return nil, err
			}
			return p.load(ctx, name, n, "room", "--url", "ws://"+n.public, "--preset", s.preset,
				"--connections", strconv.Itoa(l.connections), "--rate", strconv.Itoa(l.rate), "--size", "64",
				"--duration", fmt.Sprintf("%ds", p.seconds), "--hold", p.hold.String(), "--drain", p.drain.String())
		},
	}
}
