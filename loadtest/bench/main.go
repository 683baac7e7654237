// Bench measures Barrage as its documents tell it, in scenarios:
//
//	peers    Barrage and other servers, those of loadtest/peers, on the same load
//	versus   two builds of Barrage in turn, or other connections of one beside raw ones
//	cluster  many viewers over several nodes that share a Redis
//	vm       memory of hundreds of thousands of connections, in a QEMU guest
//	hostile  what attackers can do to honest viewers (loadtest/hostile)
//
// Each starts its servers, runs `barrage loadtest` against them, stops them, and
// prints tables; -document has them written into a Markdown file. What a server or
// the load test says is kept in the folder -out. Nothing is left out in silence: a
// run that failed and a message that did not arrive are in the tables.
//
// It measures one thing at a time, in one goroutine beside those of os/exec. What
// it has started ends before it does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"barrage/loadtest/hostile"
	"barrage/loadtest/probe"
)

// measurement is what a scenario does when its flags are parsed. It returns the title of
// a section and its Markdown, with an error or without.
type measurement func(context.Context) (title, body string, err error)

// scenario is something to measure. flags declares its flags.
type scenario struct {
	name  string
	flags func(*bench, *flag.FlagSet) measurement
}

func scenarios() []scenario {
	return []scenario{{"versus", versusFlags}, {"peers", peersFlags}, {"cluster", clusterFlags}, {"vm", vmFlags}, {"hostile", hostileFlags}}
}

// bench is one run of a scenario.
type bench struct {
	scenario string
	barrage  string // binary: server and load client
	server   string // words before the command of Barrage, such as taskset -c 0
	client   string // and before the load test's
	out      string
	document string
	given    []string // the flags given that say what is measured, not where it is written

	work    string     // temporary folder
	running []*process // in the order of their start
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	defer stop()
	if os.Getpid() == 1 {
		guest(ctx)
	}
	if len(os.Args) == 2 && os.Args[1] == attackersCommand {
		if err := hostile.Serve(ctx, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "attackers:", err)
			os.Exit(1)
		}
		return
	}
	switch err := run(ctx, os.Args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var names []string
	for _, s := range scenarios() {
		if names = append(names, s.name); len(args) == 0 || args[0] != s.name {
			continue
		}
		b := &bench{scenario: s.name}
		measure, err := b.parse(s, args[1:])
		if err != nil {
			return err
		}
		if err := b.open(); err != nil {
			return err
		}
		defer b.close()
		title, body, err := measure(ctx)
		if ctx.Err() != nil { // what failed then did so for it
			return ctx.Err()
		}
		if title == "" {
			return err
		}
		section := "## " + title + "\n\n" + b.about(probe.ReadEnvironment("", commit(ctx)), time.Now()) + "\n" + body
		fmt.Println("\n" + aligned(section))
		if err != nil {
			return err
		}
		return b.write(section)
	}
	return fmt.Errorf("the first argument is one of the scenarios %q", names)
}

func (b *bench) parse(s scenario, args []string) (measurement, error) {
	flags := flag.NewFlagSet("bench "+s.name, flag.ContinueOnError)
	flags.StringVar(&b.barrage, "barrage", "bin/barrage", "`binary` that is measured, and whose load test measures")
	flags.StringVar(&b.out, "out", filepath.Join("bin", s.name), "`folder` of reports and logs")
	flags.StringVar(&b.document, "document", "", "Markdown `file` to write into, between the scenario's marks")
	measure := s.flags(b, flags)
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	flags.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "barrage", "out", "document", "images":
		case "base": // a path is of this machine
			b.given = append(b.given, "-base "+filepath.Base(f.Value.String()))
		default:
			b.given = append(b.given, "-"+f.Name+" "+f.Value.String())
		}
	})
	return measure, nil
}

// open makes the folders. Workers of nginx, which run as another user, have to
// reach theirs.
func (b *bench) open() (err error) {
	if err := os.MkdirAll(b.out, 0o755); err != nil {
		return err
	}
	if b.work, err = os.MkdirTemp("", "barrage-bench-"); err != nil {
		return err
	}
	return os.Chmod(b.work, 0o755)
}

// close stops what runs, and removes the temporary folder.
func (b *bench) close() {
	b.stop()
	_ = os.RemoveAll(b.work) // nothing depends on it
}
