package main

// This file is the life of a server process: listen, say so, wait, drain, stop.
// What the server is made of is serve.go's.

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"barrage/api"
	"barrage/internal/build"
	"barrage/internal/config"
	"barrage/internal/footprint"
	"barrage/internal/lines"
	"barrage/internal/machine"
)

const (
	drainGrace    = 5 * time.Second // past window and close timeout
	adminShutdown = 2 * time.Second // for requests under way
)

// server is what stands behind the admin listener.
type server interface {
	api.Server
	Start() error // listens and serves; on an error nothing is left open
	Addr() netip.AddrPort
	PlainAddrs() []string // without WebSocket
	Leave()               // not ready any more, and serves on
	Drain(ctx context.Context, window time.Duration) error
	Close() // after Start, when the API no longer calls
}

// nodeDeps is what a node is built with.
type nodeDeps struct {
	cfg      *config.Config
	log      *slog.Logger
	lines    *lines.Writer // of log
	registry *prometheus.Registry
	capacity machine.Capacity // how many it may hold
	fatal    chan<- error     // takes one error that the process cannot survive
}

func serveCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: "Run the server until SIGTERM, SIGINT or SIGHUP, which drain it; a second SIGTERM or\n" +
			"SIGINT ends it at once.\n" +
			"Every setting is a flag, a variable BARRAGE_... and a key of the YAML file;\n" +
			"flags beat environment beats file beats defaults.",
		Args: cobra.NoArgs,
		RunE: command(func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadSettings(cmd, p)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), &cfg, p)
		}),
	}
	config.AddFlags(cmd.Flags())
	return cmd
}

// serve is the command once its settings are read. What is wrong it says itself, as
// stderr may be stuck.
func serve(ctx context.Context, cfg *config.Config, p *process) error {
	out := openOutput(cfg, p)
	defer out.close()
	err := stoppable(ctx, func(ctx context.Context) error {
		return runServer(ctx, cfg, out, newNode)
	})
	if err == nil {
		return nil
	}
	complain(out.stderr, err)
	if e, ok := errors.AsType[*exitError](err); ok {
		return exit(e.code, nil)
	}
	return exit(exitFailure, nil)
}

// runServer serves with the node that newNode makes, until ctx ends.
func runServer(ctx context.Context, cfg *config.Config, out *output, newNode func(nodeDeps) (server, error)) error {
	log := out.log
	log.Info("settings", cfg.Changed()...)
	allowed, err := machine.ReadFiles(cfg.MaxConnections, cfg.TargetConnections, log)
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry() // of the process's own metrics, to which the other packages add theirs
	registry.MustRegister(collectors.NewGoCollector(), footprint.Collector{}, build.Read().Collector())
	fatal := make(chan error, 1)
	n, err := newNode(nodeDeps{cfg: cfg, log: log, lines: out.stderr, registry: registry, capacity: allowed, fatal: fatal})
	if err != nil {
		return exit(exitUsage, err) // nothing has been opened: it is the settings
	}
	stopCollecting := footprint.KeepHeapSmall()
	defer stopCollecting()
	pages, err := dashboard()
	if err != nil {
		return err
	}
	a, err := api.New(api.Config{
		Pages: pages, Listen: cfg.Admin, Tokens: cfg.AdminTokens, MaxBody: int(cfg.MaxMessageBytes), MaxConnections: allowed.Admin,
		Gatherer: registry, Registerer: registry, Pprof: cfg.Pprof, Logger: log,
	}, n)
	if err != nil {
		return exit(exitUsage, err) // as above
	}
	if err := a.Listen(); err != nil {
		return err
	}
	if err := n.Start(); err != nil {
		return errors.Join(err, a.Shutdown(ctx))
	}
	s := &service{cfg: cfg, log: log, node: n, api: a, fatal: fatal}
	return s.run(ctx, func() {
		plain := ""
		for _, addr := range n.PlainAddrs() {
			plain += ", tcp on " + addr
		}
		_, _ = fmt.Fprintf(out.stdout, "barrage ready: ws on %v, admin on %v%s, %d shards, up to %d connections\n",
			n.Addr(), a.Addr(), plain, cfg.ShardCount(), allowed.Connections)
	})
}

// service is a node and its API, both started.
type service struct {
	cfg   *config.Config
	log   *slog.Logger
	node  server
	api   *api.API
	fatal <-chan error
}

// run serves until ctx ends or a part fails, and then stops both.
func (s *service) run(ctx context.Context, ready func()) error {
	served := make(chan error, 1)
	// Ends with the API's Shutdown; waited for in stop.
	go func() { served <- s.api.Serve() }()
	ready()
	var failure error
	select {
	case <-ctx.Done():
		if failure = s.leave(); failure == nil {
			s.drain()
		}
	case err := <-s.fatal:
		failure = exit(exitInternal, err)
	case err := <-served:
		served <- nil
		failure = fmt.Errorf("the admin listener ended: %w", err)
	}
	s.stop(served)
	return failure
}

// leave gives those who balance the load time to see that this node is not ready, before
// it turns anybody away. Without a delay drain does both at once, and nothing before it.
func (s *service) leave() error {
	if s.cfg.DrainDelay <= 0 {
		return nil
	}
	s.node.Leave()
	s.log.Info("stopping, and serving on until balancers know", "drain_delay", s.cfg.DrainDelay.String())
	t := time.NewTimer(s.cfg.DrainDelay)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case err := <-s.fatal:
		return exit(exitInternal, err)
	}
}

// drain lets the viewers go over the drain window. The API goes on meanwhile,
// not ready, so that whoever balances the load can see it.
func (s *service) drain() {
	limit := s.cfg.DrainWindow + s.cfg.CloseTimeout + drainGrace
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	s.log.Info("stopping", "drain_window", s.cfg.DrainWindow.String())
	if err := s.node.Drain(ctx, s.cfg.DrainWindow); err != nil {
		s.log.Warn("connections were left after the drain window", "error", err)
	}
}

func (s *service) stop(served <-chan error) {
	ctx, cancel := context.WithTimeout(context.Background(), adminShutdown)
	defer cancel()
	if err := s.api.Shutdown(ctx); err != nil {
		s.log.Warn("requests were cut off", "error", err)
	}
	if err := <-served; err != nil {
		s.log.Warn("the admin listener ended badly", "error", err)
	}
	s.node.Close()
	s.log.Info("stopped")
}
