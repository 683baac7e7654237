// Bench compares Barrage with other servers: the same scenario, the same load
// client, in turn, several rounds. It builds what can be built, measures, and
// writes a section of BENCHMARKS.md and its plots.
//
// Each measurement starts a server, runs `barrage loadtest room` against it once,
// and stops it; in each round the order of the servers is another, so that the
// machine's moods hit all alike. Nothing is left out in silence: a server that
// cannot be had, a run that failed and a message that did not arrive are all in
// the section. So is each column in which Barrage is not the best.
//
// It runs one thing at a time, in one goroutine beside those of os/exec.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxConnections is what fits into one process with the hard limit of open files
// that containers often have, 20,000.
const maxConnections = 19000

// options is the command line.
type options struct {
	barrage string
	out     string
	images  string
	raw     string
	given   []string // the flags given that say what was measured, not where to write

	servers     []server
	rounds      int
	connections int
	rates       []load
	seconds     int
	hold        time.Duration
	drain       time.Duration
}

// load is what is published to how many.
type load struct {
	rate        int // messages a second
	connections int
}

func (l load) String() string {
	return thousands(float64(l.rate)) + "/s to " + thousands(float64(l.connections))
}

func main() {
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if o.raw == "" {
		dir, err := os.MkdirTemp("", "bench-peers-")
		if err != nil {
			return err
		}
		o.raw = dir
	}
	if err := os.MkdirAll(o.raw, 0o755); err != nil {
		return err
	}
	fmt.Printf("reports: %s\n", o.raw)
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer b.close()
	fmt.Println(o.estimate(len(b.available)))
	runs, err := b.measure(ctx)
	if err != nil {
		return err
	}
	return write(ctx, o, b.available, b.absent, runs)
}

func parse(args []string) (options, error) {
	o := options{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.barrage, "barrage", "../../bin/barrage", "the barrage `binary`: server and load client")
	flags.StringVar(&o.out, "out", "../../BENCHMARKS.md", "Markdown `file` whose marked section is written")
	flags.StringVar(&o.images, "images", "../../docs/images", "`directory` of the plots")
	flags.StringVar(&o.raw, "raw", "", "`directory` that keeps the JSON reports (default a temporary one)")
	servers := flags.String("servers", "all", "`names` of servers: "+strings.Join(names(servers()), ","))
	rates := flags.String("rates", "10,100,1000", "messages a second; RATE@N for N connections instead of -connections")
	flags.IntVar(&o.rounds, "rounds", 5, "how often each server is measured at each rate")
	flags.IntVar(&o.connections, "connections", 10000, "members of the room, at most 19000")
	flags.IntVar(&o.seconds, "seconds", 5, "how long messages are published")
	flags.DurationVar(&o.hold, "hold", 3*time.Second, "silence before memory is read and publishing starts")
	flags.DurationVar(&o.drain, "drain", 30*time.Second, "how long messages may still arrive after the last was published")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	flags.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "barrage", "out", "images", "raw":
		default:
			o.given = append(o.given, "-"+f.Name+" "+f.Value.String())
		}
	})
	var err, bad error
	if o.servers, err = choose(*servers); err != nil {
		bad = errors.Join(bad, err)
	}
	if o.rates, err = parseRates(*rates, o.connections); err != nil {
		bad = errors.Join(bad, err)
	}
	if o.rounds < 1 || o.seconds < 1 || o.hold < 0 || o.drain <= 0 {
		bad = errors.Join(bad, errors.New("-rounds, -seconds and -drain must be positive, -hold not negative"))
	}
	return o, bad
}

func parseRates(list string, connections int) ([]load, error) {
	var loads []load
	for _, item := range strings.Split(list, ",") {
		rate, members, own := strings.Cut(strings.TrimSpace(item), "@")
		l := load{connections: connections}
		var err error
		if l.rate, err = strconv.Atoi(rate); err != nil || l.rate < 1 {
			return nil, fmt.Errorf("-rates: %q is no number of messages a second", item)
		}
		if own {
			if l.connections, err = strconv.Atoi(members); err != nil {
				return nil, fmt.Errorf("-rates: %q has no number of connections", item)
			}
		}
		if l.connections < 1 || l.connections > maxConnections {
			return nil, fmt.Errorf("-connections: %d is not from 1 to %d", l.connections, maxConnections)
		}
		loads = append(loads, l)
	}
	return loads, nil
}

// estimate says how long it will take: connecting at 5,000 to 15,000 a second, 2
// to 4 seconds around it, and a drain of none to all.
func (o options) estimate(servers int) string {
	var least, most time.Duration
	for _, l := range o.rates {
		fixed := o.hold + time.Duration(o.seconds)*time.Second
		least += fixed + 2*time.Second + time.Duration(l.connections)*time.Second/15000
		most += fixed + 4*time.Second + time.Duration(l.connections)*time.Second/5000 + o.drain
	}
	n := time.Duration(servers * o.rounds)
	return fmt.Sprintf("%d servers, %d rates, %d rounds: %d runs, %s to %s",
		servers, len(o.rates), o.rounds, servers*len(o.rates)*o.rounds,
		(n * least).Round(time.Minute), (n * most).Round(time.Minute))
}
