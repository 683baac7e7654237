package redisbridge

// Reading, clearing and acknowledging histories.

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"barrage/internal/broker"
	"barrage/internal/random"
)

// noEpoch is what no epoch is called.
const noEpoch = "-"

// History implements broker.Broker.
func (b *Bridge) History(ctx context.Context, room string, q broker.Query) (broker.Page, error) {
	keep := b.cfg.Retention(room)
	if !keep.On() {
		p := broker.Page{}
		if q.After != nil && *q.After != (broker.Position{}) {
			p.Gap = gapAfter(*q.After, page{}, 0)
		}
		return p, nil
	}
	query := query{mode: "newest", limit: q.Limit, bytes: q.Bytes, age: keep.Age, keep: keep.Age + metaKeep}
	if q.Begin {
		query.begin = random.Name()
	}
	if q.After != nil {
		query.mode, query.after, query.epoch = "after", q.After.Offset, q.After.Epoch
		if q.Last {
			query.mode = "last"
		}
		if query.epoch == "" && query.after > 0 {
			query.epoch = noEpoch
		}
	}
	p, err := ask(ctx, b, "history", room, page{}, func(ctx context.Context) (page, error) { return b.client.read(ctx, room, query) })
	if err != nil {
		return broker.Page{}, err
	}
	out := b.pageOf(room, q, p)
	out.Begun = q.Begin && p.epoch == query.begin
	return out, nil
}

// pageOf leaves out what lies before a hole, which only another program that
// writes into the stream can have made; but mailboxes have holes.
func (b *Bridge) pageOf(room string, q broker.Query, p page) broker.Page {
	_, mailbox := broker.UserOf(room)
	out := broker.Page{Head: broker.Position{Epoch: p.epoch, Offset: p.head}, More: p.more}
	first, next := p.head+1, uint64(0)
	for _, e := range p.entries {
		if e.body == nil || e.offset > p.head {
			b.count.foreign.Add(1)
			continue
		}
		if e.offset != next && !mailbox {
			first, out.Messages = e.offset, out.Messages[:0]
		}
		next = e.offset + 1
		full := envelope{epoch: p.epoch, stamp: e.stamp, body: *e.body}
		out.Messages = append(out.Messages, full.message(room))
	}
	if q.After != nil {
		out.Gap = gapAfter(*q.After, p, first)
		if mailbox && (out.Gap == nil || out.Gap.Reason != broker.GapEpoch) {
			end := p.head
			if p.more {
				end = 0
			}
			out.Gap = broker.Missing(p.epoch, q.After.Offset, out.Messages, end)
		}
		if q.Last && p.cut && out.Gap != nil && out.Gap.Reason == broker.GapTrimmed {
			out.Gap.Reason = broker.GapLarge
		}
	}
	return out
}

// gapAfter is what a position misses of a history whose first message, of those
// that come after the position, is first.
func gapAfter(after broker.Position, p page, first uint64) *broker.Gap {
	switch {
	case after != (broker.Position{}) && (after.Epoch != p.epoch || after.Offset > p.head):
		return &broker.Gap{Epoch: after.Epoch, From: after.Offset + 1, Reason: broker.GapEpoch}
	case first > after.Offset+1:
		return &broker.Gap{Epoch: p.epoch, From: after.Offset + 1, To: first - 1, Reason: broker.GapTrimmed}
	}
	return nil
}

// Clear implements broker.Broker.
func (b *Bridge) Clear(ctx context.Context, room string) error {
	_, err := ask(ctx, b, "clear", room, true, func(ctx context.Context) (bool, error) {
		return b.client.clear(ctx, room, "", "")
	})
	return err
}

// ClearAt implements broker.Broker. A head without an epoch fits no history: noEpoch
// is none's.
func (b *Bridge) ClearAt(ctx context.Context, room string, head broker.Position) (cleared bool, err error) {
	return ask(ctx, b, "clear", room, true, func(ctx context.Context) (bool, error) {
		return b.client.clear(ctx, room, cmp.Or(head.Epoch, noEpoch), strconv.FormatUint(head.Offset, 10))
	})
}

// Acknowledge implements broker.Broker.
func (b *Bridge) Acknowledge(ctx context.Context, room string, pos broker.Position) error {
	if pos.Offset == 0 {
		return nil
	}
	_, err := ask(ctx, b, "acknowledge", room, nil, func(ctx context.Context) (any, error) {
		return b.client.acknowledge(ctx, room, pos)
	})
	return err
}

// Acknowledged implements broker.Broker.
func (b *Bridge) Acknowledged(ctx context.Context, room string) (pos broker.Position, err error) {
	m, err := ask(ctx, b, "acknowledged", room, meta{}, func(ctx context.Context) (meta, error) { return b.client.meta(ctx, room) })
	if err != nil || m.Acked == 0 {
		return broker.Position{}, err
	}
	return broker.Position{Epoch: m.Epoch, Offset: m.Acked}, nil
}

// Unread implements broker.Broker. It looks only at the room's meta, which outlives
// its messages by a day.
func (b *Bridge) Unread(ctx context.Context, room string) (unread bool, err error) {
	m, err := ask(ctx, b, "unread", room, meta{}, func(ctx context.Context) (meta, error) { return b.client.meta(ctx, room) })
	return m.Head > m.Acked, err
}

// ask has Redis asked something about a room, within Config.Timeout; in an outage not
// at all. Of a room that keeps nothing the answer is off.
func ask[T any](ctx context.Context, b *Bridge, method, room string, off T, question func(context.Context) (T, error)) (answer T, err error) {
	if !b.cfg.Retention(room).On() {
		return off, nil
	}
	if err := ctx.Err(); err != nil {
		return answer, fmt.Errorf("redisbridge: %s: %w", method, err)
	}
	if !b.enter() {
		return answer, broker.ErrClosed
	}
	defer b.calls.Done()
	if !b.health.usable.Load() {
		return answer, b.down()
	}
	limited, cancel := context.WithTimeout(ctx, b.cfg.Timeout)
	defer cancel()
	if answer, err = question(limited); err != nil {
		b.wrote(trial{partition: b.names.partition(room), kept: true}, err)
		err = failure(ctx, method, err)
	}
	return answer, err
}
