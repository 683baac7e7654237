package queues

// Lists: whoever pushes does so at the left end (LPUSH), and the oldest are at the right.
// What is being published is in a list of ours, from which it goes when it is settled.
// Beside it is what tells entries apart, the same of which may be pushed twice: a number
// that counts those settled, and a random epoch, should the number ever be lost.

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"barrage/internal/bounds"
	"barrage/internal/broker"
	"barrage/internal/random"
)

var (
	// takeScript moves entries until there are so many, or so many bytes, and answers the
	// epoch, the number of the oldest, and the newest first; of those that are too long
	// to be read, their length. KEYS: holder, state, taken, list.
	takeScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local most, bytes, longest = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local n, size = redis.call('LLEN', KEYS[3]), 0
while n < most and size < bytes do
  local v = redis.call('LMOVE', KEYS[4], KEYS[3], 'RIGHT', 'LEFT')
  if not v then break end
  n, size = n + 1, size + #v
end
if n == 0 then return {'', '', {}} end
redis.call('HSETNX', KEYS[2], 'epoch', ARGV[6])
local all = redis.call('LRANGE', KEYS[3], -most, -1)
for i = 1, #all do
  if #all[i] > longest then all[i] = #all[i] end
end
return {redis.call('HGET', KEYS[2], 'epoch'), redis.call('HGET', KEYS[2], 'number') or '0', all}`)

	// settleScript takes the oldest entries out, once however often it runs: ARGV has the
	// epoch, the number of the first and how many they are.
	settleScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local n = tonumber(ARGV[5])
if n == 0 then return 1 end
if redis.call('HGET', KEYS[2], 'epoch') ~= ARGV[3] then return 0 end
local at = redis.call('HGET', KEYS[2], 'number') or '0'
if at == ARGV[4] then
  redis.call('LTRIM', KEYS[3], 0, -n - 1)
  redis.call('HINCRBY', KEYS[2], 'number', n)
  return 1
end
return tonumber(at) == tonumber(ARGV[4]) + n and 1 or 0`)
)

type list struct {
	q      *queue
	epoch  string
	number int64 // of the oldest entry that is not settled
}

func (l *list) keys(more ...string) []string {
	return append([]string{l.q.beside("holder"), l.q.beside("state"), l.q.beside("taken")}, more...)
}

func (l *list) take(ctx context.Context) ([]entry, error) {
	cfg := &l.q.set.cfg
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	asked := time.Now()
	answer, err := takeScript.Run(ctx, cfg.Client, l.keys(l.q.Key), l.q.set.me, cfg.Lease.Milliseconds(),
		bounds.QueueBatch, bounds.QueueBatchBytes, max(cfg.MaxMessage, bounds.QueueBatchBytes), random.Name()).Slice()
	switch {
	case errors.Is(err, redis.Nil):
		return nil, errNotHolder
	case err != nil:
		return nil, err
	case len(answer) != 3:
		return nil, errors.New("queues: Redis answers something else")
	}
	l.q.renewed = asked
	taken, ok := answer[2].([]any)
	if !ok || len(taken) == 0 {
		return nil, nil
	}
	l.epoch = fmt.Sprint(answer[0])
	if l.number, err = strconv.ParseInt(fmt.Sprint(answer[1]), 10, 64); err != nil {
		return nil, fmt.Errorf("queues: the state of %q: %w", l.q.Key, err)
	}
	entries := make([]entry, len(taken))
	for i := range taken {
		entries[i] = l.entry(taken[len(taken)-1-i], l.number+int64(i))
	}
	return entries, nil
}

// entry is as a plain PUBLISH is taken: text if it is UTF-8, else binary.
func (l *list) entry(v any, number int64) entry {
	e := entry{id: l.epoch + ":" + strconv.FormatInt(number, 10)}
	payload, ok := v.(string)
	if !ok {
		e.bad, e.why = tooLarge, l.tooLong(v)
		return e
	}
	e.raw = payload
	if len(payload) > l.q.set.cfg.MaxMessage {
		e.bad, e.why = tooLarge, l.tooLong(len(payload))
		return e
	}
	// With what it says: after a failover to an older state the number may be another's.
	hash := sha256.Sum256([]byte(payload))
	e.p = broker.Publication{
		Room: l.q.Room, Format: broker.Text, Payload: []byte(payload), Keep: true,
		Key: "list:" + l.q.Key + ":" + e.id + ":" + hex.EncodeToString(hash[:8]),
	}
	if !utf8.ValidString(payload) {
		e.p.Format = broker.Binary
	}
	return e
}

func (l *list) tooLong(bytes any) string {
	return fmt.Sprintf("has %v bytes, want at most %d", bytes, l.q.set.cfg.MaxMessage)
}

// await moves an entry as soon as there is one. It may do so for one that no longer holds
// the queue: the holder finds it among what was taken.
func (l *list) await(ctx context.Context) error {
	err := l.q.set.cfg.Blocking.BLMove(ctx, l.q.Key, l.q.beside("taken"), "RIGHT", "LEFT", blockTime).Err()
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}

func (l *list) settle(ctx context.Context, done []entry) error {
	cfg := &l.q.set.cfg
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	asked := time.Now()
	n, err := settleScript.Run(ctx, cfg.Client, l.keys(), l.q.set.me, cfg.Lease.Milliseconds(), l.epoch, l.number, len(done)).Int()
	switch {
	case err != nil:
		return err
	case n == 0:
		return errNotHolder
	}
	l.q.renewed = asked
	l.number += int64(len(done))
	return nil
}

func (l *list) length(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, l.q.set.cfg.Timeout)
	defer cancel()
	waiting, err := l.q.set.cfg.Client.LLen(ctx, l.q.Key).Result()
	if err != nil {
		return 0, err
	}
	taken, err := l.q.set.cfg.Client.LLen(ctx, l.q.beside("taken")).Result()
	return waiting + taken, err
}
