-- ignore.lua: a caller ignores the letters of a cause until a time, or does not ignore them any more.
-- uses clock
-- uses history
-- KEYS[1]   cause:<cause>  hash
-- KEYS[2]   changes        stream
-- ARGV      cause, until when ms, or '' (not any more), how that is written in the audit log, why or '', by whom
-- derived   telling
-- returns   'ignored' | 'open' | 'gone'
-- cost      O(1)
-- moves     none
-- again     same answer, changes nothing: it is so already
-- memory    works in a full Redis: the first write is HDEL
local v = redis.call('HMGET', KEYS[1], 'reason', 'until', 'why', 'by', 'back')
if not v[1] then return 'gone' end
if ARGV[2] == '' then
  if not v[2] and not v[5] then return 'open' end
  redis.call('HDEL', KEYS[1], 'until', 'noted', 'why', 'by', 'back')
elseif v[2] ~= ARGV[2] or v[3] ~= ARGV[4] or v[4] ~= ARGV[5] then
  redis.call('HDEL', KEYS[1], 'back')
  redis.call('HSET', KEYS[1], 'until', ARGV[2], 'noted', now_ms(), 'why', ARGV[4], 'by', ARGV[5])
else
  return 'ignored'
end
local is_open = ARGV[2] == ''
note_change(KEYS[2], now_ms(), is_open and 'reopen' or 'ignore', 'cause ' .. ARGV[1], ARGV[4], ARGV[5], '', '',
  {result = is_open and 'open' or 'ignored until ' .. ARGV[3]})
return is_open and 'open' or 'ignored'
