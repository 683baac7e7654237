// The sink that appends events to a Redis stream.

package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"barrage/internal/bounds"
	"barrage/internal/limits"
	"barrage/internal/quietlog"
)

// StreamStore is a Redis that has the stream at key. It is an interface so that this
// package need not know a Redis client; the example's is go-redis's. Any goroutine calls.
type StreamStore interface {
	// Add appends entries, in their order and all or none, each a list of field, value,
	// field, value…: one XADD key MAXLEN ~ maxLen * … for each, in one MULTI.
	Add(ctx context.Context, key string, maxLen int64, entries [][]string) error
	// Size is the stream's memory (MEMORY USAGE key SAMPLES 0) and its length (XLEN).
	Size(ctx context.Context, key string) (bytes, entries int64, err error)
	// Trim leaves so many of the newest entries (XTRIM key MAXLEN).
	Trim(ctx context.Context, key string, entries int64) error
}

// StreamConfig is what NewStream needs.
type StreamConfig struct {
	Key      string        // of the stream. Default "barrage:events"
	MaxLen   int64         // about how many events the stream keeps. Default 100000
	MaxBytes int64         // about how much memory of Redis it takes. Default 256 MiB
	Timeout  time.Duration // of one batch. Default 5s
	Store    StreamStore
	Logger   *slog.Logger // gets it if MaxBytes cannot be kept to, at most once in 10s. Default: none
}

// Stream is a Sink. An event is an entry with the fields id, type, room and event,
// its JSON form, so that readers can choose without parsing it. Every error counts
// as passing: whatever is wrong with a Redis, its operator can put right.
type Stream struct {
	cfg StreamConfig
	log *quietlog.Log

	mu    sync.Mutex // guards added
	added int64      // bytes, since the stream's memory was last looked at
}

// looks is how often the stream's memory is looked at while it fills up once: it may be
// over its bound by that part for each node.
const looks = 64

// NewStream returns a sink that appends to a Redis stream.
func NewStream(cfg StreamConfig) (*Stream, error) {
	cfg.Key = cmp.Or(cfg.Key, "barrage:events")
	cfg.MaxLen = cmp.Or(cfg.MaxLen, bounds.StreamEvents)
	cfg.MaxBytes = cmp.Or(cfg.MaxBytes, 256<<20)
	cfg.Timeout = cmp.Or(cfg.Timeout, 5*time.Second)
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	errs := []error{
		limits.AtLeast("events: stream: MaxLen", cfg.MaxLen, 1), limits.AtLeast("events: stream: MaxBytes", cfg.MaxBytes, 1),
		limits.AtLeast("events: stream: Timeout", cfg.Timeout, time.Millisecond),
	}
	if err := CheckStream(cfg.Key); err != nil {
		errs = append(errs, fmt.Errorf("events: stream: Key: %w", err))
	}
	if cfg.Store == nil {
		errs = append(errs, errors.New("events: stream: Store: missing"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	// What others have left there is looked at with the first batch.
	return &Stream{cfg: cfg, log: quietlog.New(cfg.Logger), added: cfg.MaxBytes}, nil
}

// CheckStream tells whether a Redis stream's key may be that.
func CheckStream(key string) error {
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' }) {
		return fmt.Errorf("%q has spaces", key)
	}
	return nil
}

// Send appends batch.
func (s *Stream) Send(ctx context.Context, batch []Record) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	entries, bytes := make([][]string, len(batch)), int64(0)
	for i, r := range batch {
		entries[i] = []string{"id", r.ID, "type", string(r.Type), "room", r.Room, "event", string(r.JSON)}
		bytes += int64(len(r.ID) + len(r.Room) + len(r.JSON))
	}
	if err := s.cfg.Store.Add(ctx, s.cfg.Key, s.cfg.MaxLen, entries); err != nil {
		return fmt.Errorf("events: stream: %w", err)
	}
	if s.due(bytes) {
		// The batch is there whatever comes of this, and must not be sent again.
		if err := s.trim(ctx); err != nil {
			s.log.Warn("the event stream cannot be kept to its bound in bytes", "key", s.cfg.Key, "error", err)
		}
	}
	return nil
}

// due tells whether the stream's memory is to be looked at, after so many more bytes.
func (s *Stream) due(bytes int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.added += bytes; s.added < s.cfg.MaxBytes/looks {
		return false
	}
	s.added = 0
	return true
}

// trim takes the oldest events out of a stream that has too many bytes. How many those
// are is a guess by the mean length: only a quarter of that goes at a time, as the oldest
// may be much longer.
func (s *Stream) trim(ctx context.Context) error {
	const guesses = 40
	wanted := s.cfg.MaxBytes - s.cfg.MaxBytes/16 // so that not each look finds it full
	for range guesses {
		bytes, entries, err := s.cfg.Store.Size(ctx, s.cfg.Key)
		if err != nil {
			return err
		}
		if bytes <= s.cfg.MaxBytes || entries <= 1 {
			return nil
		}
		over := float64(bytes-wanted) / float64(bytes) * float64(entries)
		if err := s.cfg.Store.Trim(ctx, s.cfg.Key, entries-max(int64(over/4), 1)); err != nil {
			return err
		}
	}
	return nil
}

// Close does nothing: the connection is not the stream's but its store's.
func (s *Stream) Close() {}
