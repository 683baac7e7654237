package machine

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRaiseFileLimit(t *testing.T) {
	limit := unix.Rlimit{Cur: 1024, Max: 20000}
	works := rlimiter{
		get: func(r *unix.Rlimit) error { *r = limit; return nil },
		set: func(r *unix.Rlimit) error { limit = *r; return nil },
	}
	refuses := rlimiter{
		get: func(r *unix.Rlimit) error { *r = unix.Rlimit{Cur: 1024, Max: 20000}; return nil },
		set: func(*unix.Rlimit) error { return unix.EPERM },
	}
	broken := rlimiter{get: func(*unix.Rlimit) error { return unix.ENOSYS }}
	tests := []struct {
		name  string
		r     rlimiter
		most  int
		wish  int
		want  int
		fails bool
		warns string
	}{
		{"raised", works, 0, 0, 19488, false, ""},
		{"raised before", works, 100, 0, 100, false, ""},
		{"refused", refuses, 0, 0, 768, false, "from 1024 to 20000: operation not permitted"},
		{"too many wanted", works, 50000, 0, 19488, false, "asked=50000"},
		{"target too high", works, 0, 20000, 19488, false, "asked=20000"},
		{"not to be read", broken, 0, 0, 0, true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			got, err := tt.r.allowed(tt.most, tt.wish, slog.New(slog.NewTextHandler(&log, nil)))
			if got.Connections != tt.want || (err != nil) != tt.fails {
				t.Errorf("%+v, %v", got, err)
			}
			if warned := strings.Contains(log.String(), "WARN"); warned != (tt.warns != "") || !strings.Contains(log.String(), tt.warns) {
				t.Errorf("log %s", &log)
			}
		})
	}
	for files, want := range map[uint64]int{0: 0, 4: 3, 1024: 768, 2048: 1536, 20000: 19488, 1<<64 - 1: 1<<31 - 1} {
		if got := CapacityFor(files).Connections; got != want {
			t.Errorf("%d files are %d connections, want %d", files, got, want)
		}
	}
}
