package redisbridge

// What Redis does in one step. A script runs alone, so publishing numbers,
// stores and announces a message at once, and reading sees a history that nobody
// changes meanwhile. Every script is sent by its hash, and whole when Redis does
// not know it (any more).

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// metaKeep is how much longer than the messages a room's epoch and offset live.
// A room that was quiet for the age of its history goes on with the next offset:
// nothing was lost, and nobody is told so.
const metaKeep = 24 * time.Hour

// publishScript: KEYS meta, log, result. ARGV: 1 epoch to begin if there is
// none, 2 messages to keep (0: no history), 3 their age in ms, 4 the meta's,
// 5 how long to remember the result in ms, 6 id, 7 body, 8 channel, 9 PUBLISH or
// SPUBLISH, 10 and 11 epoch and offset that the publisher has seen, 12 bytes to
// keep. Answers {1 if the result is that of an earlier publish, result}.
//
// The entry is added before the offset is noted: should Redis refuse the entry
// (wrong type of key), no offset is left without a message. An id that is not
// above the log's last one means that meta and log do not belong together. A
// publisher that has seen more than there is shows that Redis has lost messages,
// whose offsets must not be given again.
//
// The meta's b is how many bytes the log has. In a room of small messages that is a bound
// only, since it grows although MAXLEN takes entries away: past half of what may be kept
// the log is counted, from its newest entry on. One that has more than a quarter is large:
// its c is then how many entries b is the sum of, and the offset of the last, and whatever
// goes is read first, so that a large log is not counted again and again. After a node that
// is older, which does not note c, or not even b, it is counted.
var publishScript = redis.NewScript(publishLua)

const publishLua = `
local known = redis.call('GET', KEYS[3])
if known then return {1, known} end
local now = redis.call('TIME')
now = now[1] .. string.format('%03d', math.floor(now[2] / 1000))
local epoch, at, before = '', '0-' .. now, ''
if ARGV[2] ~= '0' then
  local meta = redis.call('HMGET', KEYS[1], 'e', 'o', 't', 'b', 'c')
  local offset, bytes, most, limit = tonumber(meta[2] or ''), tonumber(meta[4] or ''), tonumber(ARGV[12]), tonumber(ARGV[2])
  local counted, last = string.match(meta[5] or '', '^(%d+) (%d+)$')
  counted = last == meta[2] and tonumber(counted) or nil
  epoch, before = meta[1], meta[3] or ''
  local function size(entry) return #entry[2][2] + 200 end
  local function begin()
    redis.call('DEL', KEYS[1], KEYS[2])
    epoch, offset, before, bytes, counted = ARGV[1], 0, '', 0, nil
    redis.call('HSET', KEYS[1], 'e', epoch)
  end
  local function add()
    at = string.format('%.0f-%s', offset + 1, now)
    if counted then return redis.pcall('XADD', KEYS[2], at, 'm', ARGV[7]) end
    return redis.pcall('XADD', KEYS[2], 'MAXLEN', '=', ARGV[2], at, 'm', ARGV[7])
  end
  local function count()
    local from = '+'
    bytes, counted = 0, 0
    repeat
      local chunk = redis.call('XREVRANGE', KEYS[2], from, '-', 'COUNT', 32)
      for _, entry in ipairs(chunk) do
        if counted > 0 and bytes + size(entry) > most then
          redis.call('XTRIM', KEYS[2], 'MAXLEN', '=', counted)
          return
        end
        bytes, counted, from = bytes + size(entry), counted + 1, '(' .. entry[1]
      end
    until #chunk < 32
  end
  local function cut()
    while counted > 1 and (counted > limit or bytes > most) do
      local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
      redis.call('XDEL', KEYS[2], oldest[1])
      bytes, counted = bytes - size(oldest), counted - 1
    end
  end
  if not epoch or not offset or (epoch == ARGV[10] and offset < tonumber(ARGV[11])) then begin() end
  local added = add()
  if type(added) == 'table' and string.find(added.err, 'equal or smaller', 1, true) then
    begin()
    added = add()
  end
  if type(added) == 'table' then return added end
  offset, bytes, counted = offset + 1, bytes and bytes + #ARGV[7] + 200, counted and counted + 1
  if counted and redis.call('XLEN', KEYS[2]) ~= counted then bytes = nil end
  if not bytes or (not counted and bytes > most / 2) then count() end
  if counted then cut() end
  local noted = ''
  if counted and bytes > most / 4 then noted = string.format('%.0f %.0f', counted, offset) end
  redis.call('HSET', KEYS[1], 'o', string.format('%.0f', offset), 't', now, 'b', string.format('%.0f', bytes), 'c', noted)
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
end
local result = at .. ' ' .. epoch .. ' ' .. ARGV[6]
redis.call('SET', KEYS[3], result, 'PX', ARGV[5])
redis.call(ARGV[9], ARGV[8], '\3' .. string.char(#epoch) .. epoch .. string.char(#at) .. at .. string.char(#before) .. before .. ARGV[7])
return {0, result}
`

