package main

// The scenario peers: Barrage and other servers on the same load, in turn. In each
// round the order of the servers is another, so that the machine's moods hit all
// alike.

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"barrage/loadtest/probe"
	"barrage/loadtest/report"
)

type peers struct {
	*bench
	images  string
	rounds  int
	loads   []load
	seconds int
	hold    time.Duration
	drain   time.Duration
	chosen  []server
}

// contender is a server that can be measured.
type contender struct {
	server
	binary  string
	version string
}

// absentee is a server that cannot, and why.
type absentee struct {
	server
	reason string
}

// measurement is one run of the load test against one server.
type measurement struct {
	server string
	load   load
	round  int
	report *report.Report
	failed error // why there is no report; nil if there is
}

func peersFlags(b *bench, flags *flag.FlagSet) func(context.Context) (string, error) {
	p := &peers{bench: b}
	flags.StringVar(&p.images, "images", "", "`folder` to draw the plots in")
	chosen := flags.String("servers", "all", "`names` of servers: "+strings.Join(names(servers()), ","))
	rates := flags.String("rates", "10,100,1000", "messages a second; RATE@N for N connections instead of -connections")
	connections := flags.Int("connections", 10000, "members of the room, at most 19000")
	flags.IntVar(&p.rounds, "rounds", 5, "how often each server is measured at each rate")
	flags.IntVar(&p.seconds, "seconds", 5, "how long messages are published")
	flags.DurationVar(&p.hold, "hold", 3*time.Second, "silence before memory is read and publishing starts")
	flags.DurationVar(&p.drain, "drain", 30*time.Second, "how long messages may still arrive after the last was published")
	return func(ctx context.Context) (string, error) {
		var err, bad error
		if p.chosen, err = choose(*chosen); err != nil {
			bad = errors.Join(bad, err)
		}
		if p.loads, err = parseRates(*rates, *connections); err != nil {
			bad = errors.Join(bad, err)
		}
		if p.rounds < 1 || p.seconds < 1 || p.hold < 0 || p.drain <= 0 {
			bad = errors.Join(bad, errors.New("-rounds, -seconds and -drain must be positive, -hold not negative"))
		}
		if bad != nil {
			return "", bad
		}
		return p.run(ctx)
	}
}

func (p *peers) run(ctx context.Context) (string, error) {
	r := results{seconds: p.seconds, drain: p.drain.String(), rounds: p.rounds, loads: p.loads}
	for _, s := range p.chosen {
		c, err := p.provide(ctx, s)
		if err != nil {
			fmt.Printf("%s: not measured: %s\n", s.name, oneLine(err.Error()))
			r.absent = append(r.absent, absentee{s, public(err)})
			continue
		}
		fmt.Printf("%s: %s\n", s.name, c.version)
		r.available = append(r.available, c)
	}
	if len(r.available) == 0 {
		return "", errors.New("no server to measure")
	}
	fmt.Println(p.estimate(len(r.available)))
	var err error
	if r.runs, err = p.measure(ctx, r.available); err != nil {
		return "", err
	}
	r.about = p.about(probe.ReadEnvironment("", commit(ctx)), time.Now())
	if p.images != "" {
		err = r.draw(p.images, p.document)
	}
	return r.section(), err
}

// estimate says how long it will take: connecting at 5,000 to 15,000 a second, 2
// to 4 seconds around it, and a drain of none to all.
func (p *peers) estimate(servers int) string {
	var least, most time.Duration
	for _, l := range p.loads {
		fixed := p.hold + time.Duration(p.seconds)*time.Second
		least += fixed + 2*time.Second + time.Duration(l.connections)*time.Second/15000
		most += fixed + 4*time.Second + time.Duration(l.connections)*time.Second/5000 + p.drain
	}
	n := time.Duration(servers * p.rounds)
	return fmt.Sprintf("%d servers, %d rates, %d rounds: %d runs, %s to %s",
		servers, len(p.loads), p.rounds, servers*len(p.loads)*p.rounds,
		(n * least).Round(time.Minute), (n * most).Round(time.Minute))
}

// measure runs all rounds. It ends early only if ctx does.
func (p *peers) measure(ctx context.Context, available []contender) ([]measurement, error) {
	var all []measurement
	for round := range p.rounds {
		for _, l := range p.loads {
			for i := range available {
				c := available[(i+round)%len(available)]
				m := measurement{server: c.name, load: l, round: round + 1}
				m.report, m.failed = p.one(ctx, c, l, round+1)
				p.stop()
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				all = append(all, m)
				fmt.Printf("%d/%d round %d, %s, %s: %s\n", len(all), p.rounds*len(p.loads)*len(available), m.round, l, c.name, m.line())
			}
		}
	}
	return all, nil
}

// one starts a server and measures it.
func (p *peers) one(ctx context.Context, c contender, l load, round int) (*report.Report, error) {
	name := fmt.Sprintf("round%d_rate%d_members%d_%s", round, l.rate, l.connections, c.name)
	n, err := p.serve(ctx, c, name)
	if err != nil {
		return nil, err
	}
	r, err := p.load(ctx, name, p.barrage, io.Discard, "room", "--preset", c.preset,
		"--url", "ws://"+n.public, "--publish-url", "http://"+n.admin,
		"--connections", strconv.Itoa(l.connections), "--rate", strconv.Itoa(l.rate),
		"--duration", fmt.Sprintf("%ds", p.seconds), "--size", "64",
		"--hold", p.hold.String(), "--drain", p.drain.String(), "--plain", "--pid", join(n.pids()))
	if err == nil && !n.alive() {
		err = &failure{"the server ended during the run", fmt.Errorf("it said %q", lastLine(n.log))}
	}
	return r, err
}

// line is a measurement for the terminal.
func (m measurement) line() string {
	if m.failed != nil {
		return "failed: " + oneLine(m.failed.Error())
	}
	var parts []string
	for _, f := range columns() {
		parts = append(parts, f.title+" "+f.number(f.of(m.report)))
	}
	if lost := losses(m.report); lost > 0 {
		parts = append(parts, fmt.Sprintf("%s losses (missing, duplicated, out of order, unpublished, or connections failed or closed)", thousands(float64(lost))))
	}
	return strings.Join(parts, ", ")
}

// draw makes the plots, and notes where they are, seen from the document.
func (r *results) draw(images, document string) error {
	from, err := filepath.Abs(filepath.Dir(document))
	if err != nil {
		return err
	}
	to, err := filepath.Abs(images)
	if err != nil {
		return err
	}
	if r.images, err = filepath.Rel(from, to); err != nil {
		return err
	}
	if err := os.MkdirAll(images, 0o755); err != nil {
		return err
	}
	for _, p := range r.plots() {
		if err := os.WriteFile(filepath.Join(images, p.file), p.svg(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// oneLine makes text fit for a line of a list.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
