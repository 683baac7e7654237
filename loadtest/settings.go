// The settings of the loadtest command: the plan's, and those that are not the
// same for every agent.

package loadtest

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"barrage/edge/auth"
	"barrage/internal/build"
	"barrage/internal/settings"
	"barrage/loadtest/assert"
	"barrage/loadtest/plan"
	"barrage/loadtest/report"
)

// Secrets of remote agents and of Barrage's admin listener, which a command line
// would show to everybody on the machine.
const (
	EnvAgentSecret = "BARRAGE_AGENT_SECRET"
	EnvAdminToken  = "BARRAGE_ADMIN_TOKEN"
)

// Settings is what the command takes beside the plan's settings. Its flags are to
// be parsed before Options.
type Settings struct {
	given      Options // as flags say; Options completes it
	search     Search  // likewise, if it says What
	adminToken string
	authSecret string // file
	asserts    []string
	json       string // file
	html       string // file
	plain      bool
}

// AddFlags declares a flag for each, and for the plan's.
func (s *Settings) AddFlags(flags *pflag.FlagSet) {
	plan.AddFlags(flags)
	o, a := &s.given, &s.given.Agents
	flags.IntSliceVar(&o.PIDs, "pid", nil, "`PID`s of the server on this machine, for its CPU and memory")
	flags.StringVar(&o.Metrics, "metrics", "", "`URL`s of the server's Prometheus metrics, separated by commas")
	flags.StringArrayVar(&o.Headers, "metrics-header", nil, "`HEADER` of the requests for metrics, \"Name: value\"; may be repeated")
	flags.StringVar(&s.adminToken, "admin-token", "", "admin_token of a Barrage, for --metrics and publishing with the presets barrage and barrage.v1 (also "+EnvAdminToken+")")
	flags.StringVar(&s.authSecret, "auth-secret-file", "", "`FILE` with the server's auth_secret: each connection gets a token of its own --user, signed with it (HS256)")
	flags.StringVar(&s.json, "json", "", "write the report as JSON to `FILE`")
	flags.StringVar(&s.html, "html", "", "write the report as one HTML page with plots to `FILE`")
	flags.StringArrayVar(&s.asserts, "assert", nil, "`CONDITION` such as 'missing==0 && p99<500ms && rss_per_conn<400'; exit 1 if it does not hold")
	flags.StringVar(&s.search.What, "find", "", "find the capacity: raise `connections or rate` until the SLO breaks")
	flags.StringVar(&s.search.Text, "slo", "p99=500ms,missing=0", "what --find must keep")
	flags.Float64Var(&s.search.Max, "find-max", 1e6, "largest rate that --find tries")
	flags.StringSliceVar(&a.Remote, "agents", nil, "`HOST:PORT,...` of agents that hold the connections; default is this machine")
	flags.StringVar(&a.Secret, "secret", "", "shared with the agents (also "+EnvAgentSecret+")")
	flags.IntVar(&a.Processes, "processes", 0, "processes that hold the connections; 0 is as many as the limit of open files demands")
	flags.IntVar(&a.Threads, "threads", 0, "event loops of each process; 0 is one for each two cores")
	flags.BoolVar(&s.plain, "plain", false, "print plain lines instead of the live view")
}

// Options gathers and checks all settings. Args are those of the program, without
// its name; agents that are started here write to stderr.
func (s *Settings) Options(flags *pflag.FlagSet, scenario string, args, environ []string, stderr io.Writer) (_ *Options, err error) {
	o, built := s.given, build.Read()
	o.Version, o.Commit, o.Command, o.Agents.Stderr = built.Version, built.Commit, commandLine(args), stderr
	if o.Plan, err = plan.FromFlags(flags, scenario); err != nil {
		return nil, err
	}
	if err := s.credentials(&o, environ); err != nil {
		return nil, err
	}
	for _, text := range s.asserts {
		e, err := assert.Parse(text, report.Names())
		if err != nil {
			return nil, fmt.Errorf("--assert: %w", err)
		}
		o.Asserts = append(o.Asserts, e)
	}
	if o.Find, err = s.find(flags, &o.Plan); err != nil {
		return nil, err
	}
	return &o, o.Agents.complete(environ)
}

// credentials adds what the target's Barrage wants to see. Its admin token is not
// for the servers of other presets.
func (s *Settings) credentials(o *Options, environ []string) error {
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
	admin := settings.First(settings.SplitList(cmp.Or(s.adminToken, settings.Lookup(environ, EnvAdminToken))))
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

func (s *Settings) find(flags *pflag.FlagSet, lp *plan.Plan) (_ *Search, err error) {
	f := s.search
	switch {
	case f.What == "" && flags.Changed("slo"):
		return nil, errors.New("--slo: needs --find connections or --find rate; to check one run there is --assert")
	case f.What == "":
		return nil, nil
	case f.What != FindConnections && f.What != FindRate:
		return nil, fmt.Errorf("--find: %q is neither connections nor rate", f.What)
	case !lp.Publishes():
		return nil, errors.New("--find: needs messages to measure: set --rate, --duration and --publish")
	case lp.Churn > 0 || lp.Storms > 0:
		return nil, errors.New("--find: does not go with --churn or --storms, whose end no trial could tell")
	case f.Max < lp.Rate:
		return nil, fmt.Errorf("--find-max: %g is less than --rate, %g, where the search begins", f.Max, lp.Rate)
	}
	if f.SLO, err = assert.ParseSLO(f.Text, report.Names()); err != nil {
		return nil, fmt.Errorf("--slo: %w", err)
	}
	return &f, nil
}

// complete checks what flags say, and adds what they do not.
func (a *Agents) complete(environ []string) error {
	a.Secret = cmp.Or(a.Secret, settings.Lookup(environ, EnvAgentSecret))
	switch {
	case len(a.Remote) > 0 && a.Processes > 0:
		return errors.New("--processes: does not go with --agents, each of which is a process")
	case a.Processes < 0 || a.Processes > 1000:
		return fmt.Errorf("--processes: %d is not from 0 to 1000", a.Processes)
	case a.Threads < 0 || a.Threads > 1024:
		return fmt.Errorf("--threads: %d is not from 0 to 1024", a.Threads)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("the program's own file: %w", err)
	}
	a.Command = []string{self, "loadtest", "agent", "--stdio"}
	return nil
}
