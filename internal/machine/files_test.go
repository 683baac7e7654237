package machine

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFileLimit(t *testing.T) {
	raised, low := unix.Rlimit{Cur: 19999, Max: 20000}, unix.Rlimit{Cur: 1023, Max: 20000}
	tests := []struct {
		name  string
		files unix.Rlimit
		most  int
		wish  int
		want  int
		fails bool
		warns string
	}{
		{"raised by the runtime", raised, 0, 0, 19488, false, ""},
		{"raised by the user", unix.Rlimit{Cur: 20000, Max: 20000}, 100, 0, 100, false, ""},
		{"not raised", low, 0, 0, 768, false, "soft=1024 hard=20000"},
		{"too many wanted", raised, 50000, 0, 19488, false, "asked=50000"},
		{"target too high", raised, 0, 20000, 19488, false, "asked=20000"},
		{"none", unix.Rlimit{}, 0, 0, 0, true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			got, err := allowed(tt.files, tt.most, tt.wish, slog.New(slog.NewTextHandler(&log, nil)))
			if got.Connections != tt.want || (err != nil) != tt.fails {
				t.Errorf("%+v, %v", got, err)
			}
			if warned := strings.Contains(log.String(), "WARN"); warned != (tt.warns != "") || !strings.Contains(log.String(), tt.warns) {
				t.Errorf("log %s", &log)
			}
		})
	}
	// The runtime has done what allowed relies on.
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil || files.Cur < files.Max-1 {
		t.Errorf("the limit of this process is %+v, %v", files, err)
	}
	for files, want := range map[uint64]int{0: 0, 4: 3, 1024: 768, 2048: 1536, 20000: 19488, 1<<64 - 1: 1<<31 - 1} {
		if got := CapacityFor(files).Connections; got != want {
			t.Errorf("%d files are %d connections, want %d", files, got, want)
		}
	}
}
