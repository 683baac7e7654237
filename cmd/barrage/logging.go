package main

// This file makes the log: lines on stderr, as text for people and JSON for
// machines. A server never waits for who reads them.

import (
	"bytes"
	"io"
	"log"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"barrage/internal/config"
	"barrage/internal/lines"
)

// outputPatience is how long a stop waits for who reads stdout or stderr.
const outputPatience = time.Second

// newLogger writes to w, in the form that fits where that leads.
func newLogger(cfg *config.Config, w io.Writer) *slog.Logger {
	return slog.New(logHandler(cfg, w, isTerminal(w)))
}

func logHandler(cfg *config.Config, w io.Writer, terminal bool) slog.Handler {
	var level slog.Level
	// validate has allowed only words that slog knows.
	_ = level.UnmarshalText([]byte(cfg.LogLevel))
	options := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "text" || cfg.LogFormat == "auto" && terminal {
		return slog.NewTextHandler(w, options)
	}
	return slog.NewJSONHandler(w, options)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// output is what a server says: its ready line on stdout, its log on stderr. Nobody
// may be reading either.
type output struct {
	stdout, stderr *lines.Writer
	log            *slog.Logger
}

// openOutput has what libraries write with the package log go the same way until
// close.
func openOutput(cfg *config.Config, p *process) *output {
	terminal := isTerminal(p.stderr)
	missing := func(n uint64) []byte {
		var b bytes.Buffer
		said := *cfg
		said.LogLevel = "warn" // whatever else is not to be logged
		slog.New(logHandler(&said, &b, terminal)).Warn("lines are missing from this log: they could not be written", "lines", n)
		return b.Bytes()
	}
	o := &output{stdout: lines.New(p.stdout, nil), stderr: lines.New(p.stderr, missing)}
	h := logHandler(cfg, o.stderr, terminal)
	o.log = slog.New(h)
	log.SetFlags(0)
	log.SetOutput(slog.NewLogLogger(h, slog.LevelWarn).Writer())
	return o
}

func (o *output) close() {
	log.SetFlags(log.LstdFlags)
	log.SetOutput(os.Stderr)
	end := time.Now().Add(outputPatience)
	o.stderr.Close(time.Until(end))
	o.stdout.Close(time.Until(end))
}
