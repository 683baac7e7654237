package redisbridge

// Persistent orders: the store of which each node has a replica.
//
//	PREFIX{standing}:all    hash: name -> "TIME value", TIME being its end in ms
//	                        since the Unix epoch or 0; and "" -> the version
//	PREFIX{standing}:ends   sorted set: names of those that end, by TIME
//
// The clock is Redis's own: what is said and asked is how long something still
// holds, since the nodes' clocks may differ.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"barrage/edge/moderation/replica"
)

// OrdersConfig is what NewOrders needs. Zero values mean the default, where
// one is given.
type OrdersConfig struct {
	// Client reaches Redis, as PresenceConfig.Client.
	Client redis.UniversalClient
	// Prefix of all keys. No braces. Default "barrage:orders:".
	Prefix string
	// Timeout bounds each call. Default 1s.
	Timeout time.Duration
}

// Orders is a replica.Store in Redis, 6.2 or later. Any goroutine may use it.
type Orders struct {
	redis     redis.UniversalClient
	timeout   time.Duration
	all, ends string
}

var _ replica.Store = (*Orders)(nil)

// NewOrders does not wait for Redis.
func NewOrders(cfg OrdersConfig) (*Orders, error) {
	timeout := cmp.Or(cfg.Timeout, defaultTimeout)
	wrong := problems{of: "redisbridge: orders"}
	wrong.store(cfg.Client, cfg.Prefix, timeout)
	head := cmp.Or(cfg.Prefix, ownNamespace+"orders:") + "{standing}:"
	return &Orders{redis: cfg.Client, timeout: timeout, all: head + "all", ends: head + "ends"}, errors.Join(wrong.list...)
}

// ordersPut: KEYS all, ends. ARGV: 1 "put", or "fill" to do so only where
// nothing was ever put; then name, value and for how many ms of each, "" being a
// value that is taken back and "" no end. Answers {version before, version now}.
//
// A version is the time in µs, so that none is given again by a Redis that lost all,
// or a replica that took over without the newest. Some of what is over goes with
// each call.
var ordersPut = redis.NewScript(`
local all, ends = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local before = tonumber(redis.call('HGET', all, '') or '0')
if ARGV[1] == 'fill' and before > 0 then return {before, before} end
local version = math.max(before + 1, time[1] * 1000000 + time[2])
for i = 2, #ARGV, 3 do
  local name, value, till = ARGV[i], ARGV[i + 1], '0'
  if ARGV[i + 2] ~= '' then till = string.format('%.0f', now + ARGV[i + 2]) end
  redis.call('ZREM', ends, name)
  if value == '' then
    redis.call('HDEL', all, name)
  else
    redis.call('HSET', all, name, till .. ' ' .. value)
    if till ~= '0' then redis.call('ZADD', ends, till, name) end
  end
end
for _, name in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, 100)) do
  redis.call('HDEL', all, name)
  redis.call('ZREM', ends, name)
end
redis.call('HSET', all, '', string.format('%.0f', version))
return {before, version}
`)

// Put implements replica.Store.
func (s *Orders) Put(ctx context.Context, e replica.Entry) (replica.Change, error) {
	return s.put(ctx, "put", []replica.Entry{e})
}

// Fill implements replica.Store: in one step, so that no node sees a part.
func (s *Orders) Fill(ctx context.Context, entries []replica.Entry) error {
	_, err := s.put(ctx, "fill", entries)
	return err
}

func (s *Orders) put(ctx context.Context, mode string, entries []replica.Entry) (replica.Change, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	args := make([]any, 0, 1+3*len(entries))
	args = append(args, mode)
	for _, e := range entries {
		left := ""
		if !e.Until.IsZero() {
			left = strconv.FormatInt(time.Until(e.Until).Milliseconds(), 10)
		}
		args = append(args, e.Name, e.Value, left)
	}
	versions, err := ordersPut.Run(ctx, s.redis, []string{s.all, s.ends}, args...).Int64Slice()
	if err == nil && len(versions) != 2 {
		err = errors.New("not an answer of our script")
	}
	if err != nil {
		return replica.Change{}, fmt.Errorf("redisbridge: orders: %s: %w", mode, err)
	}
	return replica.Change{Previous: uint64(versions[0]), Version: uint64(versions[1])}, nil
}

// Version implements replica.Store.
func (s *Orders) Version(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	version, err := s.redis.HGet(ctx, s.all, "").Uint64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, fmt.Errorf("redisbridge: orders: version: %w", err)
	}
	return version, nil
}

// Load implements replica.Store.
func (s *Orders) Load(ctx context.Context) (entries []replica.Entry, version uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	answer := partsOf(ordersLoad.Run(ctx, s.redis, []string{s.all}))
	now, all := time.UnixMilli(take[int64](answer)), answer.texts()
	err = answer.end()
	ahead := time.Since(now) // this node's clock of Redis's
	for i := 0; i+1 < len(all) && err == nil; i += 2 {
		if all[i] == "" {
			version, err = strconv.ParseUint(all[i+1], 10, 64)
		} else if e, ok := parseOrders(all[i], all[i+1]); ok {
			if !e.Until.IsZero() {
				e.Until = e.Until.Add(ahead)
			}
			entries = append(entries, e)
		}
	}
	if err == nil && version == 0 && len(all) > 0 {
		err = errAnswer // every Put sets a version
	}
	if err != nil {
		return nil, 0, fmt.Errorf("redisbridge: orders: load: %w", err)
	}
	return entries, version, nil
}

// ordersLoad: KEYS all. Answers {ms since the Unix epoch, all}.
var ordersLoad = redis.NewScript(`
local time = redis.call('TIME')
return {time[1] * 1000 + math.floor(time[2] / 1000), redis.call('HGETALL', KEYS[1])}
`)

// parseOrders takes a field of the hash apart. What another program wrote
// is not an entry.
func parseOrders(name, text string) (replica.Entry, bool) {
	end, value, ok := strings.Cut(text, " ")
	ms, err := strconv.ParseInt(end, 10, 64)
	if !ok || err != nil || ms < 0 || value == "" {
		return replica.Entry{}, false
	}
	e := replica.Entry{Name: name, Value: value}
	if ms > 0 {
		e.Until = time.UnixMilli(ms)
	}
	return e, true
}
