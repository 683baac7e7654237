package main

// This file is what signals do to a command that runs for long: the first SIGTERM,
// SIGINT or SIGHUP has it end in order (serve drains), a second SIGTERM or SIGINT forces
// the end.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"
)

// stoppable runs body until it returns or is stopped by signals.
func stoppable(ctx context.Context, body func(context.Context) error) error {
	// A log or ready line that nobody reads any more must not end the server.
	signal.Ignore(syscall.SIGPIPE)
	// What asks a program to open its log again, or to report, is not for this one: it
	// keeps no file open, and has metrics.
	signal.Ignore(syscall.SIGUSR1, syscall.SIGUSR2)
	c := make(chan os.Signal, 3)
	signal.Notify(c, syscall.SIGTERM, syscall.SIGINT)
	if !signal.Ignored(syscall.SIGHUP) { // by nohup, for one
		signal.Notify(c, syscall.SIGHUP)
	}
	defer signal.Stop(c)
	return untilSignal(ctx, c, body)
}

// sameStop is for how long signals after the first are its echo: timeout(1) and others
// send one to the process and one to its group.
const sameStop = 500 * time.Millisecond

// untilSignal runs body until it returns; the first signal ends its context. On
// a second SIGTERM or SIGINT, but not within sameStop, it returns at once and leaves body
// behind: the process is to exit with the code of the error. SIGHUP forces nothing: shell
// and kernel may both send it for one terminal, and systemd sends it right behind SIGTERM
// (SendSIGHUP=).
func untilSignal(ctx context.Context, signals <-chan os.Signal, body func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	// Stopped by its context and waited for below, unless a second signal says
	// that waiting is over.
	go func() { done <- guarded(ctx, body) }()
	var stopping time.Time // since when; zero: not yet
	for {
		select {
		case err := <-done:
			return err
		case sig := <-signals:
			cancel()
			if sig == syscall.SIGHUP {
				continue
			}
			switch {
			case stopping.IsZero():
				stopping = time.Now()
			case time.Since(stopping) >= sameStop:
				return forced(sig)
			}
		}
	}
}

// guarded turns a panic of body, which runs outside of run's own guard, into an
// internal error.
func guarded(ctx context.Context, body func(context.Context) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = exit(exitInternal, fmt.Errorf("internal error: %v\n%s", v, debug.Stack()))
		}
	}()
	return body(ctx)
}

// forced is the shell's exit code for a program that a signal ended.
func forced(sig os.Signal) error {
	code := exitFailure
	if n, ok := sig.(syscall.Signal); ok {
		code = 128 + int(n)
	}
	return exit(code, errors.New("forced to stop by a second signal ("+sig.String()+")"))
}
