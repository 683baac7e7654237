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

// capacity is what a limit on open files leaves room for.
type capacity struct {
	connections int // WebSocket connections
	sockets     int // of the public listener, those that are not WebSocket connections included
}

// capacityFor shares out a limit on open files. A small one keeps three quarters
// of its files for connections.
func capacityFor(files uint64) capacity {
	reserve := min(fdReserve, files/4)
	connections := min(files-reserve, math.MaxInt32)
	return capacity{int(connections), int(connections + reserve/4)}
}

// connectionsFor is the number of connections that a limit on open files leaves
// room for.
func connectionsFor(files uint64) int { return capacityFor(files).connections }

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
func allowedConnections(r rlimiter, cfg *Config, log *slog.Logger) (capacity, error) {
	files, err := r.raise()
	if err != nil {
		if files.soft == 0 {
			return capacity{}, err
		}
		log.Warn("the soft limit on open files stays below the hard one",
			"error", err, "soft", files.soft, "hard", files.hard, "connections", connectionsFor(files.soft))
	}
	allowed := capacityFor(files.soft)
	if allowed.connections < 1 {
		return capacity{}, fmt.Errorf("nofile: a limit of %d open files leaves no room for connections: raise it (ulimit -n, LimitNOFILE=)", files.soft)
	}
	log.Info("limit on open files", "soft", files.soft, "hard", files.hard,
		"connections", allowed.connections)
	if want := max(cfg.MaxConnections, cfg.TargetConnections); want > allowed.connections {
		log.Warn("fewer connections than asked for: the limit on open files is lower; see barrage check",
			"asked", want, "connections", allowed.connections, "nofile", files.soft)
	}
	if cfg.MaxConnections > 0 {
		allowed.connections = min(allowed.connections, cfg.MaxConnections)
	}
	return allowed, nil
}
