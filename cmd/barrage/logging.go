package main

// This file makes the log: lines on stderr, as text for people and JSON for
// machines. A server never waits for who reads them.

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

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
		options.ReplaceAttr = quoteOdd
		return slog.NewTextHandler(ascii{w}, options)
	}
	return slog.NewJSONHandler(ascii{w}, options)
}

// quoteOdd has values quoted in which an escape could be taken for text, or text for an
// escape of ascii's.
func quoteOdd(_ []string, a slog.Attr) slog.Attr {
	text := ""
	switch v := a.Value.Any().(type) {
	case string:
		text = v
	case error:
		text = v.Error()
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r == '\\' || r >= utf8.RuneSelf }) {
		a.Value = slog.AnyValue([]byte(text)) // which TextHandler always quotes
	}
	return a
}

// ascii writes whatever is not ASCII as \u escapes, of which JSON and quoted texts have the
// same. A line has names that anybody chose; they must not look like others, nor turn the
// direction of what stands around them.
type ascii struct{ io.Writer }

func (w ascii) Write(line []byte) (int, error) {
	if !bytes.ContainsFunc(line, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return w.Writer.Write(line)
	}
	escaped := make([]byte, 0, 2*len(line))
	for _, r := range string(line) {
		if r < utf8.RuneSelf {
			escaped = append(escaped, byte(r))
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			escaped = fmt.Appendf(escaped, `\u%04x`, unit)
		}
	}
	_, err := w.Writer.Write(escaped)
	return len(line), err
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
	stderr := p.stderr
	if stderr == os.Stderr {
		stderr = waitless()
	}
	o := &output{stdout: lines.New(p.stdout, nil), stderr: lines.New(stderr, missing)}
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
