package redisbridge

// How messages get to Redis: with the script or by PUBLISH, one by one or in a
// pipeline, and what is tried again.

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"barrage/internal/broker"
	"barrage/internal/random"
)

// pauseTryAgain is the time between two tries while a room's slot is moving.
const pauseTryAgain = 20 * time.Millisecond

// publishAll publishes the batch, in one go if pipelined, and leaves each
// message's own outcome in it. What Redis has not executed for a passing reason,
// or may have executed, is tried again: the result's key makes that harmless.
func (c *client) publishAll(ctx context.Context, batch []*outgoing, pipelined bool) {
	whole, repeated := false, false
	for {
		if pipelined {
			c.pipeline(ctx, batch, whole)
		} else {
			c.publishOne(ctx, batch[0], whole)
		}
		again, unknown, pause := false, false, time.Duration(0)
		rest := batch[:0:0]
		for _, m := range batch {
			if m.err == nil {
				continue
			}
			switch code := replyCode(m.err); {
			case code == "NOSCRIPT":
				again, whole = again || !whole, true
			case code == "TRYAGAIN" || code == "MOVED" || code == "ASK":
				again, pause = true, pauseTryAgain
			case isNetworkError(m.err) && m.script != nil && !repeated:
				again, unknown = true, true
			default:
				continue
			}
			rest = append(rest, m)
		}
		if len(rest) == 0 {
			return
		}
		batch = inOrder(rest, batch)
		if !again || len(batch) == 0 || !sleep(ctx, pause) {
			return
		}
		// One repetition of what may have been executed; any number, within the
		// deadline, of what was not.
		repeated = repeated || unknown
	}
}

// inOrder leaves out those of rest that a later message of the same room has
// overtaken: repeated, they would be out of order.
func inOrder(rest, batch []*outgoing) []*outgoing {
	if len(batch) == 1 {
		return rest
	}
	done := make(map[string]bool)
	kept := rest
	for i, k := len(batch)-1, len(rest)-1; k >= 0; i-- {
		m := batch[i]
		if m == rest[k] {
			if done[m.room] {
				kept = append(kept[:k:k], kept[k+1:]...)
			}
			k--
		} else {
			done[m.room] = true
		}
	}
	return kept
}

// sleep waits, and tells whether the context still has time.
func sleep(ctx context.Context, d time.Duration) bool {
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}

func (c *client) publishOne(ctx context.Context, m *outgoing, whole bool) {
	all := c.universal()
	if m.script != nil {
		m.note(c.script(ctx, all, m, whole), nil)
	} else {
		m.note(all.Publish(ctx, m.channel, m.envelope), nil)
	}
}

// pipeline is called by the publisher goroutine only.
func (c *client) pipeline(ctx context.Context, batch []*outgoing, whole bool) {
	pipe := c.universal().Pipeline()
	// Where Redis has lost a script, what goes without it would overtake the rest.
	// Sent whole once, the script is known to all that come after.
	mixed := slices.ContainsFunc(batch, func(m *outgoing) bool { return m.script != batch[0].script })
	var taught []*redis.Script
	for i, m := range batch {
		if m.script != nil {
			teach := mixed && !slices.Contains(taught, m.script)
			c.script(ctx, pipe, m, whole || teach)
			if teach {
				taught = append(taught, m.script)
			}
		} else {
			_ = pipe.Process(ctx, c.plain[i].use(m)) // Exec tells
		}
	}
	cmds, failed := pipe.Exec(ctx)
	for _, cmd := range cmds {
		if cmd.Err() != nil {
			failed = nil // the commands tell for themselves
		}
	}
	// A failed login is an error of no command, but none was sent.
	for i, m := range batch {
		m.note(cmds[i], failed)
		c.plain[i].done()
	}
}

// A plain is PUBLISH as go-redis wants it. It is used again for the next batch,
// which is why its arguments are pointers: a new command for each message would
// be half of the garbage of publishing. It must not go through a cluster's
// client, which keeps its own notes in a command.
type plain struct {
	channel  string
	envelope wire
	command  *redis.IntCmd
}

// Wire is bytes that go-redis takes a pointer to.
type wire []byte

// MarshalBinary implements encoding.BinaryMarshaler.
func (w *wire) MarshalBinary() ([]byte, error) { return *w, nil }

func (p *plain) use(m *outgoing) *redis.IntCmd {
	if p.command == nil {
		p.command = redis.NewIntCmd(context.Background(), "publish", &p.channel, &p.envelope)
	}
	p.channel, p.envelope = m.channel, m.envelope
	p.command.SetErr(nil) // that of last time
	return p.command
}

// done lets go of the message.
func (p *plain) done() { p.channel, p.envelope = "", nil }

// script publishes by the message's script.
func (c *client) script(ctx context.Context, to redis.Cmdable, m *outgoing, whole bool) *redis.Cmd {
	keep, age := 0, time.Duration(0)
	if m.history.On() {
		keep, age = m.history.Messages, m.history.Age
	}
	keys := []string{c.names.meta(m.room), c.names.log(m.room), m.result}
	if m.script == mailboxScript {
		keys = append(keys, c.names.waits(m.room), c.names.box(m.room))
	}
	args := []any{random.Name(), keep, age.Milliseconds(), (age + metaKeep).Milliseconds(), m.remember.Milliseconds(),
		m.id, m.buf[headRoom:], m.channel, c.announce, m.seen.Epoch, m.seen.Offset, m.history.MaxBytes(m.room)}
	if m.script == hotScript {
		keys = append(keys, c.names.heat(m.room)...)
		args = append(args, strconv.FormatFloat(m.target, 'g', -1, 64), m.speaker, m.tells)
	}
	if whole {
		return m.script.Eval(ctx, to, keys, args...)
	}
	return m.script.EvalSha(ctx, to, keys, args...)
}

// note keeps the outcome of a command.
func (m *outgoing) note(cmd redis.Cmder, failed error) {
	m.err = cmd.Err()
	if m.err == nil {
		m.err = failed
	}
	if reply, ok := cmd.(*redis.Cmd); ok && m.err == nil {
		m.err = m.parseResult(reply)
	}
}

// parseResult takes the script's answer apart: {seen before, "STAMP EPOCH ID"}.
func (m *outgoing) parseResult(reply *redis.Cmd) error {
	parts := partsOf(reply)
	seen, text := take[int64](parts), take[string](parts)
	at, epoch, id, leftOut, ok := cutResult(text)
	if err := parts.end(); err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("redisbridge: not a result of publishing: %.99q", text)
	}
	m.replayed = seen != 0
	m.answer = broker.Receipt{ID: id, Sampled: leftOut}
	if at.offset != 0 {
		m.answer.Position = broker.Position{Epoch: epoch, Offset: at.offset}
	}
	return nil
}
