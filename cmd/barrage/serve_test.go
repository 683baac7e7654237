package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/cobra"

	"barrage/api"
	"barrage/internal/config"
)

// lockedBuffer can be read while the program writes.
type lockedBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var readyLine = regexp.MustCompile(`^barrage ready: ws on (127\.0\.0\.1:\d+), admin on (127\.0\.0\.1:\d+)(?:, tcp on [^,]+)*, 2 shards, up to \d+ connections\n$`)

// The whole program: ready line, page, publish, drain by a real SIGTERM.
func TestServe(t *testing.T) {
	var stdout, stderr lockedBuffer
	code := make(chan int, 1)
	go func() { // ends by the SIGTERM below
		code <- run(context.Background(), &process{
			args:   []string{"serve", "--listen=127.0.0.1:0", "--admin=127.0.0.1:0", "--shards=2", "--drain-window=100ms"},
			stdout: &stdout, stderr: &stderr,
		})
	}()
	eventually(t, "the ready line", func() bool { return strings.Contains(stdout.String(), "\n") })
	m := readyLine.FindStringSubmatch(stdout.String())
	if m == nil {
		t.Fatalf("ready line %q", stdout.String())
	}
	for _, url := range []string{"http://" + m[1] + "/", "http://" + m[2] + "/readyz", "http://" + m[2] + "/metrics"} {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		w, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, w.Body); err != nil || w.StatusCode != 200 {
			t.Errorf("%s: %d %v", url, w.StatusCode, err)
		}
		w.Body.Close()
	}
	if got := runWith(t, "", "", "publish", "lobby", "hi", "--admin", m[2]); got.code != exitOK || !strings.Contains(got.stdout, `"delivered_to":0`) {
		t.Errorf("publish: %+v", got)
	}
	if got := runWith(t, "", "", "publish", "no*room", "hi", "--admin", m[2]); got.code != exitFailure || !strings.Contains(got.stderr, "400") {
		t.Errorf("publish to a bad room: %+v", got)
	}
	if got := runWith(t, "", "", "serve", "--listen=127.0.0.1:0", "--admin="+m[2]); got.code != exitFailure || !strings.Contains(got.stderr, "address already in use") {
		t.Errorf("a second server on the same port: %+v", got)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-code:
		if got != exitOK {
			t.Errorf("exit code %d: %s", got, stderr.String())
		}
	case <-time.After(10 * time.Second):
		t.Fatal("not stopped")
	}
	if !readyLine.MatchString(stdout.String()) {
		t.Errorf("more than one line on stdout: %q", stdout.String())
	}
}

// stubNode is a node whose life is the test's.
type stubNode struct {
	api.Server // nil: nobody asks
	startErr   error
	fatal      chan<- error

	mu    sync.Mutex // guards steps
	steps []string
}

func (n *stubNode) step(s string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.steps = append(n.steps, s)
}

func (n *stubNode) Ready() []string                            { return nil }
func (n *stubNode) Start() error                               { n.step("start"); return n.startErr }
func (n *stubNode) PlainAddrs() []string                       { return nil }
func (n *stubNode) Addr() netip.AddrPort                       { return netip.MustParseAddrPort("127.0.0.1:1") }
func (n *stubNode) Leave()                                     { n.step("leave") }
func (n *stubNode) Drain(context.Context, time.Duration) error { n.step("drain"); return nil }
func (n *stubNode) Close()                                     { n.step("close") }
func (n *stubNode) build(p nodeDeps) (server, error)           { n.fatal = p.fatal; return n, nil }
func (n *stubNode) String() string                             { return strings.Join(n.steps, " ") }

func TestServerLife(t *testing.T) {
	tests := []struct {
		name     string
		startErr error
		fatal    error
		code     int
		steps    string
	}{
		{"stopped", nil, nil, exitOK, "start drain close"},
		{"does not start", errors.New("no port"), nil, exitFailure, "start"},
		{"a loop dies", nil, errors.New("epoll failed"), exitInternal, "start close"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := load(t, "", "", "--admin=127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			n := &stubNode{startErr: tt.startErr}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			ready := writerFunc(func() {
				if tt.fatal != nil {
					n.fatal <- tt.fatal
					return
				}
				cancel()
			})
			out := openOutput(&cfg, &process{stdout: ready, stderr: io.Discard})
			defer out.close()
			err = command(func(_ *cobra.Command, _ []string) error {
				return runServer(ctx, &cfg, out, n.build)
			})(nil, nil)
			if got := codeOf(err); got != tt.code || n.String() != tt.steps {
				t.Errorf("code %d (%v) after %q, want %d after %q", got, err, n, tt.code, tt.steps)
			}
		})
	}
}

// writerFunc is called by each write.
type writerFunc func()

func (f writerFunc) Write(p []byte) (int, error) { f(); return len(p), nil }

func codeOf(err error) int {
	var e *exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &e):
		return e.code
	}
	return -1
}

