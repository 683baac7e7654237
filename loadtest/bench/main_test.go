package main

// The bench with a stand-in for Barrage: this test binary.

import (
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain is `barrage version`, `barrage serve` and `barrage loadtest` of a
// stand-in: the load test looks whether the pids it was given live, and writes a
// canned report. What should go wrong is in the environment.
func TestMain(m *testing.M) {
	if len(os.Args) < 2 || strings.HasPrefix(os.Args[1], "-") {
		os.Exit(m.Run())
	}
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	values := make(map[string]*string)
	for _, arg := range os.Args[2:] {
		if name, ok := strings.CutPrefix(arg, "--"); ok && values[name] == nil {
			values[name] = flags.String(name, "", "")
		}
	}
	args := os.Args[2:]
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		args = args[1:] // the load test's scenario
	}
	args = slices.DeleteFunc(slices.Clone(args), func(a string) bool { return a == "--plain" })
	if err := flags.Parse(args); err != nil {
		os.Exit(9)
	}
	value := func(name string) string { return *values[name] }
	switch os.Args[1] {
	case "version":
		println("to nobody")
		os.Stdout.WriteString("barrage v0.0-test\n")
	case "serve":
		serve(value)
	case "loadtest":
		load1(value)
	}
	os.Exit(0)
}

func serve(value func(string) string) {
	if os.Getenv("SERVE") == "fails" {
		println("cannot serve")
		os.Exit(1)
	}
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	go http.ListenAndServe(value("listen"), ok)
	http.Handle("/readyz", ok)
	http.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "barrage_handshakes_total{result=\"101\"} 17\nbarrage_handshakes_total{result=\"400\"} 5\n"+
			"barrage_redis_messages_received_total 4\nprocess_cpu_seconds_total 1.5\n")
	})
	println(http.ListenAndServe(value("admin"), nil).Error())
	os.Exit(1)
}

func load1(value func(string) string) {
	for pid := range strings.SplitSeq(value("pid"), ",") {
		if n, err := strconv.Atoi(pid); err != nil || syscall.Kill(n, 0) != nil {
			os.Exit(8)
		}
	}
	switch os.Getenv("LOADTEST") {
	case "fails":
		println("no such preset")
		os.Exit(2)
	case "hangs":
		time.Sleep(time.Minute)
	}
	data, err := os.ReadFile("testdata/report.json")
	if err == nil {
		err = os.WriteFile(value("json"), data, 0o644)
	}
	if err != nil {
		os.Exit(7)
	}
	os.Exit(1) // as if a condition was not met: the report counts
}

// self is the path of the stand-in.
func self(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// TestVersus goes from the command line to the document.
func TestVersus(t *testing.T) {
	dir := t.TempDir()
	document, out := filepath.Join(dir, "BENCHMARKS.md"), filepath.Join(dir, "out")
	args := []string{"versus", "-barrage", self(t), "-base", self(t), "-rates", "10", "-rounds", "3", "-out", out, "-document", document}
	if err := run(t.Context(), args); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"<!-- bench-versus:begin -->\n## ",
		"before: barrage v0.0-test. now: barrage v0.0-test.",
		"| raw | before | now | times | plus |",
		"| barrage.v1 | before | now | times | plus |",
		"| 10/s to 10,000: deliveries per server CPU-second | 147,059 [147,059 to 147,059] | 147,059 [147,059 to 147,059] | 1.00 [1.00 to 1.00] | 0 [0 to 0] |",
		"| idle: resident bytes per idle connection | 400 [400 to 400] |",
		"Nothing was lost,",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q", want)
		}
	}
	if t.Failed() || strings.Contains(string(text), dir) {
		t.Errorf("the document, which must not name folders of this machine:\n%s", text)
	}
	for _, file := range []string{"idle-barrage.v1-now-3.json", "room-10-10000-barrage-before-1.log"} {
		if _, err := os.Stat(filepath.Join(out, file)); err != nil {
			t.Error(err)
		}
	}
}

// TestVersusFailures: what goes wrong is in the table, and the rounds go on.
func TestVersusFailures(t *testing.T) {
	for _, test := range []struct{ variable, want string }{
		{"SERVE", "- idle, barrage.v1: 2 of 2 runs failed: idle-barrage.v1-barrage.v1-1 ended"},
		{"LOADTEST", "- idle, raw: 2 of 2 runs failed: the load client gave no report"},
	} {
		t.Run(test.variable, func(t *testing.T) {
			t.Setenv(test.variable, "fails")
			document := filepath.Join(t.TempDir(), "BENCHMARKS.md")
			args := []string{"versus", "-barrage", self(t), "-parts", "idle", "-rounds", "2", "-out", t.TempDir(), "-document", document}
			if err := run(t.Context(), args); err != nil {
				t.Fatal(err)
			}
			if text, _ := os.ReadFile(document); !strings.Contains(string(text), test.want) {
				t.Errorf("no %q in %s", test.want, text)
			}
		})
	}
}

// TestCluster goes from the command line to the nodes' table.
func TestCluster(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed")
	}
	args := []string{"cluster", "-barrage", self(t), "-nodes", "2", "-connections", "10", "-out", t.TempDir()}
	document := filepath.Join(t.TempDir(), "BENCHMARKS.md")
	if err := run(t.Context(), append(args, "-document", document)); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(document)
	for _, want := range []string{"## Several nodes: 10 viewers", "500,000 copies expected", "| 2 | 17 | 4 | 0 | 0 | 1.5 |", "| all | 34 | 8 | 0 | 0 | 3.0 |"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
}

