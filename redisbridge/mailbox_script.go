package redisbridge

// Publishing to a mailbox, whose rules are in package broker: what waits in it is counted
// and indexed, so that a publish looks at no message's body but those it takes away.

import "github.com/redis/go-redis/v9"

// mailboxScript is publishScript for rooms of single users: the same ARGV and answers, and
// the error MAILBOXFULL. KEYS meta, log, result, waits, box.
//
// The sorted set waits has what was not acknowledged when somebody last published, by
// letter and offset: of clients a without and c with an acknowledgement to give, of
// backends b and d; with each its time, size, TTL and user. Those of a are there by user,
// too (s), and those with a TTL by their end (x). All scores are 0, so the order is that of
// the bytes, and numbers have 16 digits.
//
// The hash box has n messages and b bytes of each letter, of a and c also of each user; and
// the epoch e and newest offset o that this is true of, all of it behind k. A node of an
// earlier version does not count, and takes away by MAXLEN: then o is not the meta's any
// more, and all is counted anew. So the two outlive the log in no case.
//
// The meta's b is what the log has in bytes.
var mailboxScript = redis.NewScript(`
local known = redis.call('GET', KEYS[3])
if known then return {1, known} end
local log, waits, box = KEYS[2], KEYS[4], KEYS[5]
local limit, age, most, size = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[12]), #ARGV[7] + 200
local now = redis.call('TIME')
now = now[1] .. string.format('%03d', math.floor(now[2] / 1000))
local meta = redis.call('HMGET', KEYS[1], 'e', 'o', 't', 'b', 'a')
local epoch, offset, before = meta[1], tonumber(meta[2] or ''), meta[3] or ''
local bytes, acked = tonumber(meta[4] or '0'), tonumber(meta[5] or '0')

local function digits(n) return string.format('%016.0f', n) end

-- parse takes apart what envelope.go describes: letter, TTL and user of a message.
local function parse(body)
  local at = 1
  local function number(n)
    local v = 0
    for i = at, at + n - 1 do v = v * 256 + (string.byte(body, i) or 0) end
    at = at + n
    return v
  end
  at = at + number(1) + 8
  local format, ttl = number(1), 0
  if format >= 128 then ttl = number(4) end
  local confirm, conn = format % 128 >= 64, number(2)
  at = at + conn
  local n = number(2)
  local user = string.gsub(string.sub(body, at, at + n - 1), '%s', '?')
  if conn > 0 then return confirm and 'c' or 'a', ttl, user end
  return confirm and 'd' or 'b', ttl, user
end

local function count(letter, user, sign, size)
  redis.call('HINCRBY', box, letter .. 'n', sign)
  redis.call('HINCRBY', box, letter .. 'b', sign * size)
  if letter == 'b' or letter == 'd' then return end
  if redis.call('HINCRBY', box, letter .. 'n:' .. user, sign) == 0 then
    redis.call('HDEL', box, letter .. 'n:' .. user, letter .. 'b:' .. user)
  else
    redis.call('HINCRBY', box, letter .. 'b:' .. user, sign * size)
  end
end

local function note(id, body)
  local o, time = string.match(id, '^(%d+)%-(%d+)$')
  local letter, ttl, user = parse(body)
  o = digits(o)
  redis.call('ZADD', waits, 0, table.concat({letter .. o, time, #body + 200, ttl, user}, ' '))
  if ttl > 0 then redis.call('ZADD', waits, 0, 'x' .. digits(time + ttl) .. ' ' .. o) end
  if letter == 'a' then redis.call('ZADD', waits, 0, 's' .. user .. ' ' .. o) end
  count(letter, user, 1, #body + 200)
end

local function forget(entry)
  local letter, o, time, size, ttl, user = string.match(entry, '^(%a)(%d+) (%d+) (%d+) (%d+) (.*)$')
  redis.call('ZREM', waits, entry, 'x' .. digits(time + ttl) .. ' ' .. o, 's' .. user .. ' ' .. o)
  count(letter, user, -1, size)
  return string.format('%.0f-%s', o, time), size
end

local function drop(entry)
  local id, size = forget(entry)
  redis.call('XDEL', log, id)
  bytes = bytes - size
end

local function range(from, to, n) return redis.call('ZRANGEBYLEX', waits, from, to, 'LIMIT', 0, n) end
local function oldest(letter) return range('[' .. letter, '(' .. string.char(string.byte(letter) + 1), 1)[1] end
local function at(letter, o) return range('[' .. letter .. o .. ' ', '(' .. letter .. o .. '!', 1)[1] end

local function settle()
  for letter in string.gmatch('abcd', '%a') do
    local some
    repeat
      some = range('[' .. letter, '(' .. letter .. digits(acked + 1), 256)
      for _, entry in ipairs(some) do forget(entry) end
    until #some < 256
  end
end

local function recount()
  redis.call('DEL', waits, box)
  bytes = 0
  local from = '-'
  while true do
    local chunk = redis.call('XRANGE', log, from, '+', 'COUNT', 32)
    for _, entry in ipairs(chunk) do
      bytes = bytes + #entry[2][2] + 200
      if tonumber(string.match(entry[1], '^%d+')) > acked then note(entry[1], entry[2][2]) end
    end
    if #chunk < 32 then return end
    from = '(' .. chunk[32][1]
  end
end

-- bury takes away what is of no use any more.
local function bury()
  local some = false
  local expired = range('[x', '(x' .. digits(now + 1), 1)[1]
  while expired do
    local o = string.sub(expired, -16)
    redis.call('ZREM', waits, expired)
    local entry = at('a', o) or at('b', o) or at('c', o) or at('d', o)
    if entry then drop(entry) end
    some, expired = true, range('[x', '(x' .. digits(now + 1), 1)[1]
  end
  for letter in string.gmatch('abcd', '%a') do
    local entry = oldest(letter)
    while entry and now - string.match(entry, ' (%d+)') >= age do
      drop(entry)
      some, entry = true, oldest(letter)
    end
  end
  return some
end

local letter, _, user = parse(ARGV[7])
local client = letter == 'a' or letter == 'c'

-- counted is the messages and bytes of letters, or of letter:user; -letter:user takes away.
local function counted(...)
  local fields, signs, n, b = {}, {}, 0, 0
  for i, f in ipairs({...}) do
    local sign, letter, rest = string.match(f, '^(%-?)(%a)(.*)$')
    signs[i] = sign == '-' and -1 or 1
    fields[2 * i - 1], fields[2 * i] = letter .. 'n' .. rest, letter .. 'b' .. rest
  end
  local got = redis.call('HMGET', box, unpack(fields))
  for i, sign in ipairs(signs) do
    n, b = n + sign * (got[2 * i - 1] or 0), b + sign * (got[2 * i] or 0)
  end
  return n, b
end
local function fits(n, b) return n == 0 or (n < limit and b + size <= most) end

-- standing tells whether the message fits beside what its publisher cannot push out, all of
-- their own counting twice, or only what they must not lose.
local function standing(all)
  if not client then return fits(counted('d')) end
  return fits(counted('a', 'c', 'd', (all and 'a:' or '-a:') .. user, 'c:' .. user))
end

local function loose()
  local entry = oldest('b')
  if client then return entry end
  local other = oldest('a')
  if entry and other and string.sub(entry, 2, 17) > string.sub(other, 2, 17) then return other end
  return entry or other
end

-- acknowledged takes away the oldest if it is.
local function acknowledged()
  if redis.call('XLEN', log) <= counted('a', 'b', 'c', 'd') then return false end
  local entry = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
  if tonumber(string.match(entry[1], '^%d+')) > acked then return false end
  redis.call('XDEL', log, entry[1])
  bytes = bytes - #entry[2][2] - 200
  return true
end

local function make()
  while client and not standing(true) do
    if not bury() then
      local own = range('[s' .. user .. ' ', '(s' .. user .. '!', 1)[1]
      if not own then break end
      drop(at('a', string.sub(own, -16)))
    end
  end
  while not fits(redis.call('XLEN', log), bytes) do
    if not acknowledged() and not bury() then
      local entry = loose() or (not client and oldest('c'))
      if not entry then return end
      drop(entry)
    end
  end
end

local function begin()
  redis.call('DEL', KEYS[1], log, waits, box)
  epoch, offset, before, bytes, acked = ARGV[1], 0, '', 0, 0
  redis.call('HSET', KEYS[1], 'e', epoch)
end

local function save(left)
  redis.call('HSET', KEYS[1], 'o', string.format('%.0f', offset), 'b', string.format('%.0f', bytes))
  redis.call('HSET', box, 'e', epoch, 'o', string.format('%.0f', offset), 'k', string.format('%.0f', acked))
  if left > 0 then
    redis.call('PEXPIRE', waits, left)
    redis.call('PEXPIRE', box, left)
  else
    redis.call('DEL', waits, box)
  end
end

if not epoch or not offset or (epoch == ARGV[10] and offset < tonumber(ARGV[11])) then
  begin()
else
  local true_of = redis.call('HMGET', box, 'e', 'o', 'k')
  if true_of[1] ~= epoch or tonumber(true_of[2] or '') ~= offset then
    recount()
  elseif tonumber(true_of[3] or '0') < acked then
    settle()
  end
end
if not standing(false) and not (bury() and standing(false)) then
  save(redis.call('PTTL', log) - 1)
  return redis.error_reply('MAILBOXFULL the mailbox is full')
end
make()
local function add()
  local id = string.format('%.0f-%s', offset + 1, now)
  return redis.pcall('XADD', log, id, 'm', ARGV[7])
end
local added = add()
if type(added) == 'table' and string.find(added.err, 'equal or smaller', 1, true) then
  begin()
  added = add()
end
if type(added) == 'table' then return added end
note(added, ARGV[7])
offset, bytes = offset + 1, bytes + size
redis.call('HSET', KEYS[1], 't', now)
save(age)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PEXPIRE', log, age)
local result = added .. ' ' .. epoch .. ' ' .. ARGV[6]
redis.call('SET', KEYS[3], result, 'PX', ARGV[5])
redis.call(ARGV[9], ARGV[8], '\3' .. string.char(#epoch) .. epoch .. string.char(#added) .. added .. string.char(#before) .. before .. ARGV[7])
return {0, result}
`)
