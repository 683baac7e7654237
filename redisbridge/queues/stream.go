package queues

// Streams: a group of ours, with one consumer, which is whoever holds the queue. So what a
// dead holder was given and did not acknowledge is its successor's at once, and in order.

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"barrage/internal/bounds"
	"barrage/internal/broker"
)

// Group is the name of the group, and of its consumer.
const Group = "barrage"

type stream struct {
	q *queue
}

func (s *stream) take(ctx context.Context) ([]entry, error) {
	if err := s.q.renew(); err != nil {
		return nil, err
	}
	// Whatever was the matter before: first what is pending. That is one command more
	// for each batch.
	entries, err := s.read(ctx, s.q.set.cfg.Client, "0", -1)
	if err != nil || len(entries) > 0 {
		return entries, err
	}
	return s.read(ctx, s.q.set.cfg.Client, ">", -1)
}

// await has entries given to us, which take then finds pending.
func (s *stream) await(ctx context.Context) error {
	_, err := s.read(ctx, s.q.set.cfg.Blocking, ">", blockTime)
	return err
}

// read reads as many entries as have QueueBatchBytes if each is as long as may be.
func (s *stream) read(ctx context.Context, client redis.UniversalClient, after string, block time.Duration) ([]entry, error) {
	if block < 0 {
		limited, cancel := context.WithTimeout(ctx, s.q.set.cfg.Timeout)
		defer cancel()
		ctx = limited
	}
	count := min(max(bounds.QueueBatchBytes/s.q.set.cfg.MaxMessage, 1), bounds.QueueBatch)
	answer, err := client.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: Group, Consumer: Group, Streams: []string{s.q.Key, after}, Count: int64(count), Block: block,
	}).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return nil, nil
	case redis.HasErrorPrefix(err, "NOGROUP"):
		return nil, s.begin(ctx)
	case err != nil || len(answer) == 0:
		return nil, err
	}
	entries := make([]entry, len(answer[0].Messages))
	for i, m := range answer[0].Messages {
		entries[i] = s.entry(m)
	}
	return entries, nil
}

// begin makes the group, and the stream.
func (s *stream) begin(ctx context.Context) error {
	from := "$"
	if s.q.All {
		from = "0"
	}
	err := s.q.set.cfg.Client.XGroupCreateMkStream(ctx, s.q.Key, Group, from).Err()
	if redis.HasErrorPrefix(err, "BUSYGROUP") {
		return nil
	}
	return err
}

// entry reads an entry's fields. One of text, data and payload must be there; others than
// those known here are its writer's own.
func (s *stream) entry(m redis.XMessage) entry {
	e := entry{id: m.ID, p: broker.Publication{Room: s.q.Room, Keep: true, Key: "stream:" + s.q.Key + ":" + m.ID}}
	if m.Values == nil {
		e.bad = gone
		return e
	}
	if err := fill(&e.p, m.Values, s.q.set.cfg.MaxMessage); err != nil {
		e.bad, e.why = malformed, err.Error()
		if errors.Is(err, errTooLarge) {
			e.bad = tooLarge
		}
	}
	return e
}

var errTooLarge = errors.New("too large")

// fill reads a stream entry's fields into p.
func fill(p *broker.Publication, fields map[string]any, longest int) error {
	get := func(name string, most int, to *string) error {
		v, ok := fields[name].(string)
		if ok && (len(v) > most || !utf8.ValidString(v)) {
			return fmt.Errorf("%s has %d bytes, want UTF-8 of at most %d", name, len(v), most)
		}
		if ok {
			*to = v
		}
		return nil
	}
	err := errors.Join(get("kind", broker.MaxKind, &p.Kind), get("key", broker.MaxKey, &p.Key), fillSender(&p.Sender, fields))
	if err != nil {
		return err
	}
	bodies := 0
	for name, format := range map[string]broker.Format{"text": broker.Text, "data": broker.JSON, "payload": broker.Binary} {
		if v, ok := fields[name].(string); ok {
			p.Format, p.Payload = format, []byte(v)
			bodies++
		}
	}
	switch {
	case bodies != 1:
		return fmt.Errorf("has %d of the fields text, data and payload, want one", bodies)
	case len(p.Payload) > longest:
		return fmt.Errorf("%w: has %d bytes, want at most %d", errTooLarge, len(p.Payload), longest)
	case p.Format == broker.JSON && (!utf8.Valid(p.Payload) || !json.Valid(p.Payload)):
		return errors.New("data is not JSON")
	case p.Format == broker.JSON:
		var compact bytes.Buffer
		_ = json.Compact(&compact, p.Payload) // it is valid
		p.Payload = compact.Bytes()
	case p.Format == broker.Text && !utf8.Valid(p.Payload):
		return errors.New("text is not UTF-8")
	case p.Format == broker.Binary && utf8.Valid(p.Payload):
		p.Format = broker.Text // as a plain PUBLISH is taken
	}
	return nil
}

// fillSender reads whom an entry is of.
func fillSender(s *broker.Sender, fields map[string]any) (err error) {
	s.User, _ = fields["user"].(string)
	s.Name, _ = fields["name"].(string)
	s.Avatar, _ = fields["avatar"].(string)
	if s.User != "" {
		if s.User, err = broker.UserID(s.User); err != nil {
			return fmt.Errorf("user: %w", err)
		}
	}
	if err := broker.CheckName(s.Name); err != nil {
		return fmt.Errorf("name %w", err)
	}
	if err := broker.CheckAvatar(s.Avatar); err != nil {
		return fmt.Errorf("avatar %w", err)
	}
	return nil
}

func (s *stream) settle(ctx context.Context, done []entry) error {
	if len(done) > 0 {
		ids := make([]string, len(done))
		for i := range done {
			ids[i] = done[i].id
		}
		ctx, cancel := context.WithTimeout(ctx, s.q.set.cfg.Timeout)
		defer cancel()
		if err := s.q.set.cfg.Client.XAck(ctx, s.q.Key, Group, ids...).Err(); err != nil {
			return err
		}
	}
	return s.q.renew()
}

// length is what was not given yet and what was not acknowledged.
func (s *stream) length(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.q.set.cfg.Timeout)
	defer cancel()
	groups, err := s.q.set.cfg.Client.XInfoGroups(ctx, s.q.Key).Result()
	for _, g := range groups {
		if g.Name == Group {
			return max(g.Lag, 0) + g.Pending, nil
		}
	}
	return 0, err
}
