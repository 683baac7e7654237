package main

// This file is the loadtest command: the load test of any WebSocket server, and
// its agents.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"barrage/internal/config"
	"barrage/internal/settings"
	"barrage/loadtest"
	"barrage/loadtest/agent"
	"barrage/loadtest/plan"
	"barrage/redisbridge"
)

func loadtestCommand(p *process) *cobra.Command {
	var s loadtest.Settings
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
			o, err := s.Options(cmd.Flags(), scenario, p.args, p.environ, p.stderr)
			if err != nil {
				return exit(exitUsage, err)
			}
			// What go-redis has to say of its connections is in the report.
			redisbridge.RouteClientLog(slog.New(slog.DiscardHandler))
			err = stoppable(cmd.Context(), func(ctx context.Context) error {
				return s.Run(ctx, o, loadtest.Output{Summary: p.stdout, Color: isTerminal(p.stdout), Live: p.stderr, Plain: !isTerminal(p.stderr)})
			})
			if errors.Is(err, loadtest.ErrUnmet) {
				return exit(exitFailure, nil)
			}
			return err
		}),
	}
	cmd.Flags().SortFlags = false
	s.AddFlags(cmd.Flags())
	cmd.AddCommand(agentCommand(p))
	return cmd
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
			l, err := agent.Listen(listen, cmp.Or(secret, settings.Lookup(p.environ, loadtest.EnvAgentSecret)))
			if err != nil {
				return exit(exitUsage, fmt.Errorf("--listen: %w", err))
			}
			out := openOutput(&config.Config{LogLevel: "info", LogFormat: "text"}, p)
			defer out.close()
			fmt.Fprintf(out.stdout, "barrage: agent for up to %d connections on %s\n", agent.Capacity(), l.Addr())
			return stoppable(cmd.Context(), func(ctx context.Context) error {
				return l.Serve(ctx, loadtest.NewDriver, out.log)
			})
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&listen, "listen", "127.0.0.1:9000", "`HOST:PORT` to wait on")
	flags.StringVar(&secret, "secret", "", "shared with the load test (also "+loadtest.EnvAgentSecret+")")
	flags.BoolVar(&stdio, "stdio", false, "serve one load test on standard input and output")
	_ = flags.MarkHidden("stdio")
	return cmd
}
