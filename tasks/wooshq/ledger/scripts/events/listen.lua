-- listen.lua: from now on every end is told. Workers that keep a history call it at their start, and again and again.
-- uses clock
-- uses full
-- KEYS[1]   telling  hash
-- KEYS[2]   events   stream
-- ARGV      how many bytes the stream may have
-- returns   {<ends that were not told>, <bytes of the stream>}
-- cost      O(1)
-- moves     none
-- again     same answer, changes only telling
-- memory    works in a full Redis: the first write is HDEL
local now = now_ms()
free_first(KEYS[1])
-- What ended before was not told.
if not redis.call('HGET', KEYS[1], 'most') then
  redis.call('HINCRBY', KEYS[1], 'untold', 1)
  redis.call('HSETNX', KEYS[1], 'untold_at', now)
end
redis.call('HSET', KEYS[1], 'most', ARGV[1], 'heard_at', now)
if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('XGROUP', 'CREATE', KEYS[2], 'history', '0', 'MKSTREAM')
  redis.call('HSET', KEYS[1], 'bytes', 0)
end
local v = redis.call('HMGET', KEYS[1], 'untold', 'bytes')
return {tonumber(v[1] or 0), tonumber(v[2] or 0)}
