-- claim.lua: a process takes events that are to be delivered to a subscriber now. Nobody else is given them until its time is over.
-- uses clock
-- uses full
-- KEYS[1]   subscriber:<subscriber>        hash
-- KEYS[2]   subscriber:<subscriber>:due    zset
-- KEYS[3]   subscriber:<subscriber>:tries  hash
-- KEYS[4]   outward                        stream
-- KEYS[5]   outward_state                  hash
-- ARGV      how many at most, for how long ms, after how many failures in a row one is tried at a time
-- returns   {{<place in the stream>, <type>, <text>, <attempts before>} *}
-- cost      O(events × log events); the caller bounds how many
-- moves     none
-- again     another answer, changes nothing: what was taken is not due
-- memory    works in a full Redis: the first write is HDEL
local now = now_ms()
local v = redis.call('HMGET', KEYS[1], 'state', 'quiet_till', 'streak')
if v[1] ~= 'active' or tonumber(v[2] or 0) > now then return {} end
local most, out = tonumber(ARGV[1]), {}
free_first(KEYS[1])
local is_failing = tonumber(v[3] or 0) >= tonumber(ARGV[3])
for _, entry in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, is_failing and 1 or most)) do
  local found = redis.call('XRANGE', KEYS[4], entry, entry)[1]
  if found then
    redis.call('ZADD', KEYS[2], now + ARGV[2], entry)
    out[#out + 1] = {entry, found[2][1], found[2][2], tonumber(redis.call('HGET', KEYS[3], entry) or 0)}
  else
    redis.call('ZREM', KEYS[2], entry)
    redis.call('HDEL', KEYS[3], entry)
    redis.call('HINCRBY', KEYS[1], 'dropped', 1)
    redis.call('HSET', KEYS[1], 'dropped_at', now)
    redis.call('HINCRBY', KEYS[5], 'dropped', 1)
  end
end
if is_failing and #out > 0 then redis.call('HSET', KEYS[1], 'quiet_till', now + ARGV[2]) end
return out
