// Package quietlog writes log lines about what others do as often as they like, without
// becoming a flood.
package quietlog

import (
	"log/slog"
	"sync"
	"time"
)

// Every is the time between two lines of the same text.
const Every = 10 * time.Second

// Log writes a line of the same text at most every Every; the next one says how many
// were left out. Its callers use a handful of constant texts. Any goroutine.
type Log struct {
	log *slog.Logger

	mu   sync.Mutex // guards last; the line is written without it
	last map[string]line
}

type line struct {
	at         time.Time
	suppressed int
}

// New returns a Log that writes to log.
func New(log *slog.Logger) *Log { return &Log{log: log, last: make(map[string]line)} }

// Warn writes a warning.
func (l *Log) Warn(text string, args ...any) { l.WarnOf(text, text, args...) }

// WarnOf is Warn for a text that is said of several things: key is text and which one, of
// a fixed set, too.
func (l *Log) WarnOf(key, text string, args ...any) {
	suppressed, due := l.due(key, time.Now())
	if !due {
		return
	}
	if suppressed > 0 {
		args = append(args, "suppressed", suppressed)
	}
	l.log.Warn(text, args...)
}

// due tells whether a line is to be written at now, and how many were not since the last.
func (l *Log) due(text string, now time.Time) (suppressed int, due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last, seen := l.last[text]
	if seen && now.Sub(last.at) < Every {
		last.suppressed++
		l.last[text] = last
		return 0, false
	}
	l.last[text] = line{at: now}
	return last.suppressed, true
}
