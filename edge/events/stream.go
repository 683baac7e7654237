// The sink that appends events to a Redis stream.

package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"barrage/internal/limits"
)

// AddFunc appends entries to the stream at key, in their order and all or none,
// each a list of field, value, field, value…: one XADD key MAXLEN ~ maxLen * …
// for each, in one MULTI. It is a function so that this package need not know a
// Redis client; ExampleAddFunc is go-redis's.
type AddFunc func(ctx context.Context, key string, maxLen int64, entries [][]string) error

// StreamConfig is what NewStream needs.
type StreamConfig struct {
	Key     string        // of the stream. Default "barrage:events"
	MaxLen  int64         // about how many events the stream keeps. Default 100000
	Timeout time.Duration // of one batch. Default 5s
	Add     AddFunc
}

// Stream is a Sink. An event is an entry with the fields id, type, room and event,
// its JSON form, so that readers can choose without parsing it. Every error counts
// as passing: whatever is wrong with a Redis, its operator can put right.
type Stream struct{ cfg StreamConfig }

// NewStream returns a sink that appends to a Redis stream.
func NewStream(cfg StreamConfig) (*Stream, error) {
	cfg.Key = cmp.Or(cfg.Key, "barrage:events")
	cfg.MaxLen = cmp.Or(cfg.MaxLen, 100_000)
	cfg.Timeout = cmp.Or(cfg.Timeout, 5*time.Second)
	errs := []error{limits.AtLeast("events: stream: MaxLen", cfg.MaxLen, 1), limits.AtLeast("events: stream: Timeout", cfg.Timeout, time.Millisecond)}
	if err := CheckStream(cfg.Key); err != nil {
		errs = append(errs, fmt.Errorf("events: stream: Key: %w", err))
	}
	if cfg.Add == nil {
		errs = append(errs, errors.New("events: stream: Add: missing"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Stream{cfg}, nil
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
	entries := make([][]string, len(batch))
	for i, r := range batch {
		entries[i] = []string{"id", r.ID, "type", string(r.Type), "room", r.Room, "event", string(r.JSON)}
	}
	if err := s.cfg.Add(ctx, s.cfg.Key, s.cfg.MaxLen, entries); err != nil {
		return fmt.Errorf("events: stream: %w", err)
	}
	return nil
}

// Close does nothing: the connection is not the stream's but its AddFunc's.
func (s *Stream) Close() {}