func TestSignals(t *testing.T) {
	for _, sent := range [][]os.Signal{
		{syscall.SIGTERM}, {syscall.SIGINT}, {syscall.SIGHUP}, {syscall.SIGHUP, syscall.SIGHUP, syscall.SIGTERM}, {syscall.SIGTERM, syscall.SIGHUP},
		{syscall.SIGTERM, syscall.SIGTERM}, // as timeout(1) does
	} {
		t.Run(fmt.Sprintf("%v drains", sent), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				signals := make(chan os.Signal) // what is sent is taken
				release := make(chan struct{})
				go func() { // ends when all are taken
					for _, sig := range sent {
						signals <- sig
					}
					close(release)
				}()
				err := untilSignal(context.Background(), signals, func(ctx context.Context) error {
					<-ctx.Done()
					<-release
					synctest.Wait() // all that is sent is looked at
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		})
	}
	for sig, code := range map[os.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		t.Run("a second forces "+sig.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				signals := make(chan os.Signal)
				go func() { // ends when both are taken
					signals <- syscall.SIGTERM
					time.Sleep(sameStop)
					signals <- sig
				}()
				release := make(chan struct{})
				defer close(release)
				err := untilSignal(context.Background(), signals, func(ctx context.Context) error {
					<-release // deaf to its context
					return nil
				})
				if got := codeOf(err); got != code {
					t.Errorf("code %d, want %d", got, code)
				}
			})
		})
	}
	t.Run("a panic is internal", func(t *testing.T) {
		err := untilSignal(context.Background(), nil, func(context.Context) error { panic("boom") })
		if got := codeOf(err); got != exitInternal || !strings.Contains(err.Error(), "boom") {
			t.Errorf("code %d: %v", got, err)
		}
	})
}

func TestExitCodes(t *testing.T) {
	tests := []struct {
		name, environ string
		args          []string
		code          int
		stderr        string // of which each line begins with "barrage: "
	}{
		{"help", "", []string{"--help"}, exitOK, ""},
		{"version", "", []string{"version"}, exitOK, ""},
		{"unknown command", "", []string{"frobnicate"}, exitUsage, "unknown command"},
		{"unknown flag", "", []string{"serve", "--frob"}, exitUsage, "unknown flag: --frob"},
		{"flag with one dash", "", []string{"serve", "-admin-token=hunter2"}, exitUsage, "-admin-token: flags begin with two dashes"},
		{"flag without value", "", []string{"serve", "--listen"}, exitUsage, "--listen"},
		{"argument too many", "", []string{"serve", "x"}, exitUsage, "x"},
		{"argument missing", "", []string{"publish", "lobby"}, exitUsage, "2 arg"},
		{"bad setting", "", []string{"serve", "--shards=x"}, exitUsage, "shards"},
		{"several bad settings", "BARRAGE_SHARDS=x BARRAGE_FOO=1", []string{"serve", "--slow-policy=x"}, exitUsage, "slow_policy"},
		{"no token", "", []string{"serve", "--admin=0.0.0.0:1"}, exitUsage, "admin_token"},
		{"bad file", "", []string{"serve", "--config=/no/such"}, exitUsage, "config: /no/such"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := runWith(t, tt.environ, "", tt.args...)
			if got.code != tt.code || !strings.Contains(got.stderr, tt.stderr) || tt.code == exitOK && got.stdout == "" {
				t.Errorf("%+v, want %d and %q", got, tt.code, tt.stderr)
			}
			if strings.Contains(got.stderr, "hunter2") {
				t.Errorf("a secret in %q", got.stderr)
			}
			for line := range strings.Lines(got.stderr) {
				if !strings.HasPrefix(line, "barrage: ") {
					t.Errorf("line %q", line)
				}
			}
		})
	}
	if got := runWith(t, "BARRAGE_SHARDS=x BARRAGE_FOO=1", "", "serve", "--slow-policy=x"); strings.Count(got.stderr, "\n") != 3 {
		t.Errorf("three problems in %q", got.stderr)
	}
}

// A panic in a command is an internal error.
func TestPanicIsInternal(t *testing.T) {
	var stderr bytes.Buffer
	code := run(context.Background(), &process{args: []string{"version"}, stdout: panicWriter{}, stderr: &stderr})
	if code != exitInternal || !strings.HasPrefix(stderr.String(), "barrage: internal error: boom\n") {
		t.Errorf("code %d: %s", code, &stderr)
	}
}

type panicWriter struct{}

func (panicWriter) Write([]byte) (int, error) { panic("boom") }

func TestVersionJSON(t *testing.T) {
	got := runWith(t, "", "", "version", "--json")
	if got.code != exitOK || !strings.HasPrefix(got.stdout, `{"version":"`) || !strings.Contains(got.stdout, `"go":"go1.`) {
		t.Errorf("%+v", got)
	}
}

func TestLogger(t *testing.T) {
	for format, want := range map[string]string{"json": `{"time"`, "auto": `{"time"`, "text": "time="} {
		var b bytes.Buffer
		cfg := config.Config{LogFormat: format, LogLevel: "warn"}
		log := newLogger(&cfg, &b)
		log.Info("hidden")
		log.Warn("shown")
		if !strings.HasPrefix(b.String(), want) || strings.Contains(b.String(), "hidden") {
			t.Errorf("%s: %s", format, &b)
		}
	}
}
