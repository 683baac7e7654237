// The process's limit on open files, which bounds connections first on most
// machines.

package machine

import (
	"fmt"
	"log/slog"
	"math"

	"golang.org/x/sys/unix"
)

// fileReserve is what the process keeps of its open files for all that is not a
// WebSocket connection: event loops, listeners, the admin listener's
// connections, Redis, and sockets that are only there to be told 503.
const fileReserve = 512

// Capacity is what a limit on open files leaves room for.
type Capacity struct {
	Connections int // WebSocket connections
	Sockets     int // of the public listener, those that are not WebSocket connections included
}

// CapacityFor shares out a limit on open files. A small one keeps three quarters
// of its files for connections.
func CapacityFor(files uint64) Capacity {
	reserve := min(fileReserve, files/4)
	connections := min(files-reserve, math.MaxInt32)
	return Capacity{int(connections), int(connections + reserve/4)}
}

// rlimiter is the kernel's pair of calls.
type rlimiter struct {
	get, set func(*unix.Rlimit) error
}

// raise lifts the soft limit to the hard one, as far as it can be, and returns
// what then holds. Go's own runtime usually has done so already. An error of the
// raise itself comes with the limits that stay.
func (r rlimiter) raise() (now unix.Rlimit, err error) {
	if err := r.get(&now); err != nil {
		return now, fmt.Errorf("reading the limit on open files: %w", err)
	}
	if now.Cur >= now.Max {
		return now, nil
	}
	want := unix.Rlimit{Cur: now.Max, Max: now.Max}
	if err := r.set(&want); err != nil {
		return now, fmt.Errorf("raising the limit on open files from %d to %d: %w", now.Cur, now.Max, err)
	}
	return want, nil
}

// RaiseFiles raises the process's soft limit on open files to the hard one and
// tells how many connections there may be: as many as the limit leaves room for,
// and at most most, unless that is 0. The log learns what it was, and whether
// most or wanted cannot be had.
func RaiseFiles(most, wanted int, log *slog.Logger) (Capacity, error) {
	return rlimiter{
		get: func(r *unix.Rlimit) error { return unix.Getrlimit(unix.RLIMIT_NOFILE, r) },
		set: func(r *unix.Rlimit) error { return unix.Setrlimit(unix.RLIMIT_NOFILE, r) },
	}.allowed(most, wanted, log)
}

func (r rlimiter) allowed(most, wanted int, log *slog.Logger) (Capacity, error) {
	files, err := r.raise()
	allowed := CapacityFor(files.Cur)
	if err != nil {
		if files.Cur == 0 {
			return Capacity{}, err
		}
		log.Warn("the soft limit on open files stays below the hard one",
			"error", err, "soft", files.Cur, "hard", files.Max, "connections", allowed.Connections)
	}
	if allowed.Connections < 1 {
		return Capacity{}, fmt.Errorf("nofile: a limit of %d open files leaves no room for connections: raise it (ulimit -n, LimitNOFILE=)", files.Cur)
	}
	log.Info("limit on open files", "soft", files.Cur, "hard", files.Max, "connections", allowed.Connections)
	if asked := max(most, wanted); asked > allowed.Connections {
		log.Warn("fewer connections than asked for: the limit on open files is lower; see barrage check",
			"asked", asked, "connections", allowed.Connections, "nofile", files.Cur)
	}
	if most > 0 {
		allowed.Connections = min(allowed.Connections, most)
	}
	return allowed, nil
}
