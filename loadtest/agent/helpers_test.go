// What the tests share: a Driver that remembers, and the processes
// that this test binary becomes when it is started again.

package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"barrage/loadtest/plan"
	"barrage/loadtest/stamp"
	"barrage/loadtest/swarm"
	"barrage/loadtest/tally"

	"github.com/spf13/pflag"
	"go.uber.org/goleak"
)

// childEnv says what this binary is when a test has started it.
const childEnv = "BARRAGE_AGENT_TEST"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		goleak.VerifyTestMain(m)
	case "agent":
		os.Exit(agentChild())
	case "refuse":
		fmt.Fprint(os.Stderr, "no such\nflag")
		os.Exit(3)
	case "deaf": // never looks at its stdin, and has somebody wait for its end
		_ = os.Stdout.Close()
		time.Sleep(time.Hour)
	case "parent":
		parentChild()
	}
}

func agentChild() int {
	rw, err := Stdio()
	if err == nil {
		fmt.Fprintln(os.Stderr, "serving")
		err = Serve(context.Background(), rw, newFake)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// fake is a Driver that remembers its calls in the Failures of its snapshots.
type fake struct {
	now    func() int64
	calls  map[string]uint64
	closed func()
	snap   func() // before each snapshot
}

func newFake(job Job, now func() int64) (Driver, error) {
	if job.Plan.Name == "impossible" {
		return nil, errors.New("swarm: it is impossible")
	}
	f := &fake{now: now, calls: map[string]uint64{}, closed: func() {}, snap: func() {}}
	f.note("job %d to %d of %d, %d threads", job.From, job.To, job.Plan.Connections, job.Threads)
	return f, nil
}

func (f *fake) note(format string, args ...any) { f.calls[fmt.Sprintf(format, args...)]++ }

func (f *fake) Connect(upto int) { f.note("connect %d", upto) }
func (f *fake) Begin(w Window)   { f.note("begin %v", w) }
func (f *fake) Storm()           { f.note("storm") }
func (f *fake) Close()           { f.closed() }

func (f *fake) Snapshot() swarm.Snapshot {
	f.snap()
	h := tally.NewHistogram()
	for i := range int64(100_000) {
		h.Record(i * i)
	}
	calls := make(map[string]uint64, len(f.calls))
	for c, n := range f.calls {
		calls[c] = n
	}
	return swarm.Snapshot{At: f.now(), Open: 7, Failures: calls, Latency: h}
}

func (f *fake) Finish(failed []swarm.Failure) swarm.Snapshot {
	f.note("finish %v", failed)
	return f.Snapshot()
}

func testJob() Job {
	return Job{Plan: testPlan(), From: 10, To: 30, Threads: 1}
}

func testPlan() plan.Plan {
	p, err := plan.FromFlags(new(pflag.FlagSet), "room")
	if err != nil {
		panic(err)
	}
	return p
}

func testWindow() Window {
	return Window{Run: stamp.Run(5), Start: 1 << 60, Rate: 2.5, Duration: 3 * time.Second}
}

// quiet is a log that nobody reads.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// listen starts a Listener that ends with the test.
func listen(t *testing.T, secret string, newDriver NewDriver, change ...func(*Listener)) (addr string) {
	t.Helper()
	l, err := Listen("127.0.0.1:0", secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(l)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Serve(ctx, newDriver, quiet()) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String()
}

// spawn starts this test binary as kind.
func spawn(t *testing.T, kind string, stderr io.Writer) (*Client, error) {
	t.Helper()
	t.Setenv(childEnv, kind)
	return Spawn(t.Context(), os.Args[0], nil, stderr)
}

// closeAfter closes c when the test ends.
func closeAfter(t *testing.T, c *Client, err error) *Client {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// until waits for a condition that must come true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not in 20 s", what)
		}
	}
}

// expect checks that err is target and its text has all parts.
func expect(t *testing.T, err, target error, parts ...string) {
	t.Helper()
	if err == nil || target != nil && !errors.Is(err, target) {
		t.Fatalf("error %v, want %v", err, target)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not have %q", err, part)
		}
	}
}

// lines is a Writer for several goroutines.
type lines struct {
	mu     sync.Mutex
	writes []string
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes = append(l.writes, string(p))
	return len(p), nil
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.writes...)
}
