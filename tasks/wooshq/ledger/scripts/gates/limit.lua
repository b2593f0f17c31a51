-- limit.lua: a person sets a limit, for all workers at once, or takes it back: then the environment's counts again.
-- uses clock
-- uses history
-- KEYS[1]   limits   hash
-- KEYS[2]   changes  stream
-- ARGV      'rate' | 'share', application or '*' for all, value ('none' for no ceiling, '' to take it back), why, by whom
-- derived   telling
-- returns   {<the time now, ms>, <the limit before, JSON> | ''}
-- cost      O(1)
-- moves     none
-- again     another answer, changes only limits, changes and telling: it is set since the last call
-- memory    works in a full Redis: the first write is HDEL
local now = now_ms()
local field = ARGV[1] .. '|' .. ARGV[2]
local before = redis.call('HGET', KEYS[1], field)
redis.call('HDEL', KEYS[1], field)
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[1], field, cjson.encode({value = ARGV[3], why = ARGV[4], by = ARGV[5], since_ms = now}))
end
if before or ARGV[3] ~= '' then
  note_change(KEYS[2], now, 'limit', field, ARGV[4], ARGV[5], ARGV[3], before and cjson.decode(before).value or '')
end
return {now, before or ''}
