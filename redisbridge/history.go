package redisbridge

// Reading, clearing and acknowledging histories.

import (
	"context"
	"fmt"

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
	ask := query{begin: random.Name(), mode: "newest", limit: q.Limit, age: keep.Age, keep: keep.Age + metaKeep}
	if q.After != nil {
		ask.mode, ask.after, ask.epoch = "after", q.After.Offset, q.After.Epoch
		if ask.epoch == "" && ask.after > 0 {
			ask.epoch = noEpoch
		}
	}
	var p page
	err := b.ask(ctx, "history", func(ctx context.Context) (err error) {
		p, err = b.client.read(ctx, room, ask)
		return err
	})
	if err != nil {
		return broker.Page{}, err
	}
	return b.pageOf(room, q, p), nil
}

// pageOf leaves out what lies before a hole, which only another program that
// writes into the stream can have made.
func (b *Bridge) pageOf(room string, q broker.Query, p page) broker.Page {
	out := broker.Page{Head: broker.Position{Epoch: p.epoch, Offset: p.head}, More: p.more}
	first, next := p.head+1, uint64(0)
	for _, e := range p.entries {
		parsed, ok := parseBody(e.body)
		if !ok || e.offset > p.head {
			b.count.foreign.Add(1)
			continue
		}
		if e.offset != next {
			first, out.Messages = e.offset, out.Messages[:0]
		}
		next = e.offset + 1
		full := envelope{epoch: p.epoch, stamp: e.stamp, body: parsed}
		out.Messages = append(out.Messages, full.message(room))
	}
	if q.After != nil {
		out.Gap = gapAfter(*q.After, p, first)
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
	if !b.cfg.Retention(room).On() {
		return nil
	}
	return b.ask(ctx, "clear", func(ctx context.Context) error { return b.client.clear(ctx, room, "") })
}

// ClearAt implements broker.Broker.
func (b *Bridge) ClearAt(ctx context.Context, room string, head broker.Position) (cleared bool, err error) {
	if !b.cfg.Retention(room).On() {
		return true, nil
	}
	err = b.ask(ctx, "clear", func(ctx context.Context) (err error) {
		cleared, err = b.client.clearAt(ctx, room, head)
		return err
	})
	return cleared, err
}

// Acknowledge implements broker.Broker.
func (b *Bridge) Acknowledge(ctx context.Context, room string, pos broker.Position) error {
	if !b.cfg.Retention(room).On() || pos.Offset == 0 {
		return nil
	}
	return b.ask(ctx, "acknowledge", func(ctx context.Context) error { return b.client.acknowledge(ctx, room, pos) })
}

// Acknowledged implements broker.Broker.
func (b *Bridge) Acknowledged(ctx context.Context, room string) (pos broker.Position, err error) {
	if !b.cfg.Retention(room).On() {
		return broker.Position{}, nil
	}
	err = b.ask(ctx, "acknowledged", func(ctx context.Context) (err error) {
		pos, err = b.client.acknowledged(ctx, room)
		return err
	})
	return pos, err
}

// Unread implements broker.Broker.
func (b *Bridge) Unread(ctx context.Context, room string) (unread bool, err error) {
	if !b.cfg.Retention(room).On() {
		return false, nil
	}
	err = b.ask(ctx, "unread", func(ctx context.Context) (err error) {
		unread, err = b.client.unread(ctx, room)
		return err
	})
	return unread, err
}

// ask has Redis asked something, within Config.Timeout; in an outage not at all.
func (b *Bridge) ask(ctx context.Context, method string, question func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("redisbridge: %s: %w", method, err)
	}
	if !b.enter() {
		return broker.ErrClosed
	}
	defer b.calls.Done()
	if !b.health.usable.Load() {
		return b.down()
	}
	limited, cancel := context.WithTimeout(ctx, b.cfg.Timeout)
	defer cancel()
	if err := question(limited); err != nil {
		return failure(ctx, method, err)
	}
	return nil
}
