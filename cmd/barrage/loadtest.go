package main

// This file is the loadtest command: the load test of any WebSocket server, and
// its agents.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"barrage/edge/auth"
	"barrage/internal/build"
	"barrage/internal/config"
	"barrage/internal/settings"
	"barrage/loadtest"
	"barrage/loadtest/agent"
	"barrage/loadtest/assert"
	"barrage/loadtest/plan"
	"barrage/loadtest/report"
	"barrage/redisbridge"
)

// Secrets of remote agents and of Barrage's admin listener, which a command line
// would show to everybody on the machine.
const (
	envAgentSecret = config.EnvAgentSecret
	envAdminToken  = config.EnvPrefix + "ADMIN_TOKEN"
)

// loadFlags is what the command takes beside the plan's settings.
type loadFlags struct {
	pids       []int
	metrics    string
	headers    []string
	adminToken string
	authSecret string // file
	json       string
	html       string
	asserts    []string
	agents     []string
	secret     string
	processes  int
	threads    int
	find       string
	slo        string
	findMax    float64
	plain      bool
}

func loadtestCommand(p *process) *cobra.Command {
	var s loadFlags
	var long strings.Builder
	long.WriteString("Open connections to any WebSocket server, publish messages, and account for every\n" +
		"copy: delivered, missing, duplicated, out of order, late.\n\nSCENARIO is a YAML file or one of\n")
	for _, b := range plan.Builtin() {
		fmt.Fprintf(&long, "  %-8s %s\n", b.Name, b.About)
	}
	cmd := &cobra.Command{
		Use:   "loadtest [SCENARIO]",
		Short: "Measure how many viewers a WebSocket server carries, and what gives first",
		Long:  long.String(),
		Args:  cobra.MaximumNArgs(1),
		RunE: command(func(cmd *cobra.Command, args []string) error {
			scenario := "room"
			if len(args) == 1 {
				scenario = args[0]
			}
			o, err := s.options(cmd.Flags(), scenario, p)
			if err != nil {
				return exit(exitUsage, err)
			}
			return s.run(cmd.Context(), o, p)
		}),
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	plan.AddFlags(flags)
	s.addFlags(flags)
	cmd.AddCommand(agentCommand(p))
	return cmd
}

func (s *loadFlags) addFlags(flags *pflag.FlagSet) {
	flags.IntSliceVar(&s.pids, "pid", nil, "`PID`s of the server on this machine, for its CPU and memory")
	flags.StringVar(&s.metrics, "metrics", "", "`URL`s of the server's Prometheus metrics, separated by commas")
	flags.StringArrayVar(&s.headers, "metrics-header", nil, "`HEADER` of the requests for metrics, \"Name: value\"; may be repeated")
	flags.StringVar(&s.adminToken, "admin-token", "", "admin_token of a Barrage, for --metrics and publishing with the presets barrage and barrage.v1 (also "+envAdminToken+")")
	flags.StringVar(&s.authSecret, "auth-secret-file", "", "`FILE` with the server's auth_secret: each connection gets a token of its own --user, signed with it (HS256)")
	flags.StringVar(&s.json, "json", "", "write the report as JSON to `FILE`")
	flags.StringVar(&s.html, "html", "", "write the report as one HTML page with plots to `FILE`")
	flags.StringArrayVar(&s.asserts, "assert", nil, "`CONDITION` such as 'missing==0 && p99<500ms && rss_per_conn<400'; exit 1 if it does not hold")
	flags.StringVar(&s.find, "find", "", "find the capacity: raise `connections or rate` until the SLO breaks")
	flags.StringVar(&s.slo, "slo", "p99=500ms,missing=0", "what --find must keep")
	flags.Float64Var(&s.findMax, "find-max", 1e6, "largest rate that --find tries")
	flags.StringSliceVar(&s.agents, "agents", nil, "`HOST:PORT,...` of agents that hold the connections; default is this machine")
	flags.StringVar(&s.secret, "secret", "", "shared with the agents (also "+envAgentSecret+")")
	flags.IntVar(&s.processes, "processes", 0, "processes that hold the connections; 0 is as many as the limit of open files demands")
	flags.IntVar(&s.threads, "threads", 0, "event loops of each process; 0 is one for each two cores")
	flags.BoolVar(&s.plain, "plain", false, "print plain lines instead of the live view")
}

// options gathers and checks all settings.
func (s *loadFlags) options(flags *pflag.FlagSet, scenario string, p *process) (*loadtest.Options, error) {
	lp, err := plan.FromFlags(flags, scenario)
	if err != nil {
		return nil, err
	}
	built := build.Read()
	o := &loadtest.Options{
		Plan: lp, PIDs: s.pids, Metrics: s.metrics, Headers: s.headers, Version: built.Version, Commit: built.Commit,
		Command: commandLine(p.args),
	}
	if err := s.credentials(o, p.environ); err != nil {
		return nil, err
	}
	for _, text := range s.asserts {
		e, err := assert.Parse(text, report.Names())
		if err != nil {
			return nil, fmt.Errorf("--assert: %w", err)
		}
		o.Asserts = append(o.Asserts, e)
	}
	if o.Find, err = s.search(flags, &lp); err != nil {
		return nil, err
	}
	o.Agents, err = s.agentOptions(p)
	return o, err
}

// credentials adds what the target's Barrage wants to see. Its admin token is not
// for the servers of other presets.
func (s *loadFlags) credentials(o *loadtest.Options, environ []string) error {
	if s.authSecret != "" {
		if o.Plan.Token != "" {
			return errors.New("--token: does not go with --auth-secret-file, which makes another for each connection")
		}
		secret, err := settings.ReadSecret(s.authSecret)
		secret = settings.First(settings.SplitList(secret))
		if err == nil {
			_, err = auth.SecretKey([]byte(secret))
		}
		if err != nil {
			return fmt.Errorf("--auth-secret-file: %w", err)
		}
		o.Secret = []byte(secret)
	}
	admin := settings.First(settings.SplitList(cmp.Or(s.adminToken, settings.Lookup(environ, envAdminToken))))
	switch {
	case admin == "":
		return nil
	case !o.Plan.OfBarrage() && s.adminToken != "":
		return fmt.Errorf("--admin-token: is of a Barrage, not of --preset %s; for others there are --metrics-header and --publish-header", o.Plan.Preset)
	case !o.Plan.OfBarrage():
		return nil
	}
	bearer := "Authorization: Bearer " + admin
	for _, headers := range []*[]string{&o.Headers, &o.Plan.PublishHeaders} {
		if !slices.ContainsFunc(*headers, isAuthorization) {
			*headers = append(slices.Clip(*headers), bearer)
		}
	}
	return o.Plan.Validate()
}

func isAuthorization(header string) bool {
	name, _, _ := strings.Cut(header, ":")
	return strings.EqualFold(strings.TrimSpace(name), "Authorization")
}

func (s *loadFlags) search(flags *pflag.FlagSet, lp *plan.Plan) (*loadtest.Search, error) {
	switch {
	case s.find == "" && flags.Changed("slo"):
		return nil, errors.New("--slo: needs --find connections or --find rate; to check one run there is --assert")
	case s.find == "":
		return nil, nil
	case s.find != loadtest.FindConnections && s.find != loadtest.FindRate:
		return nil, fmt.Errorf("--find: %q is neither connections nor rate", s.find)
	case lp.Rate <= 0 || lp.Duration <= 0 || lp.Publish == plan.PublishNone:
		return nil, errors.New("--find: needs messages to measure: set --rate, --duration and --publish")
	case lp.Churn > 0 || lp.Storms > 0:
		return nil, errors.New("--find: does not go with --churn or --storms, whose end no trial could tell")
	case s.findMax < lp.Rate:
		return nil, fmt.Errorf("--find-max: %g is less than --rate, %g, where the search begins", s.findMax, lp.Rate)
	}
	slo, err := assert.ParseSLO(s.slo, report.Names())
	if err != nil {
		return nil, fmt.Errorf("--slo: %w", err)
	}
	return &loadtest.Search{What: s.find, SLO: slo, Text: s.slo, Max: s.findMax}, nil
}

func (s *loadFlags) agentOptions(p *process) (a loadtest.Agents, err error) {
	secret := cmp.Or(s.secret, settings.Lookup(p.environ, envAgentSecret))
	switch {
	case len(s.agents) > 0 && s.processes > 0:
		return a, errors.New("--processes: does not go with --agents, each of which is a process")
	case s.processes < 0 || s.processes > 1000:
		return a, fmt.Errorf("--processes: %d is not from 0 to 1000", s.processes)
	case s.threads < 0 || s.threads > 1024:
		return a, fmt.Errorf("--threads: %d is not from 0 to 1024", s.threads)
	}
	self, err := os.Executable()
	if err != nil {
		return a, fmt.Errorf("the program's own file: %w", err)
	}
	return loadtest.Agents{
		Remote: s.agents, Secret: secret, Processes: s.processes, Threads: s.threads,
		Command: []string{self, "loadtest", "agent", "--stdio"}, Stderr: p.stderr,
	}, nil
}

// Flags that are secrets, and those that are headers, which may be: which of them
// are cannot be told.
var (
	secretFlags = []string{"--secret", "--admin-token", "--token"}
	headerFlags = []string{"--header", "--publish-header", "--metrics-header"}
)

// withoutSecret is the value of a flag as others may see it.
func withoutSecret(flag, value string) string {
	switch {
	case slices.Contains(secretFlags, flag):
		return "..."
	case slices.Contains(headerFlags, flag):
		if name, _, ok := strings.Cut(value, ":"); ok {
			return name + ": ..."
		}
		return "..."
	}
	return report.Redact(value)
}

// commandLine is how the test is run again, without its secrets.
func commandLine(args []string) string {
	line := []string{"barrage"}
	for i, a := range args {
		flag, value, joined := strings.Cut(a, "=")
		switch {
		case strings.HasPrefix(a, "--") && joined:
			a = flag + "=" + withoutSecret(flag, value)
		case i > 0 && !strings.HasPrefix(a, "--"):
			a = withoutSecret(args[i-1], a)
		}
		if strings.ContainsAny(a, " \t\"'$&|;<>*?(){}[]\\") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		line = append(line, a)
	}
	return strings.Join(line, " ")
}

// run runs the test and shows what it found.
func (s *loadFlags) run(ctx context.Context, o *loadtest.Options, p *process) error {
	signals, release := stopSignals()
	defer release()
	// What go-redis has to say of its connections is in the report.
	redisbridge.RouteClientLog(slog.New(slog.DiscardHandler))
	return untilSignal(ctx, signals, func(ctx context.Context) error {
		live := report.NewLive(p.stderr, !s.plain && isTerminal(p.stderr))
		o.View = live.Update
		r, err := loadtest.Run(ctx, *o)
		live.Close()
		if r == nil {
			return err
		}
		if werr := s.show(r, p.stdout); werr != nil {
			return errors.Join(err, werr)
		}
		if err == nil && slices.ContainsFunc(r.Asserts, func(a report.Assert) bool { return !a.OK }) {
			return exit(exitFailure, nil) // the summary said which
		}
		return err
	})
}

func (s *loadFlags) show(r *report.Report, out io.Writer) error {
	summary := report.Summary
	if isTerminal(out) {
		summary = report.ColorSummary
	}
	if err := summary(out, r); err != nil {
		return fmt.Errorf("loadtest: write the summary: %w", err)
	}
	for _, f := range []struct {
		name  string
		write func(io.Writer, *report.Report) error
	}{{s.json, report.WriteJSON}, {s.html, report.WriteHTML}} {
		if f.name == "" {
			continue
		}
		if err := toFile(f.name, func(w io.Writer) error { return f.write(w, r) }); err != nil {
			return fmt.Errorf("loadtest: write the report: %w", err)
		}
	}
	return nil
}

func toFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// agentCommand is a process that holds connections for a load test which is run
// somewhere else.
func agentCommand(p *process) *cobra.Command {
	var listen, secret string
	var stdio bool
	cmd := &cobra.Command{
		Use:   "agent --listen HOST:PORT",
		Short: "Hold connections for a load test that is run on another machine",
		Long: "Wait for a load test started with --agents, hold its connections, and wait for the\n" +
			"next. Both sides prove that they know the secret; what they say is not encrypted.",
		Args: cobra.NoArgs,
		RunE: command(func(cmd *cobra.Command, _ []string) error {
			if stdio {
				pipe, err := agent.Stdio()
				if err != nil {
					return err
				}
				return agent.Serve(cmd.Context(), pipe, loadtest.NewDriver)
			}
			if secret == "" {
				secret = settings.Lookup(p.environ, envAgentSecret)
			}
			l, err := agent.Listen(listen, secret)
			if err != nil {
				return exit(exitUsage, fmt.Errorf("--listen: %w", err))
			}
			fmt.Fprintf(p.stdout, "barrage: agent for up to %d connections on %s\n", agent.Capacity(), l.Addr())
			signals, release := stopSignals()
			defer release()
			return untilSignal(cmd.Context(), signals, func(ctx context.Context) error {
				return l.Serve(ctx, loadtest.NewDriver, slog.New(slog.NewTextHandler(p.stderr, nil)))
			})
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&listen, "listen", "127.0.0.1:9000", "`HOST:PORT` to wait on")
	flags.StringVar(&secret, "secret", "", "shared with the load test (also "+envAgentSecret+")")
	flags.BoolVar(&stdio, "stdio", false, "serve one load test on standard input and output")
	_ = flags.MarkHidden("stdio")
	return cmd
}
