package main

// From the command line to the document, and what can go wrong on the way.

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	o, err := parse([]string{"-servers", "gws,barrage", "-rates", "10,1000@500", "-rounds", "2", "-raw", "somewhere"})
	if err != nil {
		t.Fatal(err)
	}
	if got := names(o.servers); !slices.Equal(got, []string{"barrage", "gws"}) {
		t.Errorf("servers: %v", got)
	}
	if !slices.Equal(o.rates, []load{{10, 10000}, {1000, 500}}) {
		t.Errorf("rates: %v", o.rates)
	}
	if want := []string{"-rates 10,1000@500", "-rounds 2", "-servers gws,barrage"}; !slices.Equal(o.given, want) {
		t.Errorf("given: %q, want %q: what was measured, not where to", o.given, want)
	}
	// A run takes 3 + 5 seconds, at least 2 and at most 4 around it, up to 30 of
	// drain, and the time of connecting.
	if got, want := o.estimate(2), "2 servers, 2 rates, 2 rounds: 8 runs, 1m0s to 6m0s"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, test := range []struct{ name, args, want string }{
		{"server", "-servers gws,apache", `"apache"`},
		{"rate", "-rates ten", "-rates"},
		{"rate of none", "-rates 0", "-rates"},
		{"members", "-rates 10@x", "-rates"},
		{"too many members", "-rates 10@19001", "19000"},
		{"too many connections", "-connections 20000", "19000"},
		{"rounds", "-rounds 0", "-rounds"},
		{"no drain", "-drain 0s", "-drain"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := parse(strings.Fields(test.args))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
		})
	}
}

// loadClient writes the canned report, after it has seen that the pid it was
// given lives.
const loadClient = `#!/bin/sh
case "$1" in
version) echo barrage v0.0-test; exit ;;
serve) echo cannot serve >&2; exit 1 ;;
esac
while [ $# -gt 0 ]; do
	case "$1" in
	--json) file="$2"; shift ;;
	--pid) kill -0 "$2" || exit 8; shift ;;
	esac
	shift
done
cp "$REPORT" "$file"
exit 1 # as if a condition was not met: the report counts
`

// TestRun goes from the command line to the document, with a real server and a
// load client that knows its result before.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	client := script(t, dir, loadClient)
	canned, err := filepath.Abs("testdata/report.json")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("REPORT", canned)
	out := filepath.Join(dir, "BENCHMARKS.md")
	before, after := "# Benchmarks \r\n\nKept.\n", "\n\n\nKept too, without an end of line"
	if err := os.WriteFile(out, []byte(before+beginMark+"old"+endMark+after), 0o644); err != nil {
		t.Fatal(err)
	}
	o, err := parse([]string{"-barrage", client, "-servers", "barrage,gws", "-rates", "10", "-rounds", "2",
		"-out", out, "-images", filepath.Join(dir, "docs", "images"), "-raw", filepath.Join(dir, "raw")})
	if err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	document := string(data)
	if !strings.HasPrefix(document, before+beginMark) || !strings.HasSuffix(document, endMark+after) {
		t.Errorf("something outside of the marks has changed: %q", document)
	}
	for _, want := range []string{
		"| gws | v1.8.9 | 400 [400 to 400] |",
		"- gws: the machine was busy before the run (2 of 2 runs)\n",
		"- Barrage: 2 of 2 runs failed: barrage ended\n",
		"- p50 in ms at 10/s to 10,000: there is no figure for Barrage; the best of the others is gws with 36.2 [36.2 to 36.2].",
		"(docs/images/peers-p99.svg)",
	} {
		if !strings.Contains(document, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(document, dir) {
		t.Error("the document names a folder of this machine")
	}
	for _, file := range []string{"raw/round1_rate10_members10000_gws.json", "raw/round2_rate10_members10000_gws.json", "docs/images/peers-memory.svg"} {
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			t.Error(err)
		}
	}
}

// TestMeasureFailures: what goes wrong is in the results, and the rounds go on.
func TestMeasureFailures(t *testing.T) {
	dir := t.TempDir()
	client := script(t, dir, "#!/bin/sh\n[ $1 = version ] && exit\necho no such preset >&2\nexit 2\n")
	o, err := parse([]string{"-barrage", client, "-servers", "gws", "-rates", "10", "-rounds", "2", "-raw", dir})
	if err != nil {
		t.Fatal(err)
	}
	b, err := newBench(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	runs, err := b.measure(t.Context())
	if err != nil || len(runs) != 2 {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	if !strings.Contains(runs[0].line(), "no such preset") {
		t.Errorf("got %q, want what the load client said", runs[0].line())
	}
	b.available[0].binary = script(t, dir, "#!/bin/sh\necho cannot listen >&2\nexit 1\n")
	runs, err = b.measure(t.Context())
	if err != nil || !strings.Contains(runs[1].line(), "cannot listen") {
		t.Errorf("got %+v, %v, want what the server said", runs, err)
	}
}

func TestMeasureEndsWithContext(t *testing.T) {
	dir := t.TempDir()
	o, err := parse([]string{"-barrage", script(t, dir, "#!/bin/sh\n[ $1 = version ] || exec sleep 60\n"), "-servers", "epoll", "-raw", dir})
	if err != nil {
		t.Fatal(err)
	}
	b, err := newBench(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := b.measure(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestStopKills: a server that does not listen to SIGTERM is gone all the same.
func TestStopKills(t *testing.T) {
	dir := t.TempDir()
	s, err := choose("epoll")
	if err != nil {
		t.Fatal(err)
	}
	binary, _, err := s[0].provide(t.Context(), options{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	at, err := freePorts()
	if err != nil {
		t.Fatal(err)
	}
	p, err := start(t.Context(), s[0], binary, dir, at)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(p.pids())
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil { // deaf to all but SIGKILL
		t.Fatal(err)
	}
	p.stop()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d: %v", pid, err)
	}
}

func script(t *testing.T, dir, text string) string {
	t.Helper()
	file, err := os.CreateTemp(dir, "script-")
	if err != nil {
		t.Fatal(err)
	}
	name := file.Name()
	if err := errors.Join(file.Close(), os.WriteFile(name, []byte(text), 0o755), os.Chmod(name, 0o755)); err != nil {
		t.Fatal(err)
	}
	return name
}
