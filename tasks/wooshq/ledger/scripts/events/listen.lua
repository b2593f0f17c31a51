-- listen.lua: from now on every end is told. Whoever reads the events calls it at the start, and again and again, for its group.
-- uses clock
-- uses full
-- uses events/trim
-- KEYS[1]   telling  hash
-- KEYS[2]   events   stream
-- ARGV      how many bytes the stream may have, the group
-- returns   {<ends that were not told>, <bytes of the stream>}
-- cost      O(groups)
-- moves     none
-- again     same answer, changes only telling
-- memory    works in a full Redis: the first write is HDEL
local now = now_ms()
free_first(KEYS[1])
local is_there = redis.call('EXISTS', KEYS[2]) == 1
if not is_there or not groups_of(KEYS[2])[ARGV[2]] then
  redis.call('XGROUP', 'CREATE', KEYS[2], ARGV[2], ARGV[2] == HISTORY and '0' or '$', 'MKSTREAM')
  -- What ended before was not told. Only the history wants that, too.
  if ARGV[2] == HISTORY then
    redis.call('HINCRBY', KEYS[1], 'untold', 1)
    redis.call('HSETNX', KEYS[1], 'untold_at', now)
  end
end
if not is_there then redis.call('HSET', KEYS[1], 'bytes', 0) end
redis.call('HSET', KEYS[1], 'most', ARGV[1], 'heard|' .. ARGV[2], now)
local v = redis.call('HMGET', KEYS[1], 'untold', 'bytes')
return {tonumber(v[1] or 0), tonumber(v[2] or 0)}