// readScript: KEYS meta, log. ARGV: 1 epoch to begin if there is none (empty:
// do not), 2 the meta's age in ms, 3 mode, 4 offset, 5 epoch the offset belongs to
// (empty: any), 6 most messages (0: no limit), 7 most bytes (0: no limit), 8 age in
// ms beyond which messages are left out (0: none). Modes:
//
//	newest  the newest ones
//	last    the newest ones after the offset, or as newest if the epoch has none such
//	after   those after the offset, the oldest first; otherwise likewise
//	follow  as after; none if the epoch is another
//
// Answers {epoch, newest offset, 1 if a limit cut off newer ones and 2 if older ones,
// id, body, ...}. It reads few entries at a time where they are large: what it does
// not give away it must not have taken either.
var readScript = redis.NewScript(`
local meta = redis.call('HMGET', KEYS[1], 'e', 'o')
local epoch, head = meta[1], tonumber(meta[2] or '')
if not epoch or not head then
  if ARGV[1] ~= '' then
    redis.call('DEL', KEYS[1], KEYS[2])
    redis.call('HSET', KEYS[1], 'e', ARGV[1], 'o', '0')
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
  end
  return {ARGV[1], '0', 0}
end
local reply = {epoch, meta[2], 0}
local mode, after = ARGV[3], tonumber(ARGV[4])
local limit, bytes, oldest = tonumber(ARGV[6]), tonumber(ARGV[7]), 0
if ARGV[8] ~= '0' then
  local now = redis.call('TIME')
  oldest = now[1] * 1000 + math.floor(now[2] / 1000) - ARGV[8]
end
if ARGV[5] ~= '' and (ARGV[5] ~= epoch or after > head) then
  if mode == 'follow' then return reply end
  mode = 'newest'
end
local backwards = mode == 'newest' or mode == 'last'
local bottom = mode == 'newest' and '-' or string.format('%.0f', after + 1)
local from, count, size, found = backwards and '+' or bottom, 0, 0, {}
local function old(id) return tonumber(string.match(id, '%-(%d+)$')) < oldest end
local function step()
  local n = 128
  if bytes > 0 then
    n = count == 0 and 8 or math.min(n, math.floor((bytes - size) / (size / count)) + 1)
  end
  if limit > 0 then n = math.min(n, limit - count + 1) end
  return math.max(n, 1)
end
local function take(entry)
  local body = entry[2][2]
  if (limit > 0 and count == limit) or (bytes > 0 and count > 0 and size + #body > bytes) then
    reply[3] = backwards and 2 or 1
    return false
  end
  count, size = count + 1, size + #body
  found[count] = entry
  return true
end
local function read()
  while true do
    local n = step()
    local chunk
    if backwards then
      chunk = redis.call('XREVRANGE', KEYS[2], from, bottom, 'COUNT', n)
    else
      chunk = redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', n)
    end
    for _, entry in ipairs(chunk) do
      if old(entry[1]) then
        if backwards then return end
      elseif not take(entry) then return end
    end
    if #chunk < n then return end
    from = '(' .. chunk[#chunk][1]
  end
end
read()
for i = 1, count do
  local entry = found[backwards and count + 1 - i or i]
  reply[#reply + 1] = entry[1]
  reply[#reply + 1] = entry[2][2]
end
return reply
`)

