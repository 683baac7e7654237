// Barrage is a WebSocket edge server for rooms of bullet comments. This is its
// one binary:
//
//	barrage serve      run the server
//	barrage check      say what limits the number of connections here
//	barrage publish    send a message to a room, through a running server
//	barrage tail       print what is said in a room, as a viewer gets it
//	barrage trace      show what single connections do, through a running server
//	barrage loadtest   measure how many viewers a server carries
//	barrage token      make and check the tokens of connections
//	barrage key        make a key that may be used instead
//	barrage version    say what this is
//
// The package wires the others together and owns what belongs to a process:
// settings (flags beat environment beats file beats defaults, see internal/config),
// signals, limits, the log and exit codes. 0 is success, 1 a failure at run
// time, 2 wrong usage or settings, 70 a fault of the program itself, 130 or 143
// an end forced by a second signal.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"barrage/internal/config"
)

// Exit codes.
const (
	exitOK       = 0
	exitFailure  = 1
	exitUsage    = 2
	exitInternal = 70
)

// process is what a run of the program takes from its surroundings.
type process struct {
	args    []string // without the program's name
	environ []string
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer
}

func main() {
	os.Exit(run(context.Background(), &process{
		args: os.Args[1:], environ: os.Environ(),
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
	}))
}

// run is the program: it returns the exit code, and has told stderr why if that
// is not 0.
func run(ctx context.Context, p *process) (code int) {
	defer func() {
		if v := recover(); v != nil {
			fmt.Fprintf(p.stderr, "barrage: internal error: %v\n%s", v, debug.Stack())
			code = exitInternal
		}
	}()
	err := newRoot(p).ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	complain(p.stderr, err)
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	// All commands' own errors are exitErrors: what is left is the command
	// line's.
	return exitUsage
}

func newRoot(p *process) *cobra.Command {
	root := &cobra.Command{
		Use:           "barrage",
		Short:         "A WebSocket edge server for rooms of bullet comments",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return withoutValue(err) })
	root.SetArgs(p.args)
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.AddCommand(serveCommand(p), checkCommand(p), publishCommand(p), tailCommand(p), traceCommand(p), tokenCommand(p), keyCommand(p), loadtestCommand(p), versionCommand(p))
	return root
}

// withoutValue is what is wrong with a flag, without what stands behind its =: with one
// dash too few that is a secret which would be shown.
func withoutValue(err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok || unknown.GetSpecifiedShortnames() == "" {
		return err
	}
	name, _, _ := strings.Cut(unknown.GetSpecifiedShortnames(), "=")
	return fmt.Errorf("unknown flag: -%s: flags begin with two dashes", name)
}

// exitError is an error with the exit code it asks for. An err of nil says that
// all has been said.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// exit gives err an exit code; an error that has one keeps it.
func exit(code int, err error) error {
	if _, ok := errors.AsType[*exitError](err); ok {
		return err
	}
	return &exitError{code, err}
}

// command makes a function a cobra command's: its errors are failures at run
// time unless they say otherwise.
func command(f func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := f(cmd, args); err != nil {
			return exit(exitFailure, err)
		}
		return nil
	}
}

// loadSettings reads the server's settings for a command that has flags for them.
func loadSettings(cmd *cobra.Command, p *process) (config.Config, error) {
	cfg, err := config.Load(cmd.Flags(), p.environ)
	if err != nil {
		return cfg, exit(exitUsage, err)
	}
	return cfg, nil
}

// complain writes each line of an error with the program's name before it.
func complain(w io.Writer, err error) {
	for line := range strings.FieldsFuncSeq(strings.TrimSpace(err.Error()), func(c rune) bool { return c == '\n' }) {
		fmt.Fprintf(w, "barrage: %s\n", line)
	}
}
