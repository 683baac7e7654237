package main

// The end-to-end tests: the real binary in child processes, a real redis-server
// and redis-cli, real sockets. The other e2e_ files hold their scenarios and
// helpers.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"barrage/internal/config"
)

// patience bounds every wait; it decides nothing but that a thing never happens.
const patience = 30 * time.Second

func TestEndToEnd(t *testing.T) {
	t.Parallel()
	bin := buildBinary(t)
	for _, scenario := range []struct {
		name string
		run  func(*testing.T, binary)
	}{
		{"one node", oneNode},
		{"accounting", accounting},
		{"commands", commands},
		{"bad settings", badSettings},
		{"ports in use", portsInUse},
		{"secrets stay secret", secretsStaySecret},
		{"three nodes", threeNodes},
		{"rooms with a memory", rooms},
		{"persistent orders", ordersLast},
		{"keys revoked", keysRevoked},
		{"queues", queuesFeedRooms},
		{"traces", traced},
		{"without WebSocket", withoutWebSocket},
		{"subscription killed, Redis killed", redisKilled},
		{"Redis frozen", redisFrozen},
		{"Redis comes later", redisComesLater},
		{"slow network to Redis", slowRedis},
		{"nodes split", nodesSplit},
		{"wall clocks step", clocksStep},
		{"drain under load", drainUnderLoad},
		{"second signal", secondSignal},
		{"hang-up", hangUp},
		{"drain delay", drainDelay},
		{"log that nobody reads", unreadLog},
		{"log that is read again", logReadAgain},
		{"stacks that nobody reads", unreadStacks},
		{"stop while Redis is frozen", stopWithoutRedis},
		{"descriptors exhausted", descriptorsExhausted},
		{"storm", storm},
	} {
		t.Run(scenario.name, func(t *testing.T) {
			t.Parallel()
			scenario.run(t, bin)
		})
	}
}

// binary is the path of the program.
type binary string

// programDir has the program that buildProgram built, for TestMain to remove.
var programDir string

// buildProgram builds the program, with the race detector if this test has it;
// once, for all tests of this process.
var buildProgram = sync.OnceValues(func() (binary, error) {
	dir, err := os.MkdirTemp("", "barrage-test-")
	if err != nil {
		return "", err
	}
	programDir = dir
	path := filepath.Join(dir, "barrage")
	args := []string{"build", "-o", path}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary(path), nil
})

func buildBinary(t *testing.T) binary {
	t.Helper()
	bin, err := buildProgram()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// command prepares a run of the program with settings from env only.
func (b binary) command(ctx context.Context, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, string(b), args...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, config.EnvPrefix) }), env...)
	// The child goes even if this process is killed, which runs no cleanup.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// run runs the program to its end.
func (b binary) run(t *testing.T, env []string, stdin string, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := b.command(ctx, env, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// await polls until ok.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain for %s", patience, what)
		}
	}
}
