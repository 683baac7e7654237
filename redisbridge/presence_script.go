package redisbridge

// The scripts that presence runs in Redis, and the keys they work on.
//
//	PREFIX{ROOM}:nodes     sorted set: node, by the end of its lease in ms
//	PREFIX{ROOM}:counts    hash: node -> "users connections partial"
//	PREFIX{ROOM}:at:NODE   hash: user -> JSON, and "" -> the version
//	PREFIX{ROOM}:seen:B    HyperLogLog of the users seen in the bucket B
//
// ROOM has a space before it if it begins with }.
//
// All of a room's keys share a hash tag, so they are on one node of a Redis
// Cluster, and the scripts may reach those of other Barrage nodes, whose names
// they find in the sorted set. The clock is Redis's own.

import "github.com/redis/go-redis/v9"

// presenceLib adds up the room's figures over the given nodes. Up to exact users
// it counts each once; beyond, or if a node keeps only its newest, once per node.
const presenceLib = `
local function figures(nodes, counts, hashes, exact)
  local users, conns, whole = 0, 0, true
  for _, n in ipairs(nodes) do
    local u, c, p = string.match(redis.call('HGET', counts, n) or '', '^(%d+) (%d+) (%d)$')
    users, conns = users + (tonumber(u) or 0), conns + (tonumber(c) or 0)
    whole = whole and p ~= '1'
  end
  whole = whole and users <= exact
  if whole and #nodes > 1 then
    local known = {}
    users = 0
    for _, n in ipairs(nodes) do
      for _, id in ipairs(redis.call('HKEYS', hashes .. n)) do
        if id ~= '' and not known[id] then
          known[id] = true
          users = users + 1
        end
      end
    end
  end
  return users, conns, whole
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`

// presenceSync applies one update. It answers {1} if the update is late or
// applies to something else than what is there, else {0, users, connections,
// elsewhere, departed as user and JSON in turn, 1 if viewers are kept and 2 if since now},
// with 2 for the first 0 if the lease was over, or there was none, and others were there.
var presenceSync = redis.NewScript(presenceLib + `
local nodes, counts, mine, seen = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local hashes, node, lease, mode = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local version, previous = tonumber(ARGV[5]), tonumber(ARGV[6])
local figure, ask, exact, seenTTL = ARGV[7], ARGV[8] == '1', tonumber(ARGV[9]), ARGV[10]
local begin, kept = ARGV[11] == '1', 0
local at = 12
local function take()
  local n, list = tonumber(ARGV[at]), {}
  for i = 1, n do list[i] = ARGV[at + i] end
  at = at + n + 1
  return list
end
local set, removed, viewers = take(), take(), take()

local ends = tonumber(redis.call('ZSCORE', nodes, node) or '0')
local have = tonumber(redis.call('HGET', mine, '') or '0')
if mode == 'full' then
  if have >= version then return {1} end
elseif have ~= previous then
  return {1}
end
if mode == 'over' then
  redis.call('ZADD', nodes, now, node)
  return {0, 0, 0, {}, {}, 0}
end

if mode == 'full' then redis.call('UNLINK', mine) end
if #set > 0 then redis.call('HSET', mine, unpack(set)) end
if #removed > 0 then redis.call('HDEL', mine, unpack(removed)) end
if mode == 'gone' then
  redis.call('UNLINK', mine)
  redis.call('HDEL', counts, node)
  redis.call('ZREM', nodes, node)
else
  -- Longer than the lease: who finds a dead node tells of its users.
  local keep = 4 * lease
  redis.call('HSET', mine, '', version)
  redis.call('HSET', counts, node, figure)
  redis.call('ZADD', nodes, now + lease, node)
  for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], keep) end
end
if #viewers > 0 then
  local there = redis.call('EXISTS', seen)
  if there == 1 or begin then
    redis.call('PFADD', seen, unpack(viewers))
    redis.call('PEXPIRE', seen, seenTTL)
    kept = 2 - there
  end
end

local live, others = redis.call('ZRANGEBYSCORE', nodes, '(' .. now, '+inf'), {}
for _, n in ipairs(live) do
  if n ~= node then others[#others + 1] = n end
end
local function has(list, id)
  for _, n in ipairs(list) do
    if redis.call('HEXISTS', hashes .. n, id) == 1 then return true end
  end
  return false
end

local departed, told = {}, {}
for _, n in ipairs(redis.call('ZRANGEBYSCORE', nodes, '-inf', now)) do
  local hash = hashes .. n
  if ask and redis.call('HLEN', hash) <= exact then
    local all = redis.call('HGETALL', hash)
    for i = 1, #all, 2 do
      local id = all[i]
      if id ~= '' and not told[id] and not has(live, id) then
        told[id] = true
        departed[#departed + 1] = id
        departed[#departed + 1] = all[i + 1]
      end
    end
  end
  redis.call('UNLINK', hash)
  redis.call('HDEL', counts, n)
  redis.call('ZREM', nodes, n)
end

local elsewhere = {}
if ask then
  for i = 1, #set, 2 do
    if has(others, set[i]) then elsewhere[#elsewhere + 1] = set[i] end
  end
  for _, id in ipairs(removed) do
    if has(others, id) then elsewhere[#elsewhere + 1] = id end
  end
end
local users, conns = figures(live, counts, hashes, exact)
local status = 0
if ends <= now and #others > 0 then status = 2 end
return {status, users, conns, elsewhere, departed, kept}
`)

// presenceList answers {users, connections, 1 if each user is counted once, and
// user and JSON in turn if names are wanted}.
var presenceList = redis.NewScript(presenceLib + `
local nodes, counts = KEYS[1], KEYS[2]
local hashes, exact, names = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
local live = redis.call('ZRANGEBYSCORE', nodes, '(' .. now, '+inf')
local users, conns, whole = figures(live, counts, hashes, exact)
local list = {}
if names then
  for _, n in ipairs(live) do
    for i, v in ipairs(redis.call('HGETALL', hashes .. n)) do list[#list + 1] = v end
  end
end
return {users, conns, whole and 1 or 0, list}
`)
