package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"go.uber.org/goleak"

	"barrage/internal/config"
)

// TestMain has four tests wait at the same time, which they mostly do, and
// removes the program that they share. A pool of go-redis that could not dial may
// try on for a second after it is closed.
func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "4")
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"),
		goleak.Cleanup(func(code int) {
			_ = os.RemoveAll(programDir)
			os.Exit(code)
		}))
}

// outcome is what a run of the program left.
type outcome struct {
	code           int
	stdout, stderr string
}

// runWith runs the program with the environment given, a line each.
func runWith(t *testing.T, environ, stdin string, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), &process{
		args: args, environ: strings.Fields(environ),
		stdin: strings.NewReader(stdin), stdout: &stdout, stderr: &stderr,
	})
	return outcome{code, stdout.String(), stderr.String()}
}

// load is config.Load of a YAML text, an environment, a line each, and flags.
func load(t *testing.T, file, environ string, args ...string) (config.Config, error) {
	t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	config.AddFlags(flags)
	if file != "" {
		args = append(args, "--config", writeFile(t, "config.yaml", file))
	}
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return config.Load(flags, strings.Fields(environ))
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
