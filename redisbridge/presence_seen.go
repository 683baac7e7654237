package redisbridge

// When users were here last: sorted sets of users by the time, each a part of the users, so
// that each is bounded in its number of them and one of many nodes of a cluster has it.
//
//	PREFIX{@N}:last    sorted set: user, by ms
//
// No room begins with @.

import (
	"context"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"barrage/edge/presence"
	"barrage/internal/bounds"
)

const seenParts = 64

// sawScript: KEYS last. ARGV: 1 how long they are kept in ms, 2 the most of them, then how
// long ago in ms and user in turn. The clock is Redis's own. What is older is forgotten, and
// of too many the longest gone.
var sawScript = redis.NewScript(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 3, #ARGV, 2 do
  redis.call('ZADD', KEYS[1], 'GT', now - ARGV[i], ARGV[i + 1])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -ARGV[2] - 1)
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 0
`)

func (p *Presence) lastKey(user string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(user))
	return p.key("@"+strconv.Itoa(int(h.Sum32()%seenParts)), "last")
}

// Saw implements presence.Store.
func (p *Presence) Saw(ctx context.Context, seen []presence.Seen, keep time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	now, at := time.Now(), make(map[string]int)
	var calls []scriptCall
	for _, s := range seen {
		key := p.lastKey(s.User)
		i, ok := at[key]
		if !ok {
			i, at[key] = len(calls), len(calls)
			calls = append(calls, scriptCall{keys: []string{key}, args: []any{keep.Milliseconds(), bounds.LastSeenInRedis / seenParts}})
		}
		calls[i].args = append(calls[i].args, max(0, now.Sub(s.At).Milliseconds()), s.User)
	}
	for _, cmd := range runAll(ctx, p.redis, sawScript, calls) {
		if err := cmd.Err(); err != nil {
			return fmt.Errorf("redisbridge: presence: last seen: %w", err)
		}
	}
	return nil
}

// LastSeen implements presence.Store.
func (p *Presence) LastSeen(ctx context.Context, user string) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	ms, err := p.redis.ZScore(ctx, p.lastKey(user), user).Result()
	switch {
	case err == redis.Nil:
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, fmt.Errorf("redisbridge: presence: last seen: %w", err)
	}
	return time.UnixMilli(int64(ms)), nil
}