// clearScript: KEYS meta, log, and of a mailbox waits, box. ARGV: 1 the epoch to end
// (empty: whichever), 2 its newest offset (empty: whichever). Answers 1 if there is no
// history then, 0 if there is another.
var clearScript = redis.NewScript(`
local meta = redis.call('HMGET', KEYS[1], 'e', 'o')
if ARGV[1] ~= '' and meta[1] then
  if meta[1] ~= ARGV[1] or (ARGV[2] ~= '' and tonumber(meta[2] or '') ~= tonumber(ARGV[2])) then return 0 end
end
redis.call('DEL', unpack(KEYS))
return 1
`)

// acknowledgeScript: KEYS meta. ARGV: 1 epoch, 2 offset.
var acknowledgeScript = redis.NewScript(`
local meta = redis.call('HMGET', KEYS[1], 'e', 'o', 'a')
local offset = tonumber(ARGV[2])
if meta[1] == ARGV[1] and offset > tonumber(meta[3] or '0') and offset <= tonumber(meta[2] or '0') then
  redis.call('HSET', KEYS[1], 'a', ARGV[2])
end
return 0
`)

// A scriptCall is what a script is called with.
type scriptCall struct {
	keys []string
	args []any
}

// runAll makes calls of a script in one go.
func runAll(ctx context.Context, c redis.UniversalClient, s *redis.Script, calls []scriptCall) []*redis.Cmd {
	batch := make([]*question, len(calls))
	for i, call := range calls {
		batch[i] = &question{put: putScript(ctx, s, call)}
	}
	askAll(ctx, c, batch)
	cmds := make([]*redis.Cmd, len(batch))
	for i, q := range batch {
		cmds[i] = q.answer.(*redis.Cmd)
	}
	return cmds
}

// putScript puts a script's call into a pipeline.
func putScript(ctx context.Context, s *redis.Script, call scriptCall) func(redis.Pipeliner, bool) redis.Cmder {
	return func(pipe redis.Pipeliner, whole bool) redis.Cmder {
		if whole {
			return s.Eval(ctx, pipe, call.keys, call.args...)
		}
		return s.EvalSha(ctx, pipe, call.keys, call.args...)
	}
}

// Parts are what a script answered, taken one after the other. What it is made of may
// be anybody's, so neither its types nor its length are trusted: see end.
type parts struct {
	rest []any
	err  error
}

var errAnswer = errors.New("redisbridge: unexpected reply of a script")

func partsOf(answer *redis.Cmd) *parts {
	list, err := answer.Slice()
	return &parts{list, err}
}

// take takes the next part, the zero value if there is none such.
func take[T any](p *parts) (v T) {
	if p.err != nil {
		return v
	}
	ok := len(p.rest) > 0
	if ok {
		v, ok = p.rest[0].(T)
		p.rest = p.rest[1:]
	}
	if !ok {
		p.err = errAnswer
	}
	return v
}

// texts takes a list of strings.
func (p *parts) texts() []string {
	inner := parts{rest: take[[]any](p)}
	list := make([]string, len(inner.rest))
	for i := range list {
		list[i] = take[string](&inner)
	}
	if inner.err != nil {
		p.err = inner.err
	}
	return list
}

// end tells what was wrong with the parts taken, or that there are more.
func (p *parts) end() error {
	if p.err == nil && len(p.rest) > 0 {
		p.err = errAnswer
	}
	return p.err
}
