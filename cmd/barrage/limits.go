package main

// This file deals with the process's limit on open files, which is what bounds
// the number of connections first on most machines.

import (
	"fmt"
	"log/slog"
	"math"

	"golang.org/x/sys/unix"
)

// fdReserve is what the process keeps of its open files for all that is not a
// WebSocket connection: event loops, listeners, the admin listener's
// connections, Redis, and sockets that are only there to be told 503.
const fdReserve = 512

// connectionsFor is the number of connections that a limit on open files leaves
// room for. A small limit keeps three quarters of its files for connections.
func connectionsFor(files uint64) int {
	reserve := min(fdReserve, files/4)
	return int(min(files-reserve, math.MaxInt32))
}

// fileLimit is the limit on open files (RLIMIT_NOFILE).
type fileLimit struct {
	soft, hard uint64
}

// rlimiter is the kernel's pair of calls.
type rlimiter struct {
	get, set func(*unix.Rlimit) error
}

func processFiles() rlimiter {
	return rlimiter{
		get: func(r *unix.Rlimit) error { return unix.Getrlimit(unix.RLIMIT_NOFILE, r) },
		set: func(r *unix.Rlimit) error { return unix.Setrlimit(unix.RLIMIT_NOFILE, r) },
	}
}

// raise lifts the soft limit to the hard one, as far as it can be, and returns
// what then holds. Go's own runtime usually has done so already. An error of the
// raise itself comes with the limits that stay.
func (r rlimiter) raise() (fileLimit, error) {
	var now unix.Rlimit
	if err := r.get(&now); err != nil {
		return fileLimit{}, fmt.Errorf("reading the limit on open files: %w", err)
	}
	if now.Cur >= now.Max {
		return fileLimit{now.Cur, now.Max}, nil
	}
	want := unix.Rlimit{Cur: now.Max, Max: now.Max}
	if err := r.set(&want); err != nil {
		return fileLimit{now.Cur, now.Max}, fmt.Errorf("raising the limit on open files from %d to %d: %w", now.Cur, now.Max, err)
	}
	return fileLimit{want.Cur, want.Max}, nil
}

// allowedConnections raises the limit and decides how many connections the
// server takes, telling the log what it was and why.
func allowedConnections(r rlimiter, cfg *Config, log *slog.Logger) (int, error) {
	files, err := r.raise()
	if err != nil {
		if files.soft == 0 {
			return 0, err
		}
		log.Warn("the soft limit on open files stays below the hard one",
			"error", err, "soft", files.soft, "hard", files.hard, "connections", connectionsFor(files.soft))
	}
	allowed := connectionsFor(files.soft)
	if allowed < 1 {
		return 0, fmt.Errorf("nofile: a limit of %d open files leaves no room for connections: raise it (ulimit -n, LimitNOFILE=)", files.soft)
	}
	log.Info("limit on open files", "soft", files.soft, "hard", files.hard,
		"connections", allowed)
	if want := max(cfg.MaxConnections, cfg.TargetConnections); want > allowed {
		log.Warn("fewer connections than asked for: the limit on open files is lower; see barrage check",
			"asked", want, "connections", allowed, "nofile", files.soft)
	}
	if cfg.MaxConnections > 0 {
		allowed = min(allowed, cfg.MaxConnections)
	}
	return allowed, nil
}