// TestPeers goes from the command line to the document and the plots.
func TestPeers(t *testing.T) {
	dir := t.TempDir()
	document := filepath.Join(dir, "BENCHMARKS.md")
	begin, end := marks("peers")
	before, after := "# Benchmarks \r\n\nKept.\n", "\n\n\nKept too, without an end of line"
	if err := os.WriteFile(document, []byte(before+begin+"old"+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"peers", "-barrage", self(t), "-servers", "barrage", "-rates", "10", "-rounds", "2",
		"-document", document, "-images", filepath.Join(dir, "docs", "images"), "-out", filepath.Join(dir, "out")}
	if err := run(t.Context(), args); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	if !strings.HasPrefix(text, before+begin) || !strings.HasSuffix(text, end+after) {
		t.Errorf("something outside of the marks has changed: %q", text)
	}
	for _, want := range []string{
		"| Barrage | v0.0-test | 400 [400 to 400] |",
		"- Barrage: the machine was busy before the run (2 of 2 runs)\n",
		"(docs/images/peers-p99.svg)",
		"go run ./loadtest/bench peers -rates 10 -rounds 2 -servers barrage\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(text, dir) {
		t.Error("the document names a folder of this machine")
	}
	for _, file := range []string{"out/room-10-10000-barrage-2.json", "docs/images/peers-memory.svg"} {
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			t.Error(err)
		}
	}
}

// TestPeersFailures: what goes wrong is in the table, and the rounds go on.
func TestPeersFailures(t *testing.T) {
	for _, test := range []struct{ variable, want, said string }{
		{"SERVE", "- Barrage: 2 of 2 runs failed: room-10-10-barrage-1 ended\n", "cannot serve"},
		{"LOADTEST", "- Barrage: 2 of 2 runs failed: the load client gave no report\n", "no such preset"},
	} {
		t.Run(test.variable, func(t *testing.T) {
			t.Setenv(test.variable, "fails")
			dir := t.TempDir()
			document := filepath.Join(dir, "BENCHMARKS.md")
			args := []string{"peers", "-barrage", self(t), "-servers", "barrage", "-rates", "10@10", "-rounds", "2", "-out", dir, "-document", document}
			if err := run(t.Context(), args); err != nil {
				t.Fatal(err)
			}
			if text, _ := os.ReadFile(document); !strings.Contains(string(text), test.want) {
				t.Errorf("no %q in %s", test.want, text)
			}
			logs, _ := filepath.Glob(filepath.Join(dir, "room-10-10-barrage-2.*"))
			for _, log := range logs {
				if text, _ := os.ReadFile(log); strings.Contains(string(text), test.said) {
					return
				}
			}
			t.Errorf("no %q in %q", test.said, logs)
		})
	}
}

func TestEstimate(t *testing.T) {
	// A run takes 3 + 5 seconds, at least 2 and at most 4 around it, up to 30 of
	// drain, and the time of connecting.
	p := &peers{rounds: 2, loads: []load{{10, 10000}, {1000, 500}}, seconds: 5, hold: 3 * time.Second, drain: 30 * time.Second, subjects: make([]subject, 2)}
	if got, want := p.estimate(), "2 servers, 2 rates, 2 rounds: 8 runs, 1m0s to 6m0s"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if chosen, err := choose("gws,barrage"); err != nil || !slices.Equal(names(chosen), []string{"barrage", "gws"}) {
		t.Errorf("got %v, %v", chosen, err)
	}
	if loads, err := parseRates("10,1000@500", 10000); err != nil || !slices.Equal(loads, p.loads) {
		t.Errorf("got %v, %v", loads, err)
	}
}

func TestEndsWithContext(t *testing.T) {
	t.Setenv("LOADTEST", "hangs")
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if err := run(ctx, []string{"versus", "-barrage", self(t), "-out", t.TempDir()}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestRefuses(t *testing.T) {
	for _, test := range []struct{ name, args, want string }{
		{"no scenario", "", "versus"},
		{"scenario", "verses", "versus"},
		{"no flag", "versus all", `"all"`},
		{"rate", "versus -rates ten", "-rates"},
		{"rate of none", "versus -rates 0", "-rates"},
		{"members", "versus -rates 10@x", "-rates"},
		{"too many members", "versus -rates 10@19001", "19000"},
		{"too many connections", "versus -connections 20000", "19000"},
		{"too many idle", "versus -idle 20000", "-idle"},
		{"rounds", "versus -rounds 0", "-rounds"},
		{"server", "peers -servers gws,apache", `"apache"`},
		{"no drain", "peers -drain 0s", "-drain"},
		{"nodes", "cluster -nodes 0", "-nodes"},
		{"too few nodes", "cluster -nodes 1 -connections 2000000000", "-nodes must be"},
		{"part", "versus -parts rooms", `"rooms"`},
		{"attack", "hostile -attacks histories,peace", `"peace"`},
		{"protocol", "versus -base " + self(t) + " -protocols v2", `"v2"`},
		{"commit", "versus -base no-such-commit", "-base"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			err := run(t.Context(), strings.Fields(test.args))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
		})
	}
}

// TestStopKills: a server that does not listen to SIGTERM is gone all the same.
func TestStopKills(t *testing.T) {
	b := &bench{scenario: "test", out: t.TempDir()}
	if err := b.open(); err != nil {
		t.Fatal(err)
	}
	defer b.close()
	n, err := b.startNode(t.Context(), "deaf", self(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	pid := n.pids[0]
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil { // deaf to all but SIGKILL
		t.Fatal(err)
	}
	b.stop()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d: %v", pid, err)
	}
}
