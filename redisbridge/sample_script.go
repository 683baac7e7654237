package redisbridge

// Publishing to rooms that are sampled, whose rule is in package sampling.

import "github.com/redis/go-redis/v9"

// hotScript is publishScript for rooms with a target, with more KEYS: 4 heat, 5 spoke, 6
// wants; and more ARGV: 13 the target, 14 who speaks, 15 the body, without its payload, of
// the message that tells how many were left out. A message that is left out is neither kept
// nor announced; the result says so behind its id.
//
// The hash heat is a sampling.Room, whose maps are the sorted set spoke and the hash wants.
var hotScript = redis.NewScript(hotLua)

const hotLua = `
local known = redis.call('GET', KEYS[3])
if known then return {1, known} end
local target, window, slack, most_senders = tonumber(ARGV[13]), 1000, 1.2, 10000
local clock = redis.call('TIME')
local ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
local heat = redis.call('HMGET', KEYS[4], 'tokens', 'filled', 'began', 'all', 'share', 'left', 'told')
for i = 1, 7 do heat[i] = tonumber(heat[i] or '') end
local tokens, filled, began, all, share, left, told = unpack(heat, 1, 7)

-- level is the most that each sender may have, if all together may have most.
local function level(most)
  local n = redis.call('HLEN', KEYS[6])
  if n >= most then return most / n end
  local wants = redis.call('HVALS', KEYS[6])
  for i = 1, n do wants[i] = tonumber(wants[i]) end
  table.sort(wants)
  for i, want in ipairs(wants) do
    local rest = n - i + 1
    if want * rest >= most then return most / rest end
    most = most - want
  end
  return wants[n]
end

left, told = left or 0, told or 0
if not (tokens and filled and began and all and share) or ms < began then
  redis.call('DEL', KEYS[4], KEYS[5], KEYS[6])
  tokens, filled, began, all, share, told = target, ms, ms, 0, 0, 0
elseif ms - began >= window then
  local past = ms - began
  local most = target * past / window
  share = 0
  if all > most then share = level(most) * window / past end
  began, all = ms, 0
  redis.call('UNLINK', KEYS[6])
  if share == 0 then
    redis.call('UNLINK', KEYS[5])
  else
    redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', string.format('%.17g', ms - window / (slack * share)))
  end
end
tokens, filled, all = math.min(target, tokens + (ms - filled) / window * target), ms, all + 1
if redis.call('HLEN', KEYS[6]) < most_senders or redis.call('HEXISTS', KEYS[6], ARGV[14]) == 1 then
  redis.call('HINCRBY', KEYS[6], ARGV[14], 1)
end
local last = tonumber(redis.call('ZSCORE', KEYS[5], ARGV[14]) or '')
local through, tell = true, 0
if tokens < 1 or (last and share > 0 and ms - last < window / (slack * share)) then
  left, through = left + 1, false
else
  tokens = tokens - 1
  redis.call('ZADD', KEYS[5], ms, ARGV[14])
  if left > 0 and ms - told >= window then tell, left, told = left, 0, ms end
end
local function text(n) return string.format('%.17g', n) end
redis.call('HSET', KEYS[4], 'tokens', text(tokens), 'filled', text(filled), 'began', text(began), 'all', text(all),
  'share', text(share), 'left', text(left), 'told', text(told))
local keep = share == 0 and left == 0 and 10000 or 600000
for i = 4, 6 do redis.call('PEXPIRE', KEYS[i], keep) end
if not through then
  local result = string.format('0-%.0f', ms) .. '  ' .. ARGV[6] .. ' ` + leftOutMark + `'
  redis.call('SET', KEYS[3], result, 'PX', ARGV[5])
  return {0, result}
end

local function publish()
` + publishLua + `
end
local answer = publish()
if tell > 0 and answer.err == nil then
  local at = string.format('0-%.0f', ms)
  redis.call(ARGV[9], ARGV[8], '\3\0' .. string.char(#at) .. at .. '\0' .. ARGV[15] .. string.format('%.0f', tell))
end
return answer
`

// leftOutMark is behind the id in the result of a message that was left out.
const leftOutMark = "left-out"
