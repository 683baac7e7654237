// Log lines that cannot become a flood.

package events

import (
	"log/slog"
	"sync"
	"time"
)

// logEvery is the time between two lines of the same key.
const logEvery = 10 * time.Second

// A limitedLog writes a line of the same key at most every logEvery. Its callers use
// keys of a fixed set.
type limitedLog struct {
	log *slog.Logger

	mu   sync.Mutex // guards last; the line is written without it
	last map[string]lastLine
}

type lastLine struct {
	at         time.Time
	suppressed int
}

func newLimitedLog(log *slog.Logger) *limitedLog {
	return &limitedLog{log: log, last: map[string]lastLine{}}
}

// warn writes a line whose text is its key.
func (l *limitedLog) warn(text string, args ...any) { l.warnOf(text, text, args...) }

func (l *limitedLog) warnOf(key, text string, args ...any) {
	now := time.Now()
	l.mu.Lock()
	last, seen := l.last[key]
	if seen && now.Sub(last.at) < logEvery {
		last.suppressed++
		l.last[key] = last
		l.mu.Unlock()
		return
	}
	l.last[key] = lastLine{at: now}
	l.mu.Unlock()
	if last.suppressed > 0 {
		args = append(args, "suppressed", last.suppressed)
	}
	l.log.Warn(text, args...)
}
