-- revoke.lua: the keeper takes a lease that has ended, so that nothing changes while it files letters. What the worker records now is late.
-- uses clock
-- KEYS[1]   chunk:<job>:<chunk>  hash
-- KEYS[2]   marks:<job>:<chunk>  string
-- KEYS[3]   chunk_leases         zset
-- ARGV      the lease's member, token, the marks as they were read, the keeper's token, how long the keeper may take ms
-- returns   'revoked' | 'held' (the lease was renewed, or the marks have changed)
-- cost      O(size of the chunk)
-- moves     none
-- again     same answer, changes only chunk_leases: the lease begins again
-- memory    works in a full Redis: the first write is HDEL
local now = now_ms()
local lease = redis.call('HGET', KEYS[1], 'lease')
if lease ~= ARGV[4] then
  local ends = redis.call('ZSCORE', KEYS[3], ARGV[1])
  if not ends or tonumber(ends) > now or lease ~= ARGV[2] or redis.call('GET', KEYS[2]) ~= ARGV[3] then return 'held' end
end
redis.call('HDEL', KEYS[1], 'step', 'answer')
redis.call('HSET', KEYS[1], 'lease', ARGV[4])
redis.call('ZADD', KEYS[3], 'XX', now + tonumber(ARGV[5]), ARGV[1])
return 'revoked'
