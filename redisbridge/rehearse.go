package redisbridge

// The rehearsal: everything that rooms ask of Redis, by the scripts that they use, for a
// room that nobody can be in. Redis may refuse some commands and take others.

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"barrage/internal/broker"
)

// rehearsalAge is how long the messages of a rehearsal last that is cut off.
const rehearsalAge = 10 * time.Second

// rehearse does so in one partition, and takes back what it has written. Where no room has
// a history, only what publishes with a key need is tried.
func (b *Bridge) rehearse(ctx context.Context, t trial) error {
	room, keep := b.stage(t.partition), broker.Retention{}
	if t.kept {
		keep = broker.Retention{Messages: 3, Age: rehearsalAge}
	}
	messages := []*outgoing{b.extra(room, publishScript, keep)}
	// Too many for the bytes of a room: it is counted and cut for the second message, and
	// loses its oldest by the third.
	keep.Bytes = 1
	messages = append(messages, b.extra(room, publishScript, keep), b.extra(room, publishScript, keep))
	if t.kept {
		// Of a mailbox, the first pushes out those before it, and the second is refused.
		keep.Messages = 1
		messages = append(messages, b.extra(room, mailboxScript, keep), b.extra(room, mailboxScript, keep))
	}
	acts := []*question{{put: putScript(ctx, writeScript, b.writeCall(t.partition))}} // first: it names what is missing
	results := make([]string, len(messages))
	for i, m := range messages {
		results[i] = m.result
		acts = append(acts, &question{put: func(pipe redis.Pipeliner, whole bool) redis.Cmder { return b.client.script(ctx, pipe, m, whole) }})
	}
	if t.kept {
		for _, mode := range []string{"newest", "after"} {
			acts = append(acts, &question{put: putScript(ctx, readScript, b.client.readCall(room, query{mode: mode, limit: 1, age: rehearsalAge}))})
		}
		acts = append(acts, &question{put: putScript(ctx, acknowledgeScript, scriptCall{[]string{b.names.meta(room)}, []any{noEpoch, 1}})})
	}
	askAll(ctx, b.client.universal(), acts)
	// Each in a step of its own, since it may be those before that are refused.
	away := []*question{
		{put: putScript(ctx, clearScript, scriptCall{b.names.history(room), []any{"", ""}})},
		{put: func(pipe redis.Pipeliner, _ bool) redis.Cmder { return pipe.Del(ctx, results...) }},
	}
	askAll(ctx, b.client.universal(), away)
	for _, act := range append(acts, away...) {
		if err := act.answer.Err(); err != nil && replyCode(err) != "MAILBOXFULL" {
			return err
		}
	}
	return nil
}

// stage is the room of a partition's rehearsals. No user has such a name.
func (b *Bridge) stage(partition int) (room string) {
	for i := 0; ; i++ {
		room = fmt.Sprintf("%s %s %d", broker.UserPrefix, b.cfg.Node, i)
		if b.names.partition(room) == partition {
			return room
		}
	}
}

// extra is a message of a rehearsal: a client's, for mailboxes one to be acknowledged.
func (b *Bridge) extra(room string, script *redis.Script, keep broker.Retention) *outgoing {
	p := broker.Publication{Room: room, Format: broker.Text, Confirm: script == mailboxScript, Sender: broker.Sender{Conn: "-", User: "-"}}
	m := &outgoing{room: room, channel: b.names.message(room), number: b.number.Add(1), script: script, history: keep, remember: rehearsalAge}
	m.id = messageID(b.cfg.Node, m.number)
	m.result = b.names.result(room, "", "", m.id)
	m.buf = appendBody(make([]byte, headRoom), b.cfg.Node, m.number, &p)
	return m
}
