-- set_aside.lua: the keeper leaves a chunk that it cannot read until later. A newer worker may be able to read it.
-- uses clock
-- uses full
-- KEYS[1]   counts        hash; only for the first write
-- KEYS[2]   chunk_leases  zset
-- ARGV      the lease's member, for how long ms
-- returns   1 (set aside) | 0 (the lease is gone)
-- cost      O(log chunks)
-- moves     none
-- again     same answer, changes only chunk_leases: the wait begins again
-- memory    works in a full Redis: the first write is HDEL
if not redis.call('ZSCORE', KEYS[2], ARGV[1]) then return 0 end
free_first(KEYS[1])
redis.call('ZADD', KEYS[2], 'XX', now_ms() + tonumber(ARGV[2]), ARGV[1])
return 1
