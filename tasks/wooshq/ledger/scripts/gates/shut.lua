-- shut.lua: a person shuts a gate. It stays shut until a person opens it.
-- uses clock
-- uses history
-- uses events/ended
-- KEYS[1]   gates    hash
-- KEYS[2]   changes  stream
-- ARGV      gate, whose (application, '*' for all, then '/<lane>' if only one lane is meant), why, by whom
-- derived   events, telling
-- returns   <the time now, ms>
-- cost      O(1)
-- moves     none
-- again     another answer, changes only gates, changes and telling: it is shut since the last call
-- memory    works in a full Redis: the first write is HDEL
local now = now_ms()
local field = ARGV[1] .. '|' .. ARGV[2]
local was_shut = redis.call('HDEL', KEYS[1], field) == 1
redis.call('HSET', KEYS[1], field,
  cjson.encode({why = ARGV[3], by = ARGV[4], since_ms = now, until_ms = 0, wait_ms = 0, by_hand = true}))
note_change(KEYS[2], now, 'shut', ARGV[1] .. '|' .. ARGV[2], ARGV[3], ARGV[4], '', '', {result = 'shut'})
if not was_shut then tell_gate('shut', ARGV[1], ARGV[2], true, 0) end
tell_all(now)
return now
