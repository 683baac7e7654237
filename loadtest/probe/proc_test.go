// What is in /proc, of machines that are not at hand.

package probe

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"strings"
	"testing"
)

// statLine is /proc/PID/stat with a name, state, CPU ticks and a start time.
func statLine(name, state, user, system, start string) string {
	return "42 (" + name + ") " + state + " 1 42 42 0 -1 4194560 120 0 0 0 " + user + " " + system +
		" 0 0 20 0 5 0 " + start + " 1000 250 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0\n"
}

// TestStat is of what only some processes have in the file.
func TestStat(t *testing.T) {
	for _, c := range []struct {
		name, text string
		cpu        float64
		ok         bool
	}{
		{"plain", statLine("barrage", "S", "150", "50", "777"), 2, true},
		{"brackets in the name", statLine("a) R 1 (b", "R", "1", "2", "777"), 0.03, true},
		{"line feed in the name", statLine("a\nb", "R", "1", "2", "777"), 0.03, true},
		{"zombie", statLine("x", "Z", "1", "2", "777"), 0, false},
		{"dead", statLine("x", "X", "1", "2", "777"), 0, false},
		{"empty", "", 0, false},
		{"no name", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22", 0, false},
		{"cut off", statLine("x", "S", "1", "2", "777")[:40], 0, false},
		{"no number", statLine("x", "S", "-1", "2", "777"), 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := tree(t, map[string]string{"proc/42/stat": c.text}).stat(42)
			if (err == nil) != c.ok || c.ok && (got.CPUTime() != c.cpu || got.Starttime != 777) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestRSS(t *testing.T) {
	m := tree(t, map[string]string{
		"proc/1/status": "Name:\tx\nVmPeak:\t  99 kB\nVmRSS:\t    2048 kB\n",
		"proc/2/status": "Name:\tx\n", // a zombie
		"proc/3/status": "VmRSS:\t x kB\n",
		"proc/4/status": "VmRSS:\t -1 kB\n",
	})
	for pid, want := range map[int]int64{1: 2 << 20, 2: 0, 3: 0, 4: 0, 5: 0} {
		if got, ok := m.rss(pid); ok != (want > 0) || ok && got != want {
			t.Errorf("pid %d: got %d, %v, want %d", pid, got, ok, want)
		}
	}
}

func TestKernelMemory(t *testing.T) {
	const meminfo = "MemTotal: 1000 kB\nSlab:  300 kB\n"
	const sockstat = "sockets: used 16\nTCP: inuse 2 orphan 0 tw 20 alloc 2 mem 10\nUDP: inuse 0 mem 7\n"
	page := int64(os.Getpagesize())
	for _, c := range []struct {
		name  string
		files map[string]string
		want  int64
		ok    bool
	}{
		{"both", map[string]string{"proc/meminfo": meminfo, "proc/net/sockstat": sockstat}, 300<<10 + 10*page, true},
		{"no slab", map[string]string{"proc/meminfo": "MemTotal: 1 kB\n", "proc/net/sockstat": sockstat}, 0, false},
		{"no sockstat", map[string]string{"proc/meminfo": meminfo}, 0, false},
		{"no TCP", map[string]string{"proc/meminfo": meminfo, "proc/net/sockstat": "UDP: inuse 0 mem 7\n"}, 0, false},
		{"no pages", map[string]string{"proc/meminfo": meminfo, "proc/net/sockstat": "TCP: inuse 2\n"}, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			slab, buffers, ok := tree(t, c.files).kernelMemory()
			if got := slab + buffers; ok != c.ok || ok && got != c.want {
				t.Errorf("got %d, %v, want %d, %v", got, ok, c.want, c.ok)
			}
		})
	}
}

func TestMachineCPU(t *testing.T) {
	for _, c := range []struct {
		name, stat  string
		busy, total float64
	}{
		{"plain", "cpu  100 200 300 1000 400 50 60 90 7 7\ncpu0 1 2 3 4 5 6 7 8 9 10\n", 8, 22},
		{"absent", "", 0, 0},
		{"no number", "cpu 1 2 3 4 x 6 7 8\n", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			busy, total := tree(t, map[string]string{"proc/stat": c.stat}).cpu()
			if math.Abs(busy-c.busy) > 1e-9 || math.Abs(total-c.total) > 1e-9 {
				t.Errorf("got %v of %v, want %v of %v", busy, total, c.busy, c.total)
			}
		})
	}
}

func TestStatErrors(t *testing.T) {
	m := tree(t, map[string]string{
		"proc/1/stat": "garbage",
		"proc/2/stat": statLine("x", "Z", "1", "2", "3"),
	})
	if _, err := m.stat(1); err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "/proc/1/stat") {
		t.Errorf("garbage: %v", err)
	}
	for _, pid := range []int{2, 3} {
		if _, err := m.stat(pid); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("pid %d: %v", pid, err)
		}
	}
}

func TestExecutable(t *testing.T) {
	m := tree(t, map[string]string{"proc/5/comm": "nginx\n", "proc/6/comm": "x\n"})
	if err := os.Symlink("/usr/local/bin/barrage (deleted)", m.root+"/proc/6/exe"); err != nil {
		t.Fatal(err)
	}
	for pid, want := range map[int]string{5: "nginx", 6: "barrage", 7: ""} {
		if got := m.executable(pid); got != want {
			t.Errorf("pid %d: got %q, want %q", pid, got, want)
		}
	}
}
