package main

// This file is the check command: what limits the number of connections on this
// machine, and whether the number wanted can be met.

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"barrage/internal/config"
	"barrage/internal/machine"
	"barrage/netpoll"
	"barrage/redisbridge"
)

func checkCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say what limits the number of connections on this machine",
		Long: "Read limits, sysctls, kernel features and the settings; say what limits the number of\n" +
			"connections, and the command that lifts each limit. Exit code 1 says that\n" +
			"target_connections (or else max_connections) cannot be met or an address is not of\n" +
			"this machine, 2 that settings are bad.\n" +
			"Run it as the user and in the unit or container that will run the server.",
		Args: cobra.NoArgs,
		RunE: command(func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadSettings(cmd, p)
			if err != nil {
				return err
			}
			// Redis not answering is a line of the report, not of the log.
			redisbridge.RouteClientLog(newLogger(&cfg, p.stderr))
			if err := tryNode(&cfg); err != nil {
				return err
			}
			report := machine.Machine{}.Examine(machine.Use{
				Target: cfg.TargetConnections, MaxConnections: cfg.MaxConnections,
				LogBytes: int64(cfg.LogBytes), Backlog: cfg.Backlog, Shards: cfg.ShardCount(),
			})
			report.Findings = append(report.Findings, machine.Finding{Name: "settings", Value: "valid", Connections: machine.Unbounded, Verdict: machine.OK})
			if cfg.Redis != "" {
				report.Findings = append(report.Findings, redisFinding(cmd.Context(), &cfg))
			}
			addresses := append(addressFindings("listen", cfg.Listen), addressFindings("admin", cfg.Admin)...)
			for _, addr := range cfg.ListenTCP {
				addresses = append(addresses, addressFindings("listen_tcp", addr)...)
			}
			report.Findings = append(report.Findings, addresses...)
			if err := report.Print(p.stdout); err != nil {
				return fmt.Errorf("check: %w", err)
			}
			if report.Missed() || len(addresses) > 0 {
				return exit(exitFailure, nil) // the report has said why
			}
			return nil
		}),
	}
	config.AddFlags(cmd.Flags())
	return cmd
}

// tryNode makes the node that serve would run, and lets it go: what only its parts know of
// settings is wrong here, too. Nothing is opened before a node starts.
func tryNode(cfg *config.Config) error {
	n := &node{log: slog.New(slog.DiscardHandler)}
	defer n.release()
	err := n.make(nodeDeps{cfg: cfg, log: n.log, registry: prometheus.NewRegistry(), capacity: machine.Capacity{Connections: 1}})
	if err != nil {
		return exit(exitUsage, err)
	}
	return nil
}

// addressFindings is what keeps serve from listening on a host; the port may well be in
// use, by the server itself.
func addressFindings(setting, address string) []machine.Finding {
	host, _, err := net.SplitHostPort(address)
	if err != nil || strings.HasPrefix(address, netpoll.UnixPrefix) {
		return nil // as settings they are valid
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err == nil {
		_ = l.Close()
		return nil
	}
	return []machine.Finding{{
		Name: setting, Value: "cannot be bound", Connections: machine.Unbounded, Verdict: machine.Bad,
		Note: strings.ReplaceAll(err.Error(), "\n", " ") + "; serve does not start",
	}}
}

// redisFinding asks Redis for a PONG, and whether it evicts keys.
func redisFinding(ctx context.Context, cfg *config.Config) machine.Finding {
	f := machine.Finding{Name: "redis", Connections: machine.Unbounded, Verdict: machine.OK}
	took, concern, err := redisbridge.Ping(ctx, redisbridge.Config{URL: cfg.Redis, Timeout: cfg.RedisTimeout})
	if err != nil {
		f.Value, f.Verdict = "does not answer", machine.Warn
		f.Note = strings.Join(strings.Fields(err.Error()), " ") + "; serve starts all the same, not ready until Redis answers"
		return f
	}
	f.Value = "answers in " + took.Round(time.Microsecond).String()
	if concern != "" {
		f.Verdict, f.Note, f.Lift = machine.Warn, concern, "redis-cli config set maxmemory-policy noeviction"
	}
	return f
}
