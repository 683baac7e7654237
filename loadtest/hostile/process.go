// Attackers in a process of their own.

package hostile

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// Force starts attackers; end ends them, waits, and tells what came of it.
type Force func(ctx context.Context, job Job) (end func() (Outcome, error), err error)

// Inside attacks from this process.
func Inside(ctx context.Context, job Job) (end func() (Outcome, error), err error) {
	a := Find(job.Attack)
	if a == nil {
		return nil, fmt.Errorf("hostile: there is no attack %q", job.Attack)
	}
	ctx, cancel := context.WithCancel(ctx)
	f := &Field{Job: job, told: make(map[string]int)}
	done := make(chan struct{})
	go func() { // ends with ctx
		defer close(done)
		a.Run(ctx, f)
	}()
	return func() (Outcome, error) {
		cancel()
		<-done
		return f.outcome(), nil
	}, nil
}

// Serve is a process of attackers: it reads a Job, attacks until there is no more to
// read, and writes the Outcome.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	var job Job
	d := json.NewDecoder(in)
	if err := d.Decode(&job); err != nil {
		return fmt.Errorf("hostile: reading the job: %w", err)
	}
	end, err := Inside(ctx, job)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, in) // its end is the sign, whatever it is
	o, err := end()
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(o)
}

// niceness of attackers: on other machines they would take nothing from the server's. It is
// given to the command, since a process that runs can change that of one thread only.
const niceness = "10"

// Beside attacks from a process that a command starts, which runs Serve on its stdin and
// stdout.
func Beside(name string, args ...string) Force {
	return func(ctx context.Context, job Job) (end func() (Outcome, error), err error) {
		cmd := exec.CommandContext(ctx, "nice", append([]string{"-n", niceness, name}, args...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		cmd.Stderr = os.Stderr
		in, err1 := cmd.StdinPipe()
		out, err2 := cmd.StdoutPipe()
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("hostile: pipes: %w, %w", err1, err2)
		}
		if err := cmd.Start(); err != nil {
			return nil, fmt.Errorf("hostile: starting the attackers: %w", err)
		}
		if err := json.NewEncoder(in).Encode(job); err != nil {
			return nil, fmt.Errorf("hostile: telling the attackers: %w", err)
		}
		return func() (o Outcome, err error) {
			in.Close()
			if err = json.NewDecoder(out).Decode(&o); err != nil {
				err = fmt.Errorf("hostile: what the attackers tell: %w", err)
			}
			if ended := cmd.Wait(); err == nil && ended != nil {
				err = fmt.Errorf("hostile: the attackers: %w", ended)
			}
			return o, err
		}, nil
	}
}
