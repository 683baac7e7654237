// The process's limit on open files, which bounds connections first on most
// machines.

package machine

import (
	"fmt"
	"log/slog"
	"math"

	"golang.org/x/sys/unix"

	"barrage/internal/bounds"
)

// fileReserve is what the process keeps of its open files for all that is not a
// WebSocket connection: event loops, listeners, the admin listener's
// connections, Redis, and sockets that are only there to be told 503.
const fileReserve = 4 * bounds.AdminConnections

// minAdmin connections of the admin listener there are on the smallest machine.
const minAdmin = 4

// Capacity is what a limit on open files leaves room for.
type Capacity struct {
	Connections int // WebSocket connections
	Sockets     int // of the public listener, those that are not WebSocket connections included
	Admin       int // connections of the admin listener
}

// CapacityFor shares out a limit on open files. A small one keeps three quarters
// of its files for connections.
func CapacityFor(files uint64) Capacity {
	reserve := min(fileReserve, files/4)
	connections := min(files-reserve, math.MaxInt32)
	return Capacity{Connections: int(connections), Sockets: int(connections + reserve/4), Admin: int(max(reserve/4, minAdmin))}
}

// ReadFiles tells how many connections there may be: as many as the process's limit on
// open files leaves room for, and at most most, unless that is 0. The log learns what
// the limit is, and whether most or wanted cannot be had.
func ReadFiles(most, wanted int, log *slog.Logger) (Capacity, error) {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return Capacity{}, fmt.Errorf("reading the limit on open files: %w", err)
	}
	return allowed(files, most, wanted, log)
}

// allowed shares out a limit as it is after Go's runtime has raised the soft one to the
// hard one, less one (see syscall's rlimit.go), when the program began. That one does
// not matter here, but 20000 shall mean what barrage check says of 20000.
func allowed(files unix.Rlimit, most, wanted int, log *slog.Logger) (Capacity, error) {
	if files.Cur < files.Max {
		files.Cur++
	}
	allowed := CapacityFor(files.Cur)
	if files.Cur < files.Max {
		log.Warn("the soft limit on open files stays below the hard one",
			"soft", files.Cur, "hard", files.Max, "connections", allowed.Connections)
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
